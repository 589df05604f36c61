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
import type { EngineCore } from './engine-core.js';
import type { Partition } from './partition.js';
import { PersistAttempts } from './persist-attempts.js';
import { PersistObject } from './persist-object.js';
import { PersistPace } from './persist-pace.js';
import { PersistQueue } from './persist-queue.js';
import { PersistRate } from './persist-rate.js';
import { PersistSettlements } from './persist-settlements.js';
import { PersistSmall } from './persist-small.js';
import { PersistStaleUploads } from './persist-stale-uploads.js';
import { PersistTempo } from './persist-tempo.js';
import { PersistUpload } from './persist-upload.js';
import { SafePersist } from './safe-persist.js';
import { StoreHealth } from './store-health.js';
import { CutOff } from './ufs-calls.js';

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
  readonly #queue: PersistQueue;
  readonly #pace: PersistPace;
  readonly #rate: PersistRate;
  readonly safe: SafePersist;
  readonly #object: PersistObject;
  readonly #stale: PersistStaleUploads;
  readonly #settlements: PersistSettlements;
  readonly #attempts: PersistAttempts;
  readonly #cutOff = new CutOff();
  readonly #tempo: PersistTempo;
  #stopped = true;
  /** Whether the last look for work left some behind, for which there was no room. */
  #leftWork = false;
  /** How many began then, and how many have ended since. */
  #begun = 0;
  #ended = 0;

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
    this.#settlements = new PersistSettlements(clock, Math.ceil(options.persistConcurrency / 2));
    const shared = {
      core,
      safe: this.safe,
      stale: this.#stale,
      health: this.#health,
      settlements: this.#settlements,
      rate: this.#rate,
      cutOff: this.#cutOff,
      multipartThresholdBytes: tuning.multipartThresholdBytes ?? MULTIPART_THRESHOLD_BYTES,
    };
    this.#object = new PersistObject(core, { ...shared, upload: new PersistUpload(shared) });
    this.#attempts = new PersistAttempts({
      core,
      pace: this.#pace,
      health: this.#health,
      small: new PersistSmall(shared),
      object: this.#object,
      later: (task, dueMs) => this.#queue.later(task, dueMs),
      ended: () => this.#hasEnded(),
    });
  }

  /** Whether uploads go on: some under-store answers. */
  get storesAnswer(): boolean {
    return !this.#stopped && !this.#health.areAllDown;
  }

  start(): void {
    this.#stopped = false;
    this.#attempts.start();
    this.#tempo.start();
    this.#settlements.start(this.#core.partitions);
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
        this.#settlements.wrote();
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
    this.#attempts.stop();
    this.#queue.stop();
    this.#health.stop();
    this.#stale.stop();
    this.#tempo.stop();
    // Nothing but the aborts of stale uploads, which the next start repeats.
    if (this.#attempts.count === 0) return this.#cutOff.cut();
    const cancel = this.#core.clock.schedule(STOP_GRACE_MS, () => this.#cutOff.cut());
    await this.#attempts.idle();
    cancel();
  }

  isUploading(partition: number, version: number): boolean {
    return this.#attempts.sinceMs(partition, version) !== undefined;
  }

  /** In wall time; undefined when no attempt is under way. */
  uploadingSinceMs(partition: number, version: number): number | undefined {
    return this.#attempts.sinceMs(partition, version);
  }

  /** Uploads and deletes in progress. */
  get uploading(): number {
    return this.#attempts.count;
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
    if (this.#attempts.count < this.#core.options.persistConcurrency) this.#tempo.now();
  }

  /**
   * Those that end make room for what was left behind: for a whole batch of it, or for as many as half of the last one where others
   * take long. What was written since goes on gathering.
   */
  #hasEnded(): void {
    this.#ended++;
    const { persistConcurrency } = this.#core.options;
    const isRoomy = this.#attempts.count <= persistConcurrency / 2 || this.#ended >= this.#begun / 2;
    if (this.#leftWork && isRoomy) this.#tempo.now();
    else this.#tempo.gather();
  }

  /** Begins as many attempts as may run at once. */
  #fill(): void {
    if (this.#stopped) return;
    // Another server may have persisted newer versions by now: nothing older may begin to go behind them.
    if (this.#core.lease?.isValid === false) return this.#tempo.after(LEASE_LOOK_MS);
    const { waitMs } = this.#core.late;
    if (waitMs > 0) return this.#tempo.after(waitMs);
    this.#queue.prepare();
    this.#begun = this.#ended = 0;
    this.#beginAttempts();
    this.#leftWork = this.#queue.mayHaveMore;
  }

  #beginAttempts(): void {
    while (this.#attempts.count < this.#core.options.persistConcurrency) {
      const delayMs = Math.max(this.#rate.delayMs, this.#tempo.delayMs);
      if (delayMs > 0) return this.#tempo.after(delayMs);
      const next = this.#queue.take({
        mayStart: (store) => this.#health.isUp(store) && this.#pace.mayStart(store),
        isBusy: ({ partition, version }) => this.isUploading(partition.number, version),
      });
      if (next === undefined) {
        const { resumesInMs } = this.#pace;
        if (resumesInMs !== undefined) this.#tempo.after(resumesInMs);
        return;
      }
      this.#rate.took(next.record.size);
      this.#tempo.began();
      this.#begun++;
      this.#attempts.begin(next.task, next.record);
    }
  }

  /** As `PersistObject.persist`; the caller holds the object's lock. */
  persistLocked(bucket: string, key: string, version?: number): Promise<void> {
    return this.#object.persist(bucket, key, version);
  }
}
