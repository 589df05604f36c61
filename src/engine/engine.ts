/**
 * The engine: everything between the ports and the routes. Built here, started and stopped here.
 *
 * Start: control stream, partitions (checkpoint and log suffix), then the effects; it serves as soon as the partitions are
 * open, whatever the backlog. Stop is the reverse: effects end, state is checkpointed, the log closes.
 */
import type { HeadraceError } from '../core/errors.js';
import type { IndexStore } from '../core/index-store.js';
import type { Logger } from '../core/logger.js';
import { EngineCounters } from '../core/metrics.js';
import type { ObjectStore } from '../core/object-store.js';
import type { Clock, Disk, Random } from '../core/ports.js';
import { CONTROL_PARTITION, type LogStore } from '../../log/log-store.js';
import type { IndexRecord } from '../../projections/records.js';
import { AckPath } from './ack-path.js';
import { Admin } from './admin.js';
import type { LogBackendStatus } from './admin-service.js';
import { Admission } from './admission.js';
import { Buckets } from './buckets.js';
import { CacheWriter } from './cache-writer.js';
import { ControlPartition } from './control-partition.js';
import { DeletePath } from './delete-path.js';
import { createDigests } from './digests.js';
import { DiskSpace } from './disk-space.js';
import type { EngineCore, EngineOptions } from './engine-core.js';
import { FillFlights } from './fill-flights.js';
import { Jobs } from './jobs.js';
import { KeyLocks } from './key-locks.js';
import { LateWrites } from './late-writes.js';
import { KeySettler } from './key-settler.js';
import { ListPath } from './list-path.js';
import { LiveWrites } from './live-writes.js';
import { MountTable, type OpenMount } from './mount-table.js';
import { objectStatus } from './object-status.js';
import type { ObjectService } from './object-service.js';
import { Objects } from './objects.js';
import { Partition } from './partition.js';
import { parsePathConfigText } from './path-config-document.js';
import { PathPolicies } from './path-policies.js';
import { PersistBarriers } from './persist-barrier.js';
import { Persister } from './persister.js';
import { RangeReads } from './range-reads.js';
import { LeasedObjects, type ReadLease } from './read-lease.js';
import { ReadPath } from './read-path.js';
import { Reaper } from './reaper.js';
import { Recency } from './recency.js';
import { Reclaimer } from './reclaimer.js';
import { RemovalJournal } from './removal-journal.js';
import { SegmentGuard } from './segment-guard.js';
import { SpaceBudgets } from './space-budgets.js';
import type { SegmentStore } from './segment-store.js';
import { TagPath } from './tag-path.js';
import { UfsKnowledge } from './ufs-knowledge.js';
import { UfsMetadataCache } from './ufs-metadata-cache.js';
import { Uploads } from './uploads.js';
import { SecretBox } from './users-secret-box.js';
import { Users } from './users.js';
import { WritePath } from './write-path.js';

export interface EngineDependencies {
  readonly options: EngineOptions;
  readonly clock: Clock;
  readonly random: Random;
  readonly disk: Disk;
  readonly logger: Logger;
  readonly logStore: LogStore;
  readonly segments: SegmentStore;
  /** One per data partition, in order. */
  readonly indexes: readonly IndexStore<IndexRecord>[];
  readonly root: ObjectStore;
  readonly openMount: OpenMount;
  /** Another owner has taken a part of the log over: this process must stop. Called once. */
  readonly onFenced?: (error: HeadraceError) => void;
  /** Where the log is and how it does, for the status; absent where it is on the disk like everything else. */
  readonly logBackend?: () => LogBackendStatus;
  /** Where other processes can reach the log: nothing is answered from memory while it is not valid. */
  readonly lease?: ReadLease | undefined;
  /** Looks at the state without changing it: nothing is persisted, evicted or cleaned up. */
  readonly quiet?: boolean;
}

export class Engine {
  readonly objects: ObjectService;
  readonly admin: Admin;
  readonly users: Users;
  readonly core: EngineCore;
  readonly #dependencies: EngineDependencies;
  readonly persister: Persister;
  readonly barriers: PersistBarriers;
  readonly #reaper: Reaper;
  /** Fetches of missing objects. */
  readonly fetches: FillFlights;
  readonly #jobs: Jobs;
  readonly #reclaimer: Reclaimer;
  readonly #space: DiskSpace;

  private constructor(
    dependencies: EngineDependencies,
    core: EngineCore,
    effects: { reclaimer: Reclaimer; space: DiskSpace },
    users: Users,
  ) {
    this.#dependencies = dependencies;
    this.core = core;
    this.#reclaimer = effects.reclaimer;
    this.#space = effects.space;
    this.users = users;
    const live = new LiveWrites(core.clock);
    const ufs = new UfsKnowledge(core);
    this.fetches = new FillFlights(core, ufs);
    const writer = new CacheWriter(core, live);
    this.persister = new Persister(core);
    this.barriers = new PersistBarriers({
      partitions: core.partitions,
      clock: core.clock,
      expedite: (partition, version) => this.persister.expedite(partition, version),
    });
    this.#reaper = new Reaper(core, live);
    const settler = new KeySettler(core, this.persister);
    const lists = new ListPath(core);
    const writes = new WritePath(core, { writer, settler, ufs });
    const buckets = new Buckets(core, { list: lists, settler });
    const objects = new Objects({
      buckets,
      writes,
      reads: new ReadPath(core, { ufs, flights: this.fetches, ranges: new RangeReads(core, ufs) }),
      deletes: new DeletePath(core, { writes, settler, ufs }),
      lists,
      uploads: new Uploads(core, { writer, writes, ufs }),
      tags: new TagPath(core, { writes, settler, ufs }),
      acks: new AckPath(core, this.barriers),
      safe: this.persister.safe,
      status: (bucket, key, object) => objectStatus(core, bucket, key, object),
    });
    this.objects = core.lease === undefined ? objects : new LeasedObjects(objects, core.lease);
    this.#jobs = new Jobs({
      core,
      lists,
      flights: this.fetches,
      requireBucket: (bucket) => buckets.require(bucket),
    });
    this.admin = new Admin(core, {
      objects: this.objects,
      lists,
      buckets,
      persister: this.persister,
      barriers: this.barriers,
      reaper: this.#reaper,
      reclaimer: this.#reclaimer,
      users,
      jobs: this.#jobs,
    });
  }

  /** Recovers and starts. Rejects with what recovery finds: `CORRUPT_*`, `UNSUPPORTED_FORMAT`, `IO_FAILED`. */
  static async open(dependencies: EngineDependencies): Promise<Engine> {
    const { options, clock, disk, logger, logStore } = dependencies;
    let fenced = false;
    const onFenced = (error: HeadraceError): void => {
      if (fenced) return;
      fenced = true;
      logger.error({ error }, 'another owner has taken the log over: no more writes here');
      dependencies.onFenced?.(error);
    };
    const control = await ControlPartition.open({ logStore, clock, onFenced });
    const secrets = await SecretBox.open(disk, dependencies.random);
    const users = new Users({ control, secrets, random: dependencies.random, logger });
    const policies = new PathPolicies({ writeCacheEnabled: options.writeCacheEnabled });
    if (control.state.pathConfig !== undefined) policies.use(parsePathConfigText(control.state.pathConfig));
    const mounts = new MountTable(dependencies.root, dependencies.openMount, logger, options.safePersist);
    for (const mount of control.state.mounts.values()) await mounts.add(mount);
    const removals = new RemovalJournal();
    const partitions = await openPartitions({ ...dependencies, onFenced }, removals);
    const usedBytes = (): number => dependencies.segments.fileBytes;
    const space = await DiskSpace.open({ disk, clock, logger, usedBytes });
    let reclaimer: Reclaimer | undefined;
    let persister: Persister | undefined;
    const budgets = new SpaceBudgets({ partitions, policies, clock });
    const admission = new Admission({
      clock,
      softRatio: options.pinnedSoftRatio ?? 1,
      delayMaxMs: options.pressureDelayMaxMs ?? 0,
      isRecovering: () => partitions.some(({ isRecovering }) => isRecovering),
      storesAnswer: () => persister?.storesAnswer ?? false,
      uploadsWait: () => partitions.some(({ state }) => state.uploads.pending > state.uploads.quarantined),
      capacityBytes: options.capacityBytes,
      pinnedLimitBytes: Math.floor(options.capacityBytes * options.pinnedRatio),
      unpersistedBytes: () => unpersistedBytes(partitions),
      usedBytes,
      diskFreeBytes: () => space.freeBytes,
      makeRoom: (bytes) => reclaimer?.makeRoom(bytes) ?? Promise.resolve(false),
    });
    const core: EngineCore = {
      options,
      clock,
      random: dependencies.random,
      logger,
      counters: new EngineCounters(),
      partitions,
      control,
      logBackend: dependencies.logBackend,
      lease: dependencies.lease,
      segments: dependencies.segments,
      guard: new SegmentGuard(),
      admission,
      budgets,
      locks: new KeyLocks(),
      late: new LateWrites(
        clock,
        partitions.some(({ appliedOffset }) => appliedOffset > 0),
        options.lateWriteMs,
      ),
      mounts,
      known: new UfsMetadataCache(clock, {
        ttlMs: options.ufsMetadataTtlMs,
        bytesMax: options.ufsMetadataBytes,
      }),
      policies,
      recency: new Recency(),
      removals,
      digests: createDigests(clock),
    };
    reclaimer = new Reclaimer(core);
    const engine = new Engine(dependencies, core, { reclaimer, space }, users);
    if (dependencies.quiet === true) return engine;
    ({ persister } = engine);
    await engine.#start();
    return engine;
  }

  /** The effects; what they find to do goes on beside the requests. */
  async #start(): Promise<void> {
    const { admission, budgets, control, partitions } = this.core;
    budgets.start();
    for (const { events$ } of partitions) events$.subscribe(() => admission.madeRoom());
    control.listen(({ type }) => {
      if (type === 'PathConfigChanged') budgets.recount();
    });
    await this.admin.settleMounts();
    this.#reclaimer.start();
    this.persister.start();
    await this.#reaper.start();
    this.#jobs.resume();
  }

  /**
   * Lets what is in progress end, checkpoints, closes. What was acknowledged is durable without it, so that a step which fails, as
   * with a broken disk, is logged and keeps no other from being taken.
   */
  async close(): Promise<void> {
    const { partitions, control, segments, mounts, logger } = this.core;
    const step = async (name: string, action: () => Promise<void>): Promise<void> => {
      try {
        await action();
      } catch (error) {
        logger.error({ step: name, error }, 'a step of the stop failed; the next start recovers');
      }
    };
    this.barriers.stop();
    this.#reaper.stop();
    this.#space.stop();
    this.core.budgets.stop();
    await step('jobs', () => this.#jobs.stop());
    await step('fetches', () => this.fetches.close());
    await Promise.all([this.persister.stop(), this.#reclaimer.stop()]);
    for (const partition of partitions) {
      // Without a checkpoint the next start reads more of the log.
      await step('checkpoint', () => partition.checkpoint());
      await step('partition', () => partition.close());
      await step('index', () => partition.index.close());
    }
    await step('control stream', () => control.close());
    await step('log', () => this.#dependencies.logStore.close());
    await step('segments', () => segments.close());
    await step('mounts', () => mounts.close());
  }
}

async function openPartitions(
  dependencies: EngineDependencies,
  removals: RemovalJournal,
): Promise<Partition[]> {
  const { options, clock, logger, logStore, indexes, onFenced } = dependencies;
  const partitions: Partition[] = [];
  for (const [at, index] of indexes.entries()) {
    partitions.push(
      await Partition.open({
        number: CONTROL_PARTITION + 1 + at,
        logStore,
        index,
        clock,
        logger,
        checkpointChanges: options.checkpointChanges,
        ...(onFenced === undefined ? {} : { onFenced }),
        beforeApply: (applied, records) => removals.note(applied, (key) => records.get(key)),
      }),
    );
  }
  return partitions;
}

function unpersistedBytes(partitions: readonly Partition[]): number {
  let bytes = 0;
  for (const { state } of partitions) {
    const { pendingBytes, transientBytes, partBytes } = state.pinned;
    bytes += pendingBytes + transientBytes + partBytes;
  }
  return bytes;
}
