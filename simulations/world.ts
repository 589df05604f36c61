/**
 * A whole engine on a simulated machine: virtual time, a disk that keeps only what was synced, an under-store with faults, and
 * ways to kill the process and to cut its power.
 *
 * Everything but the ports is what production runs; the index store is production's own and comes from outside, because it is an
 * adapter. A generation of the world is a process: calls of a dead one never settle. One seed decides everything.
 */
import { EmbeddedLogStore, type EmbeddedLogOptions } from '../log/embedded/log-store.js';
import type { LogStore } from '../log/log-store.js';
import { RECORD_CODEC } from '../projections/record-codec.js';
import type { IndexRecord } from '../projections/records.js';
import type { IndexCodec, IndexStore } from '../src/core/index-store.js';
import type { Logger } from '../src/core/logger.js';
import type { ObjectStore } from '../src/core/object-store.js';
import type { PolicyMode } from '../src/core/object.js';
import type { Clock, Disk } from '../src/core/ports.js';
import { HOUR_MS, KIB, MIB, MINUTE_MS, SECOND_MS } from '../src/core/units.js';
import type { EngineOptions } from '../src/engine/engine-core.js';
import { Engine } from '../src/engine/engine.js';
import type { ReadLease } from '../src/engine/read-lease.js';
import type { SegmentStore } from '../src/engine/segment-store.js';
import { openSegmentStore } from '../src/engine/segments/segment-files.js';
import { ArmedFaults, faultyDisk, faultyStore, replaced } from './armed-faults.js';
import { Contents } from './content.js';
import { DatabaseLog } from './database-log.js';
import { Scheduler } from './scheduler.js';
import { SimClock, type SimClockOptions } from './sim-clock.js';
import { SimDisk, type SimDiskOptions } from './sim-disk.js';
import { openSimMount } from './sim-mounts.js';
import { SimObjectStore, type SimObjectStoreOptions } from './sim-object-store.js';
import { SimSmallPuts } from './sim-small-puts.js';
import { SimRandom } from './sim-random.js';
import { TalliedIndex } from './tallied-index.js';

export const BUCKET = 'bucket';
const STORE_ID = new Uint8Array(16).fill(7);
/** Longest virtual time that one call may take. */
const PATIENCE_MS = 30 * MINUTE_MS;
const UNTIL_STEP_MS = 100;

/** Small, so that a simulation fills the cache, several segments and several checkpoints with little data. */
export const SMALL_ENGINE: EngineOptions = {
  version: 'simulated',
  dataDirectory: 'simulated',
  capacityBytes: 16 * MIB,
  pinnedRatio: 0.5,
  writeCacheEnabled: true,
  persistConcurrency: 4,
  persistRetryInitialMs: SECOND_MS,
  persistRetryMaxMs: MINUTE_MS,
  orphanTimeoutMs: HOUR_MS,
  orphanScanPeriodMs: 10 * MINUTE_MS,
  danglingAfterMs: 10 * MINUTE_MS,
  ufsTimeoutMs: 20 * SECOND_MS,
  ufsMetadataTtlMs: 0,
  ufsMetadataBytes: 16 * MIB,
  ufsRevalidateMs: 0,
  rangeCacheBytes: 16 * MIB,
  loadConcurrency: 4,
  checkpointChanges: 64,
};

/** Memory that is taken at each start. */
const SMALL_INDEX = { blockCacheBytes: 2 * MIB, writeBytes: 32 * KIB };

/** What a simulation runs and may not import: production's index on the simulated disk. */
export interface WorldParts {
  readonly openIndex: (setup: {
    readonly disk: Disk;
    readonly directory: string;
    readonly codec: IndexCodec<IndexRecord>;
    readonly options: { readonly blockCacheBytes: number; readonly writeBytes: number };
    readonly clock: Clock;
    readonly logger: Logger;
  }) => Promise<{ readonly store: IndexStore<IndexRecord> }>;
}

export type LogPlace = 'files' | 'foundationdb';

export interface WorldOptions {
  readonly seed?: number | string;
  readonly engine?: Partial<EngineOptions>;
  readonly disk?: SimDiskOptions;
  readonly ufs?: SimObjectStoreOptions;
  readonly clock?: SimClockOptions;
  readonly log?: Partial<EmbeddedLogOptions>;
  /** Where the log is. In files of the disk unless given. */
  readonly logPlace?: LogPlace | undefined;
  /** Policies by path pattern; `default` for the rest. WRITE_BACK everywhere unless given. */
  readonly policies?: Readonly<Record<string, PolicyMode>>;
  /** How long it takes to open what a mount points at. */
  readonly mountDelayMs?: number;
  /** Of several worlds in one time. */
  readonly scheduler?: Scheduler;
  /** Under which the log is owned, where others can reach it. */
  readonly lease?: ReadLease;
  readonly observer?: WorldObserver;
}

/** Where bytes and events are. */
export interface WorldStores {
  readonly segments: SegmentStore;
  readonly logStore: LogStore;
  /** Under which the log is owned. */
  readonly lease?: ReadLease | undefined;
}

/** Sees what happens between the engine and its ports, and puts what it wants between them. */
export interface WorldObserver {
  /** Before each callback of the scheduler; what it throws ends the simulation. */
  readonly onStep?: (timeMs: number, sequence: number) => void;
  readonly wrapDisk?: (disk: Disk) => Disk;
  readonly wrapStore?: (store: ObjectStore) => ObjectStore;
  readonly wrapLog?: (log: LogStore) => LogStore;
  /** A process is up: recovered, and serving. */
  readonly onStart?: (engine: Engine) => void;
  readonly onLog?: (line: LogLine) => void;
}

export interface LogLine {
  readonly level: 'warn' | 'error';
  readonly message: string;
  readonly fields: object;
}

export class SimWorld {
  readonly scheduler: Scheduler;
  readonly random: SimRandom;
  /** What the engine logged as warnings and errors, over all generations. */
  readonly logged: LogLine[] = [];
  readonly faults = new ArmedFaults();
  /** What clients send. */
  readonly contents = new Contents();
  disk: SimDisk;
  ufs: SimObjectStore;
  clock: SimClock;
  /** Where the log is in FoundationDB. */
  readonly databaseLog: DatabaseLog | undefined;
  #engine: Engine | undefined;
  #generation = 0;
  /** By how much the wall clock was stepped: the machine's clock outlives its processes. */
  #wallStepMs = 0;
  readonly #options: WorldOptions;
  readonly #parts: WorldParts;
  readonly #smallPutsRandom: SimRandom;

  constructor(parts: WorldParts, options: WorldOptions = {}) {
    this.#parts = parts;
    this.#options = options;
    this.random = new SimRandom(options.seed ?? 1);
    const { onStep } = options.observer ?? {};
    this.scheduler = options.scheduler ?? new Scheduler(onStep === undefined ? {} : { onStep });
    this.disk = new SimDisk(this.scheduler, this.random.fork('disk'), options.disk);
    this.ufs = new SimObjectStore(this.scheduler, this.random.fork('ufs'), {
      partBytesMin: 5 * MIB,
      ...options.ufs,
    });
    this.#smallPutsRandom = this.random.fork('small puts');
    this.clock = new SimClock(this.scheduler, options.clock);
    if (options.logPlace === 'foundationdb')
      this.databaseLog = new DatabaseLog(this.scheduler, this.random.fork('database'));
  }

  get engine(): Engine {
    if (this.#engine === undefined) throw new Error('the engine is not running');
    return this.#engine;
  }

  get objects(): Engine['objects'] {
    return this.engine.objects;
  }

  get admin(): Engine['admin'] {
    return this.engine.admin;
  }

  get isRunning(): boolean {
    return this.#engine !== undefined;
  }

  /** Processes that have ended so far. */
  get generation(): number {
    return this.#generation;
  }

  /** Lets virtual time pass until `promise` settles. */
  run<Value>(promise: Promise<Value>, patienceMs = PATIENCE_MS): Promise<Value> {
    return this.scheduler.complete(
      new Promise<Value>((resolve, reject) => {
        const cancel = this.scheduler.schedule(patienceMs, () =>
          reject(new Error(`seed ${this.random.seed}: nothing came of a call within ${patienceMs} ms`)),
        );
        promise.then(resolve, reject).finally(cancel);
      }),
    );
  }

  /** Lets virtual time pass. */
  sleep(durationMs: number): Promise<void> {
    return this.scheduler.run(this.scheduler.nowMs + durationMs);
  }

  /** Lets time pass until `condition` holds. */
  async until(condition: () => boolean, withinMs = PATIENCE_MS): Promise<void> {
    const endMs = this.scheduler.nowMs + withinMs;
    while (!condition()) {
      if (this.scheduler.nowMs >= endMs)
        throw new Error(`seed ${this.random.seed}: it did not come true: ${String(condition)}`);
      await this.sleep(UNTIL_STEP_MS);
    }
  }

  /** Lets time pass until the under-store has learned everything. */
  async drained(withinMs?: number): Promise<void> {
    await this.until(() => this.state.uploads.pending === this.state.uploads.quarantined, withinMs);
  }

  /** Starts a process on what the last one left. Rejects with what recovery finds. */
  async start(): Promise<Engine> {
    const engine = await this.run(this.open());
    this.opened(engine);
    return engine;
  }

  /** The part of `start` that takes time: for those who kill a process while it recovers. */
  async open(): Promise<Engine> {
    const { clock } = this;
    const { observer = {} } = this.#options;
    const whole = faultyDisk(this.disk, this.faults);
    const disk = observer.wrapDisk?.(whole) ?? whole;
    const logger = this.#logger();
    const random = this.random.fork(`process ${this.#generation}`);
    const { segments, logStore, lease } = await this.#openStores(disk, random);
    const { store: index } = await this.#parts.openIndex({
      disk,
      directory: 'index/p0001',
      codec: RECORD_CODEC,
      options: SMALL_INDEX,
      clock,
      logger,
    });
    const store = this.#store();
    return Engine.open({
      options: { ...SMALL_ENGINE, ...this.#options.engine },
      clock,
      random,
      disk,
      logger,
      logStore: observer.wrapLog?.(logStore) ?? logStore,
      segments,
      indexes: [new TalliedIndex(index)],
      root: store,
      lease: this.#options.lease ?? lease,
      openMount: async ({ ufs }) => {
        const { mountDelayMs } = this.#options;
        if (mountDelayMs !== undefined) await this.clock.sleep(mountDelayMs);
        return openSimMount(ufs, this.#store());
      },
    });
  }

  /** Works on the stores of a machine whose process is not running, as a process that dies behind it. */
  async prepare(work: (stores: WorldStores) => Promise<void>): Promise<void> {
    const random = this.random.fork(`process ${this.#generation}`);
    await this.run(this.#openStores(this.disk, random).then(work));
    this.kill();
  }

  async #openStores(disk: Disk, random: SimRandom): Promise<WorldStores> {
    const { clock } = this;
    const logger = this.#logger();
    const segments = await openSegmentStore({
      disk,
      clock,
      logger,
      options: { storeId: STORE_ID, smallSegmentBytes: MIB, batchBytes: 512 * KIB },
    });
    if (this.databaseLog !== undefined) {
      const storeId = Buffer.from(STORE_ID).readBigUInt64LE();
      return { segments, ...(await this.databaseLog.open({ clock, random, logger, storeId })) };
    }
    const logStore = new EmbeddedLogStore({
      disk,
      clock,
      random,
      logger,
      options: {
        segmentBytes: 256 * KIB,
        firstSegmentBytes: 64 * KIB,
        retention: { bytes: 0, timeMs: 0 },
        ...this.#options.log,
      },
    });
    return { segments, logStore };
  }

  /** What `open` gave is the process of now. */
  opened(engine: Engine): void {
    this.#engine = engine;
    this.#options.observer?.onStart?.(engine);
  }

  /** An orderly stop. */
  async stop(): Promise<void> {
    await this.run(this.engine.close());
    if (this.databaseLog !== undefined) await this.run(this.databaseLog.close());
    this.#end(this.disk.kill(this.random.fork(`stop ${this.#generation}`)));
  }

  /** The process dies; what it wrote stays with the kernel. */
  kill(): void {
    this.#end(this.disk.kill(this.random.fork(`kill ${this.#generation}`)));
  }

  /** The power fails: what was not synced is lost, torn or kept. */
  crash(): void {
    this.#end(this.disk.crash(this.random.fork(`crash ${this.#generation}`)));
  }

  async restart(): Promise<void> {
    await this.stop();
    await this.start();
  }

  /** Steps the wall clock of the machine. */
  stepWallTime(deltaMs: number): void {
    this.#wallStepMs += deltaMs;
    this.clock.stepWallTime(deltaMs);
  }

  /** What the under-store holds for a key, without a call. */
  inUfs(key: string, bucket = BUCKET): Buffer | undefined {
    const held = this.ufs.contents(bucket).get(key);
    return held === undefined ? undefined : Buffer.from(held.bytes);
  }

  get partition(): Engine['core']['partitions'][number] {
    const [partition] = this.engine.core.partitions;
    if (partition === undefined) throw new Error('there is no partition');
    return partition;
  }

  /** The folded state of the only data partition. */
  get state(): Engine['core']['partitions'][number]['state'] {
    return this.partition.state;
  }

  get fileBytes(): number {
    return this.engine.core.segments.fileBytes;
  }

  /** Payload bytes that the index refers to. */
  get liveBytes(): number {
    let bytes = 0;
    for (const usage of this.state.segments.values()) bytes += usage.liveBytes;
    return bytes;
  }

  async setPolicies(policies: Readonly<Record<string, PolicyMode>>): Promise<void> {
    const { default: defaultMode = 'WRITE_BACK', ...rules } = policies;
    await this.run(
      this.admin.setPathConfig({
        apiVersion: 'v1.0',
        defaultRule: { policyMode: defaultMode },
        pathRules: Object.entries(rules).map(([path, policyMode]) => ({ path, policyMode })),
      }),
    );
  }

  #store(): ObjectStore {
    const faulty = faultyStore(this.ufs, this.faults);
    const store = this.#options.observer?.wrapStore?.(faulty) ?? faulty;
    // Small puts meet what other puts meet.
    return replaced(store, { smallPuts: new SimSmallPuts(store, this.#smallPutsRandom) });
  }

  #end(disk: SimDisk): void {
    this.clock.stop();
    this.databaseLog?.end();
    this.disk = disk;
    this.ufs = this.ufs.kill();
    this.clock = new SimClock(this.scheduler, this.#options.clock);
    this.clock.stepWallTime(this.#wallStepMs);
    this.#engine = undefined;
    this.#generation++;
  }

  #logger(): Logger {
    const note =
      (level: LogLine['level']) =>
      (fields: object, message: string): void => {
        const line = { level, message, fields };
        this.logged.push(line);
        this.#options.observer?.onLog?.(line);
      };
    return { debug() {}, info() {}, warn: note('warn'), error: note('error') };
  }
}
