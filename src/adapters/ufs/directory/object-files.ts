/**
 * Reads objects: finds the file of a key, and the record that belongs to it.
 *
 * Invariant: the file that has the key as its path wins over one in the overflow area. Metadata is never taken from another
 * version than the bytes: a record must match the file, and when none does, the file is looked at again before it
 * counts as foreign, because a put may have been between the two looks.
 */
import type { Stats } from 'node:fs';
import { HeadraceError } from '../../../core/errors.js';
import type { StoredObject } from '../../../core/object-store.js';
import { isSystemError } from '../../system-call.js';
import { closeFile, identityOf, openToRead, readText, statOpen, statPath } from './file-calls.js';
import type { Place, Places } from './places.js';
import {
  decodeSideFile,
  matchingRecord,
  SIDE_FILE_BYTES_MAX,
  type FileIdentity,
  type SideFile,
  storedObject,
} from './side-file.js';
import { ABSENT } from './system-errors.js';

/** Times an object may be replaced while one read looks at it. */
const ATTEMPTS_MAX = 64;
/** Nothing there, or something that is no object: a symbolic link, a name the file system cannot have. */
const NO_OBJECT = [...ABSENT, 'ELOOP', 'ENXIO', 'ENAMETOOLONG', 'EINVAL', 'EILSEQ'] as const;

export interface OpenObject {
  readonly descriptor: number;
  readonly object: StoredObject;
}

export class ObjectFiles {
  readonly #places: Places;

  constructor(places: Places) {
    this.#places = places;
  }

  async head(bucket: string, key: string): Promise<StoredObject | undefined> {
    for (const place of this.#candidates(bucket, key)) {
      const object = await this.describe(place);
      if (object !== undefined) return object;
    }
    return undefined;
  }

  /** The object in a place; undefined when none is there. */
  async describe(place: Place): Promise<StoredObject | undefined> {
    for (let attempt = 0; attempt < ATTEMPTS_MAX; attempt++) {
      const stats = await statObject(place.file);
      if (stats === undefined) return undefined;
      const object = await this.#withRecord(place, identityOf(stats));
      if (object !== undefined) return object;
    }
    throw replacedTooOften(place.file);
  }

  /** Opens the object for reading; the caller closes the descriptor. */
  async open(bucket: string, key: string): Promise<OpenObject | undefined> {
    for (const place of this.#candidates(bucket, key)) {
      const opened = await this.#openPlace(place);
      if (opened !== undefined) return opened;
    }
    return undefined;
  }

  /** Undefined when there is none, or one that cannot be read as ours. */
  async readSide(file: string): Promise<SideFile | undefined> {
    const text = await readText(file, SIDE_FILE_BYTES_MAX);
    return text === undefined ? undefined : decodeSideFile(text);
  }

  #candidates(bucket: string, key: string): Place[] {
    const natural = this.#places.natural(bucket, key);
    const overflow = this.#places.overflow(bucket, key);
    // Once more the first, because an object may move there from the overflow area between the two looks.
    return natural === undefined ? [overflow] : [natural, overflow, natural];
  }

  async #openPlace(place: Place): Promise<OpenObject | undefined> {
    for (let attempt = 0; attempt < ATTEMPTS_MAX; attempt++) {
      let descriptor: number;
      try {
        descriptor = await openToRead(place.file);
      } catch (error) {
        if (isSystemError(error, ...NO_OBJECT)) return undefined;
        throw error;
      }
      let object: StoredObject | undefined;
      let isFile = false;
      try {
        const stats = await statOpen(descriptor);
        isFile = stats.isFile();
        if (isFile) object = await this.#withRecord(place, identityOf(stats));
        if (object !== undefined) return { descriptor, object };
      } finally {
        if (object === undefined) await closeFile(descriptor);
      }
      if (!isFile) return undefined;
    }
    throw replacedTooOften(place.file);
  }

  /** The object that `file` is; undefined when the place holds another file by now and has to be looked at again. */
  async #withRecord(place: Place, file: FileIdentity): Promise<StoredObject | undefined> {
    const side = await this.readSide(place.sideFile);
    const record = matchingRecord(side, file);
    if (record !== undefined) return storedObject(file, record);
    const again = await statObject(place.file);
    const same = again !== undefined && isSameFile(identityOf(again), file);
    return same ? storedObject(file, undefined) : undefined;
  }
}

async function statObject(file: string): Promise<Stats | undefined> {
  try {
    const stats = await statPath(file);
    return stats?.isFile() === true ? stats : undefined;
  } catch (error) {
    if (isSystemError(error, ...NO_OBJECT)) return undefined;
    throw error;
  }
}

function isSameFile(a: FileIdentity, b: FileIdentity): boolean {
  return a.ino === b.ino && a.size === b.size && a.mtimeMs === b.mtimeMs;
}

function replacedTooOften(file: string): HeadraceError {
  return new HeadraceError('UFS_UNAVAILABLE', `${file} was replaced ${ATTEMPTS_MAX} times while it was read`);
}
