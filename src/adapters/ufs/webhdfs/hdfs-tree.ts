/**
 * The tree of a WebHDFS store as one listing sees it: what the listing has just read of a file is not asked for again.
 *
 * HDFS lists names by their bytes as signed numbers, which is not the order of keys: so the names of a directory are read
 * whole and sorted here, and remembered as `directory-names.ts` says.
 */
import type { StoredObject } from '../../../core/object-store.js';
import type { DirectoryNames } from '../directory-names.js';
import type { OverflowKey, OverflowKeys } from '../overflow-keys.js';
import type { ObjectTree } from '../tree-lister.js';
import type { TreeDirectories } from '../tree-walk.js';
import type { HdfsFiles } from './hdfs-files.js';
import { type HdfsPaths, type HdfsPlace, isCarriable } from './hdfs-paths.js';
import type { HdfsStatus } from './object-record.js';

export interface HdfsTreeParts {
  readonly paths: HdfsPaths;
  readonly files: HdfsFiles;
  readonly names: DirectoryNames;
  readonly overflow: OverflowKeys;
}

export class HdfsTree implements ObjectTree<HdfsPlace> {
  readonly directories: TreeDirectories;
  readonly #parts: HdfsTreeParts;
  readonly #signal: AbortSignal | undefined;
  readonly #fresh = new Map<string, HdfsStatus>();

  constructor(parts: HdfsTreeParts, signal: AbortSignal | undefined) {
    this.#parts = parts;
    this.#signal = signal;
    this.directories = {
      read: (directory) => parts.names.read(directory, (asked) => this.#readNames(asked)),
      holdsFile: (directory) => this.#holdsFile(directory),
    };
  }

  bucketDirectory(bucket: string): string {
    return this.#parts.paths.bucket(bucket);
  }

  isCarriable(key: string): boolean {
    return isCarriable(key);
  }

  naturalPlace(bucket: string, key: string): HdfsPlace | undefined {
    return this.#parts.paths.natural(bucket, key);
  }

  overflowPlace(bucket: string, name: string): HdfsPlace {
    return this.#parts.paths.overflowFile(bucket, name);
  }

  overflowKeys(bucket: string): Promise<readonly OverflowKey[]> {
    return this.#parts.overflow.read(bucket);
  }

  describe(place: HdfsPlace): Promise<StoredObject | undefined> {
    return this.#parts.files.describe(place, this.#fresh.get(place.path), this.#signal);
  }

  #readNames(directory: string): Promise<string[]> {
    return this.#parts.files.names(directory, this.#signal, (path, status) => this.#fresh.set(path, status));
  }

  async #holdsFile(directory: string): Promise<boolean> {
    const below: string[] = [];
    for await (const [name, status] of this.#parts.files.list(directory, this.#signal)) {
      if (!status.isDirectory) return true;
      below.push(name);
    }
    for (const name of below) {
      if (await this.#holdsFile(`${directory}/${name}`)) return true;
    }
    return false;
  }
}
