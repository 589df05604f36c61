/**
 * Reads files and directories of HDFS: statuses, records, bytes and listings.
 *
 * Invariant: metadata is never of another version than the bytes. Both are read by inode (`/.reserved/.inodes/<id>`), which a
 * put never reuses; when the inode is gone, the object was replaced, and is looked for again.
 *
 * Source of the inode paths: Apache Hadoop, HDFS-4434.
 */
import type { Readable } from 'node:stream';
import { HeadraceError } from '../../../core/errors.js';
import { toByteString } from '../../../core/key.js';
import type { ByteRange, StoredObject } from '../../../core/object-store.js';
import type { HdfsPaths, HdfsPlace } from './hdfs-paths.js';
import type { Namenode } from './namenode.js';
import {
  decodeRecord,
  type HdfsStatus,
  isFields,
  type ObjectRecord,
  statusFrom,
  storedObject,
} from './object-record.js';
import { isAbsent, isRefusal } from './webhdfs-errors.js';

/** Times an object may be replaced while one read looks at it. */
const ATTEMPTS_MAX = 64;
/** Records kept at hand, by inode, for listings. */
const RECORDS_MAX = 20_000;
/** Pages of one directory; a directory has a million names at most, by default, in pages of a thousand. */
const LISTING_PAGES_MAX = 1_000_000;

export interface OpenedObject {
  readonly object: StoredObject;
  /** Undefined for no bytes at all. */
  readonly stream: Readable | undefined;
  readonly size: number;
}

export class HdfsFiles {
  readonly #namenode: Namenode;
  readonly #paths: HdfsPaths;
  readonly #records = new Map<number, ObjectRecord | undefined>();

  constructor(namenode: Namenode, paths: HdfsPaths) {
    this.#namenode = namenode;
    this.#paths = paths;
  }

  /** Undefined when nothing is at the path. */
  async status(path: string, signal: AbortSignal | undefined): Promise<HdfsStatus | undefined> {
    try {
      const answer = await this.#namenode.call('GET', path === '' ? '/' : path, 'GETFILESTATUS', [], signal);
      const status = statusFrom(isFields(answer) ? answer['FileStatus'] : undefined);
      if (status === undefined) throw unreadable(`the status of ${path}`);
      return status;
    } catch (error) {
      if (isAbsent(error)) return undefined;
      throw error;
    }
  }

  async isDirectory(path: string, signal: AbortSignal | undefined): Promise<boolean> {
    return (await this.status(path, signal))?.isDirectory === true;
  }

  async head(
    bucket: string,
    key: string,
    signal: AbortSignal | undefined,
  ): Promise<StoredObject | undefined> {
    for (const place of this.#candidates(bucket, key)) {
      const object = await this.describe(place, undefined, signal);
      if (object !== undefined) return object;
    }
    return undefined;
  }

  /** The object in a place; undefined when none is there. `known` is a status that was just read. */
  async describe(
    place: HdfsPlace,
    known: HdfsStatus | undefined,
    signal: AbortSignal | undefined,
  ): Promise<StoredObject | undefined> {
    let status = known;
    for (let attempt = 0; attempt < ATTEMPTS_MAX; attempt++) {
      status ??= await this.status(place.path, signal);
      if (status === undefined || status.isDirectory) return undefined;
      try {
        return storedObject(status, await this.#record(status, signal));
      } catch (error) {
        if (!isAbsent(error)) throw error;
        status = undefined;
      }
    }
    throw replacedTooOften(place.path);
  }

  /** The key of the object in a file of the overflow area; undefined when there is none by now. */
  async overflowKey(path: string, signal: AbortSignal | undefined): Promise<string | undefined> {
    const status = await this.status(path, signal);
    if (status === undefined || status.isDirectory) return undefined;
    try {
      return (await this.#record(status, signal))?.key;
    } catch (error) {
      if (isAbsent(error)) return undefined;
      throw error;
    }
  }

  /** Undefined when there is no such object. `rangeOf` says which bytes, given the size; it may refuse. */
  async open(
    bucket: string,
    key: string,
    rangeOf: (size: number) => ByteRange,
    signal: AbortSignal | undefined,
  ): Promise<OpenedObject | undefined> {
    for (const place of this.#candidates(bucket, key)) {
      const opened = await this.#openPlace(place, rangeOf, signal);
      if (opened !== undefined) return opened;
    }
    return undefined;
  }

  /** Everything in a directory, in no order, page by page. Nothing when there is none. */
  async *list(
    directory: string,
    signal: AbortSignal | undefined,
  ): AsyncGenerator<readonly [name: string, status: HdfsStatus], void, undefined> {
    let startAfter = '';
    for (let page = 0; page < LISTING_PAGES_MAX; page++) {
      const { entries, remaining } = await this.#listPage(directory, startAfter, signal);
      for (const fields of entries) {
        const status = statusFrom(fields);
        const name = isFields(fields) ? fields['pathSuffix'] : undefined;
        if (status === undefined || typeof name !== 'string') throw unreadable(`the listing of ${directory}`);
        // Of a file, HDFS lists the file itself, without a name.
        if (name === '') return;
        startAfter = name;
        yield [name, status];
      }
      if (remaining === 0 || entries.length === 0) return;
    }
    throw unreadable(`the listing of ${directory}, which does not end,`);
  }

  /**
   * Byte strings of the names in a directory, those of directories with a slash behind, and to `onStatus` all that is known of
   * them.
   */
  async names(
    directory: string,
    signal: AbortSignal | undefined,
    onStatus?: (path: string, status: HdfsStatus) => void,
  ): Promise<string[]> {
    const names: string[] = [];
    for await (const [name, status] of this.list(directory, signal)) {
      names.push(toByteString(status.isDirectory ? `${name}/` : name));
      onStatus?.(`${directory}/${name}`, status);
    }
    return names;
  }

  #candidates(bucket: string, key: string): HdfsPlace[] {
    const natural = this.#paths.natural(bucket, key);
    const overflow = this.#paths.overflow(bucket, key);
    // Once more the first, because an object may move there from the overflow area between the two looks.
    return natural === undefined ? [overflow] : [natural, overflow, natural];
  }

  async #openPlace(
    place: HdfsPlace,
    rangeOf: (size: number) => ByteRange,
    signal: AbortSignal | undefined,
  ): Promise<OpenedObject | undefined> {
    for (let attempt = 0; attempt < ATTEMPTS_MAX; attempt++) {
      const status = await this.status(place.path, signal);
      if (status === undefined || status.isDirectory) return undefined;
      try {
        const object = storedObject(status, await this.#record(status, signal));
        const { first, last } = rangeOf(status.length);
        const size = last - first + 1;
        if (size === 0) return { object, stream: undefined, size };
        const parameters = [
          ['offset', String(first)],
          ['length', String(size)],
        ] as const;
        const stream = await this.#namenode.open(inodePath(status), parameters, signal);
        return { object, stream, size };
      } catch (error) {
        if (!isAbsent(error)) throw error;
      }
    }
    throw replacedTooOften(place.path);
  }

  /** The record of an inode, whether it fits or not. Throws an absence when the inode is gone. */
  async #record(status: HdfsStatus, signal: AbortSignal | undefined): Promise<ObjectRecord | undefined> {
    const { fileId } = status;
    const known = this.#records.get(fileId);
    if (known?.mtimeMs === status.mtimeMs && known.size === status.length) return known;
    const encoding = [['encoding', 'base64']] as const;
    const record = decodeRecord(
      await this.#namenode.call('GET', inodePath(status), 'GETXATTRS', encoding, signal),
    );
    if (record !== undefined) {
      if (this.#records.size >= RECORDS_MAX) this.#records.clear();
      this.#records.set(fileId, record);
    }
    return record;
  }

  async #listPage(
    directory: string,
    startAfter: string,
    signal: AbortSignal | undefined,
  ): Promise<{ readonly entries: readonly unknown[]; readonly remaining: number }> {
    const path = directory === '' ? '/' : directory;
    let answer: unknown;
    try {
      const parameters = [['startAfter', startAfter]] as const;
      answer = await this.#namenode.call('GET', path, 'LISTSTATUS_BATCH', parameters, signal);
    } catch (error) {
      if (isAbsent(error)) return { entries: [], remaining: 0 };
      // HDFS denies access to what would be below a file.
      const isDenied = isRefusal(error, 'AccessControlException');
      if (isDenied && (await this.status(directory, signal)) === undefined)
        return { entries: [], remaining: 0 };
      throw error;
    }
    const listing = isFields(answer) ? answer['DirectoryListing'] : undefined;
    const partial = isFields(listing) ? listing['partialListing'] : undefined;
    const statuses = isFields(partial) ? partial['FileStatuses'] : undefined;
    const entries = isFields(statuses) ? statuses['FileStatus'] : undefined;
    if (!isFields(listing) || !Array.isArray(entries) || typeof listing['remainingEntries'] !== 'number') {
      throw unreadable(`the listing of ${path}`);
    }
    return { entries, remaining: listing['remainingEntries'] };
  }
}

function inodePath({ fileId }: HdfsStatus): string {
  return `/.reserved/.inodes/${fileId}`;
}

function unreadable(what: string): HeadraceError {
  return new HeadraceError('UFS_UNAVAILABLE', `${what} is not of the form that WebHDFS has`);
}

function replacedTooOften(path: string): HeadraceError {
  return new HeadraceError('UFS_UNAVAILABLE', `${path} was replaced ${ATTEMPTS_MAX} times while it was read`);
}
