/**
 * Writes and deletes objects so that a reader, and a crash, sees the old or the new one, whole.
 *
 * A put, and what a crash finds after each step:
 *
 * | step                                                               | after a crash                      |
 * |--------------------------------------------------------------------|------------------------------------|
 * | 1. CREATE: the body goes to a temporary file, by way of a datanode | the old object; leftover removed   |
 * | 2. SETXATTR, SETTIMES: the record and the time go beside it        | the same                           |
 * | 3. RENAME with OVERWRITE gives it its name                         | the old or the new, each with its record |
 *
 * The answer to a rename that is lost is made up for: the temporary file is deleted. If it was there, the rename did not
 * happen and never will, however late it arrives; if it was gone, the rename did happen.
 *
 * Puts and deletes of one key come one after the other; a directory removed as empty is made again by the put that needs it.
 */
import { HeadraceError } from '../../../core/errors.js';
import { createMd5, hexOf } from '../../../core/hashing.js';
import type { StoreCondition, StoredObject, StorePutRequest } from '../../../core/object-store.js';
import type { Clock } from '../../../core/ports.js';
import { checkStoreCondition } from '../../../core/store-condition.js';
import { MINUTE_MS } from '../../../core/units.js';
import type { AbortGate } from '../abortable.js';
import { KeyLocks } from '../key-locks.js';
import { bytesOf, watched } from '../put-body.js';
import type { HdfsFiles } from './hdfs-files.js';
import type { HdfsPaths, HdfsPlace } from './hdfs-paths.js';
import type { Namenode } from './namenode.js';
import { encodeRecord, isFields, storedObject } from './object-record.js';
import type { TemporaryNames } from './temporary-names.js';
import { cannotOverwrite, isAbsent, isLost, isRefusal, noSuchBucket } from './webhdfs-errors.js';

/** A file or a directory is in the way. */
const BLOCKED = ['ParentNotDirectoryException', 'FileAlreadyExistsException'] as const;
/** Times a directory is made again because a delete removed it as empty. */
const ATTEMPTS_MAX = 32;
/** How long a bucket without an overflow area is taken to have none: what is in it is hidden by a file of the same key. */
const NO_OVERFLOW_MS = MINUTE_MS;
const BUCKETS_MAX = 10_000;

interface WriterParts {
  readonly namenode: Namenode;
  readonly paths: HdfsPaths;
  readonly files: HdfsFiles;
  readonly temporary: TemporaryNames;
  readonly clock: Clock;
  /** Called before and after the names in a directory change. */
  readonly onChange: (directory: string) => void;
}

interface Call {
  readonly gate: AbortGate;
  readonly signal: AbortSignal | undefined;
}

export class HdfsWriter {
  readonly #parts: WriterParts;
  readonly #locks = new KeyLocks();
  /** Of temporary files of puts that failed. */
  readonly #removals = new Set<Promise<unknown>>();
  /** When a bucket was last seen to have no overflow area, on the monotonic clock. */
  readonly #noOverflowMs = new Map<string, number>();

  constructor(parts: WriterParts) {
    this.#parts = parts;
  }

  async put(request: StorePutRequest, call: Call): Promise<StoredObject> {
    const { bucket, key, condition } = request;
    const temporary = this.#parts.temporary.next();
    let placed = false;
    try {
      const etag = await this.#writeBody(temporary, request, call);
      const stored = await this.#describe(temporary, request, etag, call);
      await this.#locks.hold(`${bucket}/${key}`, async () => {
        if (condition !== undefined) {
          const found = await this.#parts.files.head(bucket, key, call.signal);
          checkStoreCondition(condition, found, `${bucket}/${key}`);
        }
        await this.#commit(request, temporary, call);
      });
      placed = true;
      return stored;
    } finally {
      // Not waited for: the caller's time may be over, and a leftover is found by its name.
      if (!placed) {
        const removal = this.#remove(temporary, undefined)
          .catch(() => {})
          .finally(() => this.#removals.delete(removal));
        this.#removals.add(removal);
      }
    }
  }

  /** Resolves when nothing goes on behind calls that ended. */
  idle(): Promise<unknown> {
    return Promise.all(this.#removals);
  }

  async delete(bucket: string, key: string, call: Call, condition?: StoreCondition): Promise<void> {
    await this.#locks.hold(`${bucket}/${key}`, async () => {
      const found =
        condition === undefined ? undefined : await this.#parts.files.head(bucket, key, call.signal);
      if (found !== undefined) checkStoreCondition(condition, found, `${bucket}/${key}`);
      call.gate.beginChange();
      const natural = this.#parts.paths.natural(bucket, key);
      // First what a file hides: it must not come to light when the file goes.
      await this.#removePlace(this.#parts.paths.overflow(bucket, key), bucket, call);
      if (natural !== undefined) await this.#removePlace(natural, bucket, call);
    });
  }

  /** Returns the ETag: the one that was asked for, else the MD5 of the body. */
  async #writeBody(temporary: string, request: StorePutRequest, { gate, signal }: Call): Promise<string> {
    const parameters = [['overwrite', 'false'], ...this.#parts.temporary.creation] as const;
    const md5 = request.etag === undefined ? createMd5() : undefined;
    const bytes = bytesOf(request);
    if (bytes !== undefined) md5?.update(bytes);
    const body = bytes ?? watched(request, (chunk) => md5?.update(chunk));
    await this.#parts.namenode.create(temporary, parameters, request.size, body, signal);
    gate.check();
    return request.etag ?? (md5 === undefined ? '' : hexOf(md5.digest()));
  }

  /** Puts the record and the time beside the bytes, which must all have arrived. */
  async #describe(
    temporary: string,
    request: StorePutRequest,
    etag: string,
    { gate, signal }: Call,
  ): Promise<StoredObject> {
    const { namenode, files } = this.#parts;
    const { key, size, lastModifiedMs, headers } = request;
    const mtimeMs = Math.max(0, Math.floor(lastModifiedMs));
    const record = { key, size, mtimeMs, etag, lastModifiedMs, headers };
    const times = [
      ['modificationtime', String(mtimeMs)],
      ['accesstime', '-1'],
    ] as const;
    // Before anything is under way: it may refuse.
    const attributes = encodeRecord(record);
    const [status] = await Promise.all([
      files.status(temporary, signal),
      namenode.call('PUT', temporary, 'SETTIMES', times, signal),
      ...attributes.map(([name, value]) => {
        const attribute = [
          ['xattr.name', name],
          ['xattr.value', value],
          ['flag', 'CREATE'],
        ] as const;
        return namenode.call('PUT', temporary, 'SETXATTR', attribute, signal);
      }),
    ]);
    gate.check();
    if (status?.length !== size) {
      throw new HeadraceError(
        'UFS_UNAVAILABLE',
        `${request.bucket}/${key} arrived damaged: HDFS holds ${status?.length ?? 'none'} of its ${size} bytes`,
      );
    }
    return storedObject({ ...status, mtimeMs }, record);
  }

  async #commit(request: StorePutRequest, temporary: string, call: Call): Promise<void> {
    const { bucket, key } = request;
    const { paths, files } = this.#parts;
    const natural = paths.natural(bucket, key);
    const overflow = paths.overflow(bucket, key);
    if (natural !== undefined && (await this.#rename(temporary, natural, bucket, call))) {
      // An older version that had to go there; the file hides it already.
      if (await this.#hasOverflow(bucket, call)) await this.#remove(overflow.path, call.signal);
      return;
    }
    await this.#requireBucket(bucket, call);
    this.#noOverflowMs.delete(bucket);
    if (!(await this.#rename(temporary, overflow, bucket, call))) {
      throw new HeadraceError(
        'UFS_REJECTED',
        `cannot store ${bucket}/${key}: something that is no file is at ${overflow.path}`,
      );
    }
    // The bucket may have been removed meanwhile: nothing may come back with the next one of its name.
    if (!(await files.isDirectory(paths.bucket(bucket), call.signal))) {
      await this.#remove(overflow.path, call.signal);
      throw noSuchBucket(bucket);
    }
  }

  /** False, with nothing changed, when the place cannot hold the object. */
  async #rename(temporary: string, place: HdfsPlace, bucket: string, call: Call): Promise<boolean> {
    const { namenode, files, onChange } = this.#parts;
    const parameters = [
      ['destination', place.path],
      ['renameoptions', 'OVERWRITE'],
    ] as const;
    for (let attempt = 1; ; attempt++) {
      call.gate.beginChange();
      onChange(place.directory);
      try {
        const answer = await namenode.call('PUT', temporary, 'RENAME', parameters, call.signal);
        if (isFields(answer) && answer['boolean'] === false) throw cannotOverwrite(place.path);
        return true;
      } catch (error) {
        if (isLost(error) && call.signal?.aborted !== true) {
          await this.#settle(temporary, error);
          return true;
        }
        if (isRefusal(error, ...BLOCKED)) return false;
        if (isRefusal(error, 'IOException') && (await files.isDirectory(place.path, call.signal)))
          return false;
        if (!isAbsent(error) || attempt === ATTEMPTS_MAX) throw error;
        if (!(await this.#makeDirectory(place, bucket, call))) return false;
      } finally {
        onChange(place.directory);
      }
    }
  }

  /** Returns when the rename whose answer was lost has happened; throws when it has not, and cannot any more. */
  async #settle(temporary: string, lost: unknown): Promise<void> {
    const removed = await this.#remove(temporary, undefined).catch(() => undefined);
    if (removed === false) return;
    if (removed === undefined) throw lost;
    throw new HeadraceError('UFS_UNAVAILABLE', 'the answer to a rename was lost, and it was taken back', {
      cause: lost,
    });
  }

  /** False when a file is in the way. */
  async #makeDirectory(place: HdfsPlace, bucket: string, { signal }: Call): Promise<boolean> {
    if (!place.overflow) await this.#requireBucket(bucket, { signal });
    try {
      await this.#parts.namenode.call('PUT', place.directory, 'MKDIRS', [], signal);
      return true;
    } catch (error) {
      if (isRefusal(error, ...BLOCKED)) return false;
      throw error;
    }
  }

  async #requireBucket(bucket: string, { signal }: Pick<Call, 'signal'>): Promise<void> {
    const { paths, files } = this.#parts;
    if (!(await files.isDirectory(paths.bucket(bucket), signal))) throw noSuchBucket(bucket);
  }

  async #hasOverflow(bucket: string, { signal }: Call): Promise<boolean> {
    const { clock, files, paths } = this.#parts;
    const seenMs = this.#noOverflowMs.get(bucket);
    if (seenMs !== undefined && clock.monotonicTimeMs() - seenMs < NO_OVERFLOW_MS) return false;
    if (await files.isDirectory(paths.overflowOf(bucket), signal)) return true;
    if (this.#noOverflowMs.size >= BUCKETS_MAX) this.#noOverflowMs.clear();
    this.#noOverflowMs.set(bucket, clock.monotonicTimeMs());
    return false;
  }

  async #removePlace(place: HdfsPlace, bucket: string, { signal }: Call): Promise<void> {
    const { onChange, paths } = this.#parts;
    onChange(place.directory);
    const removed = await this.#remove(place.path, signal);
    onChange(place.directory);
    if (removed && !place.overflow) await this.#removeEmpty(place.directory, paths.bucket(bucket), signal);
  }

  /** Removes `directory` and its parents as far as they are empty, but not `base`. An empty directory left over does no harm. */
  async #removeEmpty(directory: string, base: string, signal: AbortSignal | undefined): Promise<void> {
    let current = directory;
    while (current.length > base.length) {
      if (!(await this.#remove(current, signal).catch(() => false))) return;
      current = current.slice(0, current.lastIndexOf('/'));
      this.#parts.onChange(current);
    }
  }

  /** Whether there was a file, or an empty directory, and it was removed. */
  async #remove(path: string, signal: AbortSignal | undefined): Promise<boolean> {
    try {
      const recursive = [['recursive', 'false']] as const;
      const answer = await this.#parts.namenode.call('DELETE', path, 'DELETE', recursive, signal);
      return isFields(answer) && answer['boolean'] === true;
    } catch (error) {
      if (isAbsent(error) || isRefusal(error, 'PathIsNotEmptyDirectoryException', ...BLOCKED)) return false;
      // HDFS denies access to what would be below a file.
      const isDenied = isRefusal(error, 'AccessControlException');
      if (isDenied && (await this.#parts.files.status(path, signal)) === undefined) return false;
      throw error;
    }
  }
}
