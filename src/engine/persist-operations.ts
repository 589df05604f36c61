/**
 * `PersistService`: looks at the upload stream, and lets operators decide about what does not get through. Every change is an
 * event.
 */
import { HeadraceError } from '../core/errors.js';
import type { ObjectStore } from '../core/object-store.js';
import {
  objectKey,
  queueKey,
  queueVersion,
  type DeletingRecord,
  type ObjectRecord,
  type QueueRecord,
} from '../../projections/records.js';
import { decideDiscard, decideRetry, dirtyRecord, type PersistTarget } from './decide-persists.js';
import { durableRecord, partitionOf, type EngineCore } from './engine-core.js';
import { readObject } from './object-bytes.js';
import type { Partition } from './partition.js';
import { persistEntryOf } from './persist-entry.js';
import type {
  DirtyObject,
  DiscardedPersist,
  PersistDiscardRequest,
  PersistFilter,
  PersistListRequest,
  PersistOpenRequest,
  PersistPage,
  PersistResolveRequest,
  PersistRetryRequest,
  PersistService,
  ResolvedPersist,
} from './persist-service.js';
import type { Persister } from './persister.js';
import { ufsCall } from './ufs-calls.js';

/** Entries that are looked at in one turn of the event loop. */
const LOOKS_PER_TURN = 1024;
/** Retries that are logged together. */
const RETRY_BATCH = 256;
const REASON_CHARACTERS_MAX = 1024;
const QUEUE_END = 'r';

interface Found {
  readonly partition: Partition;
  readonly version: number;
  readonly record: QueueRecord;
}

export class PersistOperations implements PersistService {
  readonly #core: EngineCore;
  readonly #persister: Pick<Persister, 'isUploading' | 'safe'>;

  constructor(core: EngineCore, persister: Pick<Persister, 'isUploading' | 'safe'>) {
    this.#core = core;
    this.#persister = persister;
  }

  async list(request: PersistListRequest): Promise<PersistPage> {
    const found: Found[] = [];
    for await (const entry of this.#entries(request, request.after)) {
      found.push(entry);
      // One more than asked for tells whether there is a next page.
      if (found.length > request.limit) break;
    }
    const page = found.slice(0, request.limit);
    const last = page.at(-1);
    return {
      entries: page.map((entry) => this.#show(entry)),
      ...(found.length > page.length && last !== undefined ? { nextAfter: cursorOf(last) } : {}),
    };
  }

  async retry(request: PersistRetryRequest): Promise<{ retried: number }> {
    if (request.exact === true) return { retried: await this.#retryOne(request.path ?? '') };
    let retried = 0;
    let batch: Found[] = [];
    const flush = async (): Promise<void> => {
      retried += await this.#retryAll(batch);
      batch = [];
    };
    for await (const entry of this.#entries(request)) {
      // What has not failed needs no retry.
      if (entry.record.attempt === 0 && !entry.record.quarantined) continue;
      batch.push(entry);
      if (batch.length >= RETRY_BATCH) await flush();
    }
    await flush();
    return { retried };
  }

  async discard(request: PersistDiscardRequest): Promise<DiscardedPersist> {
    const { bucket, key, reason } = request;
    if (reason.trim() === '' || reason.length > REASON_CHARACTERS_MAX) {
      throw new HeadraceError(
        'INVALID_ARGUMENT',
        `the reason has ${reason.length} characters: it must have 1 to ${REASON_CHARACTERS_MAX}, for the log`,
      );
    }
    this.#dirty(request);
    // An upload that is in progress ends first: what it brings to the UFS cannot be given up any more.
    const unlock = await this.#core.locks.acquire(objectKey(bucket, key));
    try {
      const record = this.#dirty(request);
      const { version } = record;
      const { result } = await partitionOf(this.#core, bucket, key).submit((view) =>
        decideDiscard(view, { bucket, key, version }, reason),
      );
      if (!result) throw otherVersion(bucket, key, version);
      this.#core.logger.warn(
        { bucket, key, version, kind: record.kind, reason },
        'un-persisted data was given up',
      );
      const isPut = record.kind === 'object';
      return {
        bucket,
        key,
        version,
        kind: isPut ? 'put' : 'delete',
        size: isPut ? record.size : 0,
        ...(isPut ? { etag: record.etag } : {}),
        lastModifiedMs: isPut ? record.lastModifiedMs : record.atMs,
        reason,
        ufs: await this.#inUfs(bucket, key),
      };
    } finally {
      unlock();
    }
  }

  async resolve({ bucket, key, keep }: PersistResolveRequest): Promise<ResolvedPersist> {
    const { safe } = this.#persister;
    const version = safe.conflictOf(bucket, key);
    if (keep === 'ours') await safe.keepOurs(bucket, key);
    else await this.discard({ bucket, key, version, reason: 'a conflict was resolved: theirs is kept' });
    return { bucket, key, version, keep };
  }

  async open(request: PersistOpenRequest): Promise<DirtyObject> {
    const { bucket, key } = request;
    const record = this.#dirty(request);
    if (record.kind === 'deleting') {
      throw new HeadraceError('NO_SUCH_KEY', `"/${bucket}/${key}" is deleted: a pending delete has no bytes`);
    }
    const { version, size, etag, lastModifiedMs, headers, extents } = record;
    const body = readObject(this.#core, extents, 0, size - 1);
    return { bucket, key, version, size, etag, lastModifiedMs, headers, body };
  }

  /** The current version, which is dirty. */
  #dirty({ bucket, key, version }: PersistOpenRequest): ObjectRecord | DeletingRecord {
    const current = durableRecord(this.#core, bucket, key);
    const currentVersion =
      current?.kind === 'object' || current?.kind === 'deleting' ? current.version : undefined;
    const records = partitionOf(this.#core, bucket, key).durableRecords;
    const dirty =
      currentVersion === undefined
        ? undefined
        : dirtyRecord({ records }, { bucket, key, version: currentVersion });
    if (dirty === undefined) {
      throw new HeadraceError('NO_SUCH_KEY', `"/${bucket}/${key}" has nothing that waits to be persisted`);
    }
    if (version !== undefined && version !== dirty.version) throw otherVersion(bucket, key, version);
    return dirty;
  }

  async #retryOne(path: string): Promise<number> {
    const { bucket, prefix: key } = scopeOf(path);
    const { version } = this.#dirty({ bucket, key });
    const partition = partitionOf(this.#core, bucket, key);
    const { result } = await partition.submit((view) => decideRetry(view, [{ bucket, key, version }]));
    return result;
  }

  async #retryAll(found: readonly Found[]): Promise<number> {
    const byPartition = new Map<Partition, PersistTarget[]>();
    for (const { partition, version, record } of found) {
      const targets = byPartition.get(partition) ?? [];
      byPartition.set(partition, targets);
      targets.push({ bucket: record.bucket, key: record.key, version });
    }
    let retried = 0;
    for (const [partition, targets] of byPartition) {
      const { result } = await partition.submit((view) => decideRetry(view, targets));
      retried += result;
    }
    return retried;
  }

  /** Entries that fit, the oldest of each partition first, in slices so that others get their turn. */
  async *#entries(filter: PersistFilter, after?: string): AsyncGenerator<Found, void, undefined> {
    const scope = scopeOf(filter.path ?? '/');
    const start = after === undefined ? undefined : parseCursor(after);
    for (const partition of this.#core.partitions) {
      if (start !== undefined && partition.number < start.partition) continue;
      let from = partition.number === start?.partition ? queueKey(start.version + 1) : 'q';
      for (;;) {
        const slice = this.#slice(partition, from);
        for (const entry of slice.found) if (this.#fits(entry, filter, scope)) yield entry;
        if (slice.next === undefined) break;
        from = slice.next;
        await new Promise<void>((resolve) => this.#core.clock.nextTurn(resolve));
      }
    }
  }

  /** The iterator of an index is valid for one turn only. */
  #slice(partition: Partition, from: string): { found: Found[]; next: string | undefined } {
    const found: Found[] = [];
    for (const [key, record] of partition.index.scan(from, QUEUE_END)) {
      if (found.length >= LOOKS_PER_TURN) return { found, next: key };
      if (record.kind === 'queued') found.push({ partition, version: queueVersion(key), record });
    }
    return { found, next: undefined };
  }

  #fits(entry: Found, { state, cause }: PersistFilter, scope: Scope): boolean {
    const { record } = entry;
    if (scope.bucket !== '' && record.bucket !== scope.bucket) return false;
    if (!record.key.startsWith(scope.prefix)) return false;
    if (cause !== undefined && record.cause !== cause) return false;
    return state === undefined || this.#show(entry).phase === state;
  }

  #show({ partition, version, record }: Found): PersistPage['entries'][number] {
    const uploading = this.#persister.isUploading(partition.number, version);
    return persistEntryOf(partition, version, record, uploading);
  }

  async #inUfs(bucket: string, key: string): Promise<DiscardedPersist['ufs']> {
    try {
      const located = this.#core.mounts.locate(bucket, key);
      const { store }: { store: ObjectStore } = located;
      const held = await ufsCall(this.#core, (signal) => store.head(located.bucket, located.key, signal));
      return held === undefined ? 'ABSENT' : { size: held.size, etag: held.etag };
    } catch (error) {
      if (error instanceof HeadraceError) return 'UNKNOWN';
      throw error;
    }
  }
}

interface Scope {
  /** Empty for all. */
  readonly bucket: string;
  readonly prefix: string;
}

/** `/`, `/<bucket>` or `/<bucket>/<prefix>`. `INVALID_ARGUMENT`. */
function scopeOf(path: string): Scope {
  if (!path.startsWith('/')) {
    throw new HeadraceError(
      'INVALID_ARGUMENT',
      `the path ${JSON.stringify(path)} is not of the form /<bucket>/<key or prefix>`,
    );
  }
  const end = path.indexOf('/', 1);
  return end < 0
    ? { bucket: path.slice(1), prefix: '' }
    : { bucket: path.slice(1, end), prefix: path.slice(end + 1) };
}

/** `<partition>:<version>` of the last entry of a page. */
function cursorOf({ partition, version }: Found): string {
  return `${partition.number}:${version}`;
}

function parseCursor(text: string): { partition: number; version: number } {
  const match = /^(\d{1,9}):(\d{1,16})$/.exec(text);
  if (match === null) {
    throw new HeadraceError(
      'INVALID_ARGUMENT',
      `the cursor ${JSON.stringify(text)} is not of the form <partition>:<version>, as nextAfter has it`,
    );
  }
  return { partition: Number(match[1]), version: Number(match[2]) };
}

function otherVersion(bucket: string, key: string, version: number): HeadraceError {
  return new HeadraceError(
    'PRECONDITION_FAILED',
    `version ${version} of "/${bucket}/${key}" is not the one that waits to be persisted (any more): look at it again`,
  );
}
