/**
 * The persist effect: takes what the upload stream projection holds to the UFS, in the background.
 *
 * Invariants: at most one UFS write in flight per object (its lock); a version that is no longer current is skipped; the
 * event that says PERSISTED comes after the UFS said so; a failure is an event with the time of the next attempt, so the
 * schedule survives a restart. While a store does not answer, only a probe goes to it and objects wait without failing. What
 * the UFS refuses for good is quarantined, by an event, and holds up nothing else.
 *
 * Who goes next is decided in `persist-queue.ts`, when in `persist-tempo.ts`, how many at once in `persist-pace.ts` and how fast in
 * `persist-rate.ts`.
 */
import type { ObjectStore } from '../core/object-store.js';
import { GIB, MINUTE_MS } from '../core/units.js';
import { objectKey, type QueueRecord } from '../../projections/records.js';
import { decidePersistFailed } from './decide.js';
import type { EngineCore } from './engine-core.js';
import type { Partition } from './partition.js';
import { failureOf, type PersistFailure } from './persist-failure.js';
import { PersistObject } from './persist-object.js';
import { PersistPace, type PersistOutcome } from './persist-pace.js';
import { PersistQueue, type PersistTask } from './persist-queue.js';
import { PersistRate } from './persist-rate.js';
import { PersistStaleUploads } from './persist-stale-uploads.js';
import { PersistTempo } from './persist-tempo.js';
import { PersistUpload } from './persist-upload.js';
import { SafePersist } from './safe-persist.js';
import { StoreHealth } from './store-health.js';
import { CutOff } from './ufs-calls.js';

const RETRY_DOUBLINGS_MAX = 40;
const STOP_GRACE_MS = 2000;
/** Between two looks at a lease that is in doubt. */
const LEASE_LOOK_MS = 200;
/** Unless configured: `write.cache.async.persist.age.limit`. */
const AGE_LIMIT_MS = 10 * MINUTE_MS;
/** Unless configured: what S3 takes in one request, so that the ETag stays an MD5. */
const MULTIPART_THRESHOLD_BYTES = 5 * GIB;

export class Persister {
  readonly #core: EngineCore;
  readonly #health: StoreHealth;
  /** When each attempt that is under way began, in wall time; by partition number and version. */
  readonly #busy = new Map<string, number>();
  readonly #queue: PersistQueue;
  readonly #pace: PersistPace;
  readonly #rate: PersistRate;
  readonly safe: SafePersist;
  readonly #object: PersistObject;
  readonly #stale: PersistStaleUploads;
  readonly #cutOff = new CutOff();
  readonly #tempo: PersistTempo;
  #stopped = true;
  #idle: (() => void)[] = [];

  constructor(core: EngineCore) {
    const { options, clock, mounts, policies, partitions } = core;
    const tuning = options.persist ?? {};
    this.#core = core;
    this.#pace = new PersistPace(
      { concurrency: options.persistConcurrency, storeConcurrency: tuning.storeConcurrency },
      clock,
    );
    this.#tempo = new PersistTempo({
      clock,
      fill: () => this.#fill(),
      isStrained: () => core.admission.isStrained(0),
    });
    this.#rate = new PersistRate({ bytesPerS: tuning.bytesPerS, objectsPerS: tuning.objectsPerS }, clock);
    this.#queue = new PersistQueue({
      partitions,
      clock,
      wake: () => this.#wake(),
      laneOf: (bucket, key) => ({
        store: mounts.locate(bucket, key).store,
        priority: policies.persistPriorityOf(bucket, key),
      }),
      isSingle: () => core.control.state.mounts.size === 0 && !policies.hasPersistPriorities,
      ageLimitMs: tuning.ageLimitMs ?? AGE_LIMIT_MS,
    });
    this.#health = new StoreHealth(core, () => this.#wake());
    this.safe = new SafePersist(core, this.#cutOff);
    this.#stale = new PersistStaleUploads(core, this.#cutOff);
    this.#object = new PersistObject(core, {
      safe: this.safe,
      stale: this.#stale,
      health: this.#health,
      cutOff: this.#cutOff,
      upload: new PersistUpload({
        core,
        safe: this.safe,
        rate: this.#rate,
        cutOff: this.#cutOff,
        multipartThresholdBytes: tuning.multipartThresholdBytes ?? MULTIPART_THRESHOLD_BYTES,
      }),
    });
  }

  /** Whether uploads go on: some under-store answers. */
  get storesAnswer(): boolean {
    return !this.#stopped && !this.#health.areAllDown;
  }

  start(): void {
    this.#stopped = false;
    this.#tempo.start();
    for (const partition of this.#core.partitions) {
      partition.events$.subscribe(({ event, offset }) => {
        switch (event.type) {
          case 'ObjectCommitted':
            if (event.object.state !== 'PENDING') return;
            break;
          case 'ObjectDeleted':
            if (!event.ufsDelete) return;
            break;
          case 'PersistRetried':
            if (!this.#queue.expedite(partition, event.version)) this.#queue.rescan();
            return;
          default:
            return;
        }
        const { bucket, key, atMs } = event;
        this.#queue.added({ partition, version: offset, bucket, key, sinceMs: atMs });
        this.#tempo.wrote();
      });
    }
    this.#core.control.listen(({ type }) => {
      // Only now has the store of a removed mount left the table: its share of the uploads goes to the others.
      if (type === 'MountSettled') {
        const inUse = new Set(this.#core.mounts.stores().map(({ store }) => store));
        this.#pace.forget((store) => inUse.has(store));
      }
      if (type !== 'PathConfigChanged' && type !== 'MountAdded' && type !== 'MountRemoved') return;
      this.#queue.rescan();
    });
    this.#stale.start();
    this.#wake();
  }

  /** Starts nothing more; gives what is in progress a moment, then cuts it off: the next start tries again. */
  async stop(): Promise<void> {
    this.#stopped = true;
    this.#queue.stop();
    this.#health.stop();
    this.#stale.stop();
    this.#tempo.stop();
    // Nothing but the aborts of stale uploads, which the next start repeats.
    if (this.#busy.size === 0) return this.#cutOff.cut();
    const cancel = this.#core.clock.schedule(STOP_GRACE_MS, () => this.#cutOff.cut());
    await new Promise<void>((resolve) => this.#idle.push(resolve));
    cancel();
  }

  isUploading(partition: number, version: number): boolean {
    return this.#busy.has(`${partition}:${version}`);
  }

  /** In wall time; undefined when no attempt is under way. */
  uploadingSinceMs(partition: number, version: number): number | undefined {
    return this.#busy.get(`${partition}:${version}`);
  }

  /** Uploads and deletes in progress. */
  get uploading(): number {
    return this.#busy.size;
  }

  /** Whether a store answered when it was last asked. */
  isUp(store: ObjectStore): boolean {
    return this.#health.isUp(store);
  }

  /** What a store says that answers and takes nothing. */
  refusalOf(store: ObjectStore): string | undefined {
    return this.#health.refusalOf(store);
  }

  /** Uploads that a store gets at once now: fewer after it asked to slow down. */
  concurrencyOf(store: ObjectStore): number {
    return this.#pace.limitOf(store);
  }

  /** Has an entry uploaded next, whatever its turn and its next attempt; false when it takes no more now. */
  expedite(partition: Partition, version: number): boolean {
    return this.#queue.expedite(partition, version);
  }

  /** Ends what older versions of an object left unfinished at the UFS; nothing newer may go there before. `UFS_*`. */
  settleUploads(bucket: string, key: string): Promise<void> {
    return this.#stale.settle(bucket, key);
  }

  /** Looks for work in the next turn. */
  #wake(): void {
    if (this.#busy.size < this.#core.options.persistConcurrency) this.#tempo.now();
  }

  /** Those that end make room for a whole batch, or for what has gathered. */
  #hasEnded(): void {
    if (this.#busy.size <= this.#core.options.persistConcurrency / 2) this.#tempo.now();
    else this.#tempo.gather();
  }

  /** Begins as many attempts as may run at once. */
  #fill(): void {
    if (this.#stopped) return;
    // Another server may have persisted newer versions by now: nothing older may begin to go behind them.
    if (this.#core.lease?.isValid === false) return this.#tempo.after(LEASE_LOOK_MS);
    this.#queue.prepare();
    while (this.#busy.size < this.#core.options.persistConcurrency) {
      const delayMs = Math.max(this.#rate.delayMs, this.#tempo.delayMs);
      if (delayMs > 0) return this.#tempo.after(delayMs);
      const next = this.#queue.take({
        mayStart: (store) => this.#health.isUp(store) && this.#pace.mayStart(store),
        isBusy: (task) => this.#busy.has(idOf(task)),
      });
      if (next === undefined) {
        const { resumesInMs } = this.#pace;
        if (resumesInMs !== undefined) this.#tempo.after(resumesInMs);
        return;
      }
      this.#begin(next.task, next.record);
    }
  }

  #begin(task: PersistTask, record: QueueRecord): void {
    const id = idOf(task);
    const { store } = this.#core.mounts.locate(record.bucket, record.key);
    this.#busy.set(id, this.#core.clock.wallTimeMs());
    this.#rate.took(record.size);
    this.#tempo.began();
    const ended = this.#pace.begin(store);
    void this.#attempt(task, record, store, ended).finally(() => {
      this.#busy.delete(id);
      this.#hasEnded();
      if (this.#busy.size === 0) for (const resolve of this.#idle.splice(0)) resolve();
    });
  }

  async #attempt(
    task: PersistTask,
    record: QueueRecord,
    store: ObjectStore,
    ended: (outcome: PersistOutcome, retryAfterMs?: number) => void,
  ): Promise<void> {
    const unlock = await this.#core.locks.acquire(objectKey(record.bucket, record.key));
    try {
      await this.persistLocked(record.bucket, record.key, task.version);
      ended('ok');
    } catch (error) {
      const failure = failureOf(error, record.attempt + 1);
      ended(failure.outcome, failure.retryAfterMs);
      // Cut off by the stop: whether it reached the UFS is found out by doing it again.
      if (!this.#stopped) await this.#failed(task, record, store, failure);
    } finally {
      unlock();
    }
  }

  /** As `PersistObject.persist`; the caller holds the object's lock. */
  persistLocked(bucket: string, key: string, version?: number): Promise<void> {
    return this.#object.persist(bucket, key, version);
  }

  async #failed(
    task: PersistTask,
    record: QueueRecord,
    store: ObjectStore,
    failure: PersistFailure,
  ): Promise<void> {
    const { bucket, key } = record;
    const { partition, version } = task;
    const { cause, message, permanent } = failure;
    const attempt = record.attempt + 1;
    if (failure.suspectsStore) this.#health.failed(store);
    const delayMs = this.#delayAfter(record.attempt);
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
    } catch (error) {
      this.#queue.later(task, this.#core.clock.wallTimeMs() + delayMs);
      this.#core.logger.error({ bucket, key, version, error }, 'a failed persist could not be logged');
    }
  }

  #delayAfter(failures: number): number {
    const { persistRetryInitialMs, persistRetryMaxMs } = this.#core.options;
    return Math.min(persistRetryInitialMs * 2 ** Math.min(failures, RETRY_DOUBLINGS_MAX), persistRetryMaxMs);
  }
}

function idOf(task: Pick<PersistTask, 'partition' | 'version'>): string {
  return `${task.partition.number}:${task.version}`;
}
