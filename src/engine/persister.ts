/**
 * The persist effect: takes what the upload stream projection holds to the UFS, in the background.
 *
 * Invariants: at most one UFS write in flight per object (its lock); a version that is no longer current is skipped; the
 * event that says PERSISTED comes after the UFS said so; a failure is an event with the time of the next attempt, so the
 * schedule survives a restart. While a store does not answer, only a probe goes to it and objects wait without failing.
 */
import { HeadraceError, isErrorCode } from '../core/errors.js';
import type { ObjectStore } from '../core/object-store.js';
import { SMALL_BODY_BYTES_MAX } from './object-service.js';
import { objectKey, queueKey, type ObjectRecord, type QueueRecord } from '../../projections/records.js';
import { decideDeletePersisted, decidePersisted, decidePersistFailed } from './decide.js';
import { durableRecord, partitionOf, type EngineCore } from './engine-core.js';
import { holdExtents, readObject } from './object-bytes.js';
import type { Partition } from './partition.js';
import type { SegmentStore } from './segment-store.js';
import { PersistQueue, type PersistTask } from './persist-queue.js';
import { StoreHealth } from './store-health.js';
import { creatingBucket, CutOff, ufsCall, ufsTimeoutMs } from './ufs-calls.js';

const RETRY_DOUBLINGS_MAX = 40;
const STOP_GRACE_MS = 2000;
/** Damaged local bytes are read again before the object is given up: the damage may be in the read. */
const CORRUPT_ATTEMPTS_MAX = 3;

export class Persister {
  readonly #core: EngineCore;
  readonly #health: StoreHealth;
  /** Queue keys in progress, by partition number and version. */
  readonly #busy = new Set<string>();
  readonly #queue: PersistQueue;
  readonly #cutOff = new CutOff();
  #wakeScheduled = false;
  #stopped = true;
  #idle: (() => void)[] = [];

  constructor(core: EngineCore) {
    this.#core = core;
    this.#queue = new PersistQueue(core.partitions, core.clock, () => this.#wake());
    this.#health = new StoreHealth(core, () => this.#queue.rescan());
  }

  start(): void {
    this.#stopped = false;
    for (const partition of this.#core.partitions) {
      partition.events$.subscribe(({ event, offset }) => {
        const queued =
          (event.type === 'ObjectDeleted' && event.ufsDelete) ||
          (event.type === 'ObjectCommitted' && event.object.state === 'PENDING');
        if (!queued) return;
        this.#queue.added(partition, offset);
        this.#wake();
      });
    }
    this.#wake();
  }

  /** Starts nothing more; gives what is in progress a moment, then cuts it off: the next start tries again. */
  async stop(): Promise<void> {
    this.#stopped = true;
    this.#queue.stop();
    this.#health.stop();
    if (this.#busy.size === 0) return;
    const cancel = this.#core.clock.schedule(STOP_GRACE_MS, () => this.#cutOff.cut());
    await new Promise<void>((resolve) => this.#idle.push(resolve));
    cancel();
  }

  /** How many attempts are in progress. */
  get uploading(): number {
    return this.#busy.size;
  }

  /** Whether the store answered when it was last asked to persist something. */
  isUp(store: ObjectStore): boolean {
    return this.#health.isUp(store);
  }

  isUploading(partition: number, version: number): boolean {
    return this.#busy.has(`${partition}:${version}`);
  }

  /** Looks for work in the next turn. */
  #wake(): void {
    if (this.#wakeScheduled || this.#stopped || this.#busy.size >= this.#core.options.persistConcurrency)
      return;
    this.#wakeScheduled = true;
    this.#core.clock.nextTurn(() => {
      this.#wakeScheduled = false;
      this.#fill();
    });
  }

  /** Begins as many attempts as may run at once. */
  #fill(): void {
    while (!this.#stopped && this.#busy.size < this.#core.options.persistConcurrency) {
      const next = this.#queue.take((task) => this.#busy.has(idOf(task)));
      if (next === undefined) return;
      const store = this.#storeOf(next.record);
      // A store that comes back makes the queue look at everything again.
      if (this.#health.isUp(store)) this.#begin(next.task, next.record);
    }
  }

  #begin(task: PersistTask, record: QueueRecord): void {
    const id = idOf(task);
    this.#busy.add(id);
    void this.#attempt(task, record).finally(() => {
      this.#busy.delete(id);
      this.#wake();
      if (this.#busy.size === 0) for (const resolve of this.#idle.splice(0)) resolve();
    });
  }

  async #attempt(task: PersistTask, record: QueueRecord): Promise<void> {
    const unlock = await this.#core.locks.acquire(objectKey(record.bucket, record.key));
    try {
      await this.persistLocked(record.bucket, record.key, task.version);
    } catch (error) {
      // Cut off by the stop: whether it reached the UFS is found out by doing it again.
      if (!this.#stopped) await this.#failed(task, record, error);
    } finally {
      unlock();
    }
  }

  /**
   * Takes what the UFS has yet to learn about one object there; the caller holds its lock. With `version`, only that one.
   * Rejects with `UFS_*` when the UFS does not take it; nothing is logged then.
   */
  async persistLocked(bucket: string, key: string, version?: number): Promise<void> {
    const record = durableRecord(this.#core, bucket, key);
    const partition = partitionOf(this.#core, bucket, key);
    if (
      record?.kind === 'object' &&
      record.state === 'PENDING' &&
      (version ?? record.version) === record.version
    ) {
      const ufsEtag = await this.#upload(bucket, key, record);
      await partition.submit((view) =>
        decidePersisted(view, { bucket, key, version: record.version, ufsEtag }),
      );
      return;
    }
    const pendingDelete = record?.kind === 'deleting' ? record.version : version;
    if (pendingDelete === undefined || !this.#isQueuedDelete(partition, pendingDelete)) return;
    const located = this.#core.mounts.locate(bucket, key);
    try {
      await ufsCall(this.#core, (signal) => located.store.delete(located.bucket, located.key, signal), {
        cutOff: this.#cutOff,
      });
    } catch (error) {
      if (!isErrorCode(error, 'NO_SUCH_BUCKET')) throw error;
    }
    this.#health.succeeded(located.store);
    await partition.submit((view) => decideDeletePersisted(view, { bucket, key, version: pendingDelete }));
  }

  #isQueuedDelete(partition: Partition, version: number): boolean {
    const queued = partition.index.get(queueKey(version));
    return queued?.kind === 'queued' && queued.action === 'delete';
  }

  async #upload(bucket: string, key: string, record: ObjectRecord): Promise<string> {
    const core = this.#core;
    const located = core.mounts.locate(bucket, key);
    const release = holdExtents(core, record.extents);
    let small: Awaited<ReturnType<SegmentStore['readSmall']>> | undefined;
    try {
      const only = record.extents.length === 1 ? record.extents[0] : undefined;
      if (only !== undefined && only.size <= SMALL_BODY_BYTES_MAX)
        small = await core.segments.readSmall(only);
      const put = (signal: AbortSignal): Promise<{ storeEtag: string }> =>
        located.store.put(
          {
            bucket: located.bucket,
            key: located.key,
            size: record.size,
            open: () => readObject(core, record.extents, 0, record.size - 1),
            bytes: small?.bytes,
            headers: record.headers,
            etag: record.etag,
            lastModifiedMs: record.lastModifiedMs,
            partSizes: record.parts?.map((part) => part.size),
          },
          signal,
        );
      const timeoutMs = ufsTimeoutMs(core, record.size);
      const stored = await ufsCall(core, (signal) => creatingBucket(located, put, signal), {
        timeoutMs,
        cutOff: this.#cutOff,
      });
      this.#health.succeeded(located.store);
      return stored.storeEtag;
    } finally {
      small?.release();
      release();
    }
  }

  async #failed(task: PersistTask, record: QueueRecord, error: unknown): Promise<void> {
    const { bucket, key } = record;
    const { partition, version } = task;
    const cause = error instanceof HeadraceError ? error.code : 'UNEXPECTED';
    const message = error instanceof Error ? error.message : String(error);
    const attempt = record.attempt + 1;
    const permanent =
      cause === 'UFS_REJECTED' ||
      cause === 'UFS_CONFLICT' ||
      (cause === 'CORRUPT_EXTENT' && attempt >= CORRUPT_ATTEMPTS_MAX);
    if (cause === 'UFS_UNAVAILABLE' || cause === 'UFS_DENIED')
      this.#health.failed(this.#storeOf(record), message);
    const { persistRetryInitialMs, persistRetryMaxMs } = this.#core.options;
    const doublings = Math.min(record.attempt, RETRY_DOUBLINGS_MAX);
    const delayMs = Math.min(persistRetryInitialMs * 2 ** doublings, persistRetryMaxMs);
    this.#core.logger.warn(
      { bucket, key, version, attempt, cause, message, delayMs, permanent },
      'a persist failed',
    );
    try {
      await partition.submit((view) =>
        decidePersistFailed(view, {
          bucket,
          key,
          version,
          attempt,
          cause,
          message,
          delayMs,
          quarantined: permanent,
        }),
      );
      if (!permanent) this.#queue.later(task, this.#core.clock.wallTimeMs() + delayMs);
    } catch (failure) {
      this.#queue.later(task, this.#core.clock.wallTimeMs() + delayMs);
      this.#core.logger.error(
        { bucket, key, version, error: failure },
        'a failed persist could not be logged',
      );
    }
  }

  #storeOf(record: QueueRecord): ObjectStore {
    return this.#core.mounts.locate(record.bucket, record.key).store;
  }
}

function idOf(task: PersistTask): string {
  return `${task.partition.number}:${task.version}`;
}
