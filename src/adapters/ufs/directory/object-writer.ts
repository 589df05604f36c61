/**
 * Writes and deletes objects so that a reader, and a crash, sees the old or the new one, whole.
 *
 * A put, and what a crash finds after each step:
 *
 * | step                                                             | after a crash                       |
 * |------------------------------------------------------------------|-------------------------------------|
 * | 1. the body and its time go to a temporary file, which is synced | the old object; leftover removed    |
 * | 2. the side file gets the new record beside the old, is synced   | the old object with the old record  |
 * | 3. the side file's directory is synced                           | the same                            |
 * | 4. the file is renamed into its place                            | the old or the new, each with its record |
 * | 5. its directory is synced                                       | the new object; now it is acknowledged |
 *
 * A delete removes the file first, then the side file: a side file without its file describes nothing.
 * Puts and deletes of one key come one after the other; a directory that a delete removes as empty is made again by
 * the put that needs it. The idea of renaming a synced file is as old as POSIX; see rename(2) and fsync(2).
 */
import path from 'node:path';
import { HeadraceError } from '../../../core/errors.js';
import { createMd5, hexOf } from '../../../core/hashing.js';
import type { StoredObject, StorePutRequest } from '../../../core/object-store.js';
import { checkStoreCondition } from '../../../core/store-condition.js';
import { isSystemError } from '../../system-call.js';
import type { AbortGate } from '../abortable.js';
import { bodyOf, bytesOf } from '../put-body.js';
import { noSuchBucket } from './bucket-errors.js';
import type { DirectorySync } from './directory-sync.js';
import {
  closeFile,
  createFile,
  identityOf,
  removeEmptyDirectory,
  removeFile,
  rename,
  setModified,
  statOpen,
  statPath,
  syncFile,
  writeAll,
} from './file-calls.js';
import { KeyLocks } from '../key-locks.js';
import type { ObjectFiles } from './object-files.js';
import { RESERVED_NAME, type Place, type Places } from './places.js';
import { type SideRecord, storedObject } from './side-file.js';
import { ATTEMPTS_MAX, SideWriter } from './side-writer.js';
import { ABSENT, storeError } from './system-errors.js';
import type { TemporaryFiles } from './temporary-files.js';

/** A file or a directory is in the way, or the file system refuses the name. */
const BLOCKED = ['ENOTDIR', 'EEXIST', 'EISDIR', 'ENOTEMPTY', 'ENAMETOOLONG', 'EINVAL', 'EILSEQ'] as const;

interface WriterParts {
  readonly places: Places;
  readonly files: ObjectFiles;
  readonly sync: DirectorySync;
  readonly temporary: TemporaryFiles;
  /** Called before and after the names in a directory change. */
  readonly onChange: (directory: string) => void;
}

/** A body that is in a temporary file, on its way to its place. */
interface PendingObject {
  readonly record: SideRecord;
  readonly temporary: string;
  /** Settles when the temporary file is durable, or cannot be made so. */
  readonly syncing: Promise<void>;
  readonly gate: AbortGate;
}

export class ObjectWriter {
  readonly #parts: WriterParts;
  readonly #locks = new KeyLocks();
  readonly #sides: SideWriter;
  /** Added to modification times, in microseconds, so that no two versions of one size share one. */
  #microseconds = 0;

  constructor(parts: WriterParts) {
    this.#parts = parts;
    this.#sides = new SideWriter(parts);
  }

  /** `current` finds what is there now, for the condition of the request. */
  async put(
    request: StorePutRequest,
    gate: AbortGate,
    current: () => Promise<StoredObject | undefined>,
  ): Promise<StoredObject> {
    const temporary = this.#parts.temporary.next();
    const descriptor = await createFile(temporary);
    let syncing: Promise<void> = Promise.resolve();
    let placed = false;
    try {
      const etag = await this.#writeBody(descriptor, request, gate);
      this.#microseconds = (this.#microseconds + 1) % 1000;
      await setModified(descriptor, request.lastModifiedMs + this.#microseconds / 1000);
      const file = identityOf(await statOpen(descriptor));
      const { lastModifiedMs, headers } = request;
      const record: SideRecord = { ...file, etag, lastModifiedMs, headers };
      syncing = syncFile(descriptor);
      // Awaited below; a failure must not count as unhandled while the lock is waited for.
      syncing.catch(() => {});
      await this.#locks.hold(`${request.bucket}/${request.key}`, async () => {
        const { bucket, key, condition } = request;
        if (condition !== undefined) {
          await syncing;
          checkStoreCondition(condition, await current(), `${bucket}/${key}`);
        }
        await this.#commit(request, { record, temporary, syncing, gate });
      });
      placed = true;
      return storedObject(file, record);
    } finally {
      await syncing.catch(() => {});
      await closeFile(descriptor);
      if (!placed) await removeFile(temporary);
    }
  }

  /** `check` may refuse, before anything changes. */
  async delete(bucket: string, key: string, gate: AbortGate, check: () => Promise<void>): Promise<void> {
    await this.#locks.hold(`${bucket}/${key}`, async () => {
      await check();
      gate.beginChange();
      const natural = this.#parts.places.natural(bucket, key);
      await this.#remove(this.#parts.places.overflow(bucket, key), bucket);
      if (natural !== undefined) await this.#remove(natural, bucket);
    });
  }

  /** Returns the ETag: the one that was asked for, else the MD5 of the body. */
  async #writeBody(descriptor: number, request: StorePutRequest, gate: AbortGate): Promise<string> {
    const md5 = request.etag === undefined ? createMd5() : undefined;
    const bytes = bytesOf(request);
    let position = 0;
    for await (const chunk of bytes === undefined ? bodyOf(request) : [bytes]) {
      gate.check();
      md5?.update(chunk);
      await writeAll(descriptor, chunk, position);
      position += chunk.length;
    }
    gate.check();
    return request.etag ?? (md5 === undefined ? '' : hexOf(md5.digest()));
  }

  async #commit(request: StorePutRequest, pending: PendingObject): Promise<void> {
    const { bucket, key } = request;
    const natural = this.#parts.places.natural(bucket, key);
    const overflow = this.#parts.places.overflow(bucket, key);
    if (natural !== undefined && (await this.#commitTo(natural, request, pending))) {
      // An older version that had to go there; the file hides it already.
      if (await removeFile(overflow.file)) await removeFile(overflow.sideFile);
      return;
    }
    await this.#requireBucket(bucket);
    if (!(await this.#commitTo(overflow, request, pending))) {
      throw new HeadraceError(
        'UFS_REJECTED',
        `cannot store ${bucket}/${key}: something that is no file is at ${overflow.file}`,
      );
    }
    // The bucket may have been removed meanwhile: nothing may come back with the next one of its name.
    if ((await statPath(this.#parts.places.bucket(bucket))) === undefined) {
      await this.#remove(overflow, bucket);
      throw noSuchBucket(bucket);
    }
  }

  /** False, with nothing changed, when the place cannot hold the object. */
  async #commitTo(place: Place, request: StorePutRequest, pending: PendingObject): Promise<boolean> {
    const { sync, onChange } = this.#parts;
    pending.gate.check();
    let lonelySide = false;
    try {
      // Both must have ended before the lock is given back.
      const side = this.#sides.write(place, request.key, pending.record);
      const [synced, written] = await Promise.allSettled([pending.syncing, side]);
      if (written.status === 'rejected') throw written.reason;
      lonelySide = written.value;
      if (synced.status === 'rejected') throw synced.reason;
      await sync.sync(place.sideDirectory);
      pending.gate.beginChange();
      onChange(place.directory);
      await this.#renameInto(pending.temporary, place, request.bucket);
    } catch (error) {
      if (lonelySide) await this.#removeSide(place, request.bucket);
      if (isSystemError(error, ...BLOCKED)) return false;
      throw error;
    } finally {
      onChange(place.directory);
    }
    await this.#syncChanged(place.directory);
    return true;
  }

  async #renameInto(temporary: string, place: Place, bucket: string): Promise<void> {
    const base = this.#parts.places.bucket(bucket);
    for (let attempt = 1; ; attempt++) {
      try {
        await rename(temporary, place.file);
        return;
      } catch (error) {
        if (!isSystemError(error, 'ENOENT') || attempt === ATTEMPTS_MAX) throw error;
        if (!place.overflow) await this.#requireBucket(bucket);
        if (place.directory !== base) {
          await this.#parts.sync.ensure(place.directory, place.overflow ? this.#overflowBase() : base);
        }
      }
    }
  }

  async #requireBucket(bucket: string): Promise<void> {
    const stats = await statPath(this.#parts.places.bucket(bucket));
    if (stats?.isDirectory() !== true) throw noSuchBucket(bucket);
  }

  #overflowBase(): string {
    return `${this.#parts.places.root}/${RESERVED_NAME}`;
  }

  async #remove(place: Place, bucket: string): Promise<void> {
    const { onChange } = this.#parts;
    onChange(place.directory);
    const removed = await removeFile(place.file).catch((error: unknown) => {
      if (isSystemError(error, ...ABSENT, ...BLOCKED)) return false;
      throw error;
    });
    onChange(place.directory);
    if (removed) await this.#syncChanged(place.directory);
    await this.#removeSide(place, bucket);
    if (removed && !place.overflow) {
      await this.#removeEmpty(place.directory, this.#parts.places.bucket(bucket));
    }
  }

  async #removeSide(place: Place, bucket: string): Promise<void> {
    const removed = await removeFile(place.sideFile).catch((error: unknown) => {
      if (isSystemError(error, ...ABSENT, ...BLOCKED)) return false;
      throw error;
    });
    if (removed && !place.overflow) {
      await this.#removeEmpty(place.sideDirectory, this.#parts.places.metaOf(bucket));
    }
  }

  async #syncChanged(directory: string): Promise<void> {
    try {
      await this.#parts.sync.sync(directory);
    } catch (error) {
      throw storeError(`sync ${directory}`, error, true);
    }
  }

  /** Removes `directory` and its parents as far as they are empty, but not `base`. An empty directory left over does no harm. */
  async #removeEmpty(directory: string, base: string): Promise<void> {
    while (directory.length > base.length) {
      if (!(await removeEmptyDirectory(directory).catch(() => false))) return;
      this.#parts.sync.forget(directory);
      directory = path.dirname(directory);
      this.#parts.onChange(directory);
    }
  }
}
