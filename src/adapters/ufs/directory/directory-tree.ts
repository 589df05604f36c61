/**
 * The tree of a directory store, as the lister sees it.
 */
import fs from 'node:fs';
import type { StoredObject } from '../../../core/object-store.js';
import { isSystemError } from '../../system-call.js';
import { type OverflowKey, OverflowKeys } from '../overflow-keys.js';
import type { ObjectTree } from '../tree-lister.js';
import type { TreeDirectories } from '../tree-walk.js';
import type { DirectoryNames, NamesSource } from '../directory-names.js';
import { readNames, statPath } from './file-calls.js';
import type { ObjectFiles } from './object-files.js';
import type { Place, Places } from './places.js';
import { ABSENT } from './system-errors.js';

/** Entries of a directory read at a time, to see whether there is a file. */
const PEEK_ENTRIES = 32;

export const FILE_NAMES: NamesSource = {
  modifiedMs: async (directory) => (await statPath(directory))?.mtimeMs,
  readNames: async (directory) => {
    try {
      return await readNames(directory);
    } catch (error) {
      if (isSystemError(error, ...ABSENT)) return [];
      throw error;
    }
  },
};

export class DirectoryTree implements ObjectTree<Place> {
  readonly directories: TreeDirectories;
  readonly #places: Places;
  readonly #files: ObjectFiles;
  readonly #overflow: OverflowKeys;

  constructor(places: Places, files: ObjectFiles, names: DirectoryNames) {
    this.directories = { read: (directory) => names.read(directory), holdsFile };
    this.#places = places;
    this.#files = files;
    this.#overflow = new OverflowKeys({
      names: (bucket) => names.read(`${places.overflowOf(bucket)}/data`),
      keyOf: async (bucket, name) => (await files.readSide(places.overflowFile(bucket, name).sideFile))?.key,
    });
  }

  bucketDirectory(bucket: string): string {
    return this.#places.bucket(bucket);
  }

  isCarriable(key: string): boolean {
    return this.#places.isCarriable(key);
  }

  naturalPlace(bucket: string, key: string): Place | undefined {
    return this.#places.natural(bucket, key);
  }

  overflowPlace(bucket: string, name: string): Place {
    return this.#places.overflowFile(bucket, name);
  }

  overflowKeys(bucket: string): Promise<readonly OverflowKey[]> {
    return this.#overflow.read(bucket);
  }

  describe(place: Place): Promise<StoredObject | undefined> {
    return this.#files.describe(place);
  }
}

/** Whether there is a file in the directory, or in one below. */
export async function holdsFile(directory: string): Promise<boolean> {
  const below: string[] = [];
  try {
    const entries = await fs.promises.opendir(directory, { bufferSize: PEEK_ENTRIES });
    for await (const entry of entries) {
      if (entry.isFile()) return true;
      if (entry.isDirectory()) below.push(entry.name);
    }
  } catch (error) {
    if (isSystemError(error, ...ABSENT)) return false;
    throw error;
  }
  for (const name of below) {
    if (await holdsFile(`${directory}/${name}`)) return true;
  }
  return false;
}
