/** `AdminService`: what operators see and steer. Reads folded state; every change is an event. */
import { HeadraceError } from '../core/errors.js';
import type {
  AdminService,
  EngineStatus,
  FlushResult,
  FreeResult,
  FsEntry,
  LoggedEvent,
  LogHead,
  MountInfo,
  MountRemoval,
  ObjectStat,
  PathTest,
  VerifyReport,
} from './admin-service.js';
import type { Buckets } from './buckets.js';
import type { EngineCore } from './engine-core.js';
import { tellPlace } from './flush-place.js';
import { freeSpace, type FreeRequest } from './free-space.js';
import { listFs } from './fs-listing.js';
import { inspectEngine } from './inspection/inspect-engine.js';
import type { LogInspection } from './inspection/log-inspection.js';
import type { JobService } from './job-service.js';
import type { ListPath } from './list-path.js';
import { logHeads, logOf, readLog } from './log-reads.js';
import { tailLog } from './log-tail.js';
import { Mounts, type RemoveMountRequest } from './mounts.js';
import { splitPath } from './object-path.js';
import { objectStat } from './object-stat.js';
import { oldestPendingMs } from './oldest-pending.js';
import type { Partition } from './partition.js';
import { parsePathConfig, parsePathConfigText } from './path-config-document.js';
import { DEFAULT_PATH_CONFIG, type PathConfigDocument } from './path-config.js';
import type { FlushRequest, PersistBarriers } from './persist-barrier.js';
import { PersistOperations } from './persist-operations.js';
import type { PersistService } from './persist-service.js';
import type { Persister } from './persister.js';
import type { Reaper } from './reaper.js';
import { checkLease } from './read-lease.js';
import type { Reclaimer } from './reclaimer.js';
import type { TreeService } from './tree-service.js';
import { TreeTools, type TreeParts } from './tree-tools.js';
import type { UserService } from './users-service.js';
import { verifyStore } from './verify.js';

export interface AdminParts {
  readonly objects: TreeParts['objects'];
  readonly lists: ListPath;
  readonly buckets: Buckets;
  readonly persister: Persister;
  readonly barriers: PersistBarriers;
  readonly reaper: Reaper;
  readonly reclaimer: Reclaimer;
  readonly users: UserService;
  readonly jobs: JobService;
}

export class Admin implements AdminService {
  readonly users: UserService;
  readonly inspection: LogInspection;
  readonly trees: TreeService;
  readonly persists: PersistService;
  readonly jobs: JobService;
  readonly #core: EngineCore;
  readonly #parts: AdminParts;
  readonly #startedMs: number;
  readonly #mounts: Mounts;

  constructor(core: EngineCore, parts: AdminParts) {
    this.#core = core;
    this.#parts = parts;
    this.users = parts.users;
    this.jobs = parts.jobs;
    this.#mounts = new Mounts(core, parts.barriers);
    this.persists = new PersistOperations(core, parts.persister);
    this.trees = new TreeTools(core, parts);
    this.inspection = inspectEngine(core, parts.persister, (bucket, key) => this.persistStat(bucket, key));
    this.#startedMs = core.clock.wallTimeMs();
    // By the event, so that a change whose append seemed to fail counts as soon as it proves durable.
    core.control.listen((event) => {
      if (event.type === 'PathConfigChanged') core.policies.use(parsePathConfigText(event.document));
    });
  }

  async status(): Promise<EngineStatus> {
    const { options, admission, mounts, partitions, segments } = this.#core;
    const sum = (of: (partition: Partition) => number): number =>
      partitions.reduce((total, partition) => total + of(partition), 0);
    return {
      version: options.version,
      startedMs: this.#startedMs,
      dataDirectory: options.dataDirectory,
      ufs: mounts.root.description,
      capacityBytes: admission.capacityBytes,
      usedBytes: segments.fileBytes,
      pinnedBytes: admission.pinnedBytes,
      pinnedLimitBytes: admission.pinnedLimitBytes,
      budgets: this.#core.budgets.all.map(({ rule, usedBytes, reservedBytes, limitBytes }) => ({
        rule,
        pinnedBytes: usedBytes + reservedBytes,
        limitBytes,
      })),
      objects: sum(({ state }) => state.cache.objects),
      pendingObjects: sum(({ state }) => state.uploads.pending - state.uploads.quarantined),
      quarantinedObjects: sum(({ state }) => state.uploads.quarantined),
      oldestPendingMs: oldestPendingMs(partitions),
      openWrites: sum(({ state }) => state.orphans.size),
      log: logHeads(this.#core),
      ...(this.#core.logBackend === undefined ? {} : { logBackend: this.#core.logBackend() }),
    };
  }

  async pathConfig(atOffset?: number): Promise<{ document: PathConfigDocument; offset: number }> {
    const state =
      atOffset === undefined ? this.#core.control.state : await this.#core.control.stateAt(atOffset);
    const document =
      state.pathConfig === undefined ? DEFAULT_PATH_CONFIG : parsePathConfigText(state.pathConfig);
    return { document, offset: state.pathConfigOffset };
  }

  async setPathConfig(document: unknown, expectedOffset?: number): Promise<{ offset: number }> {
    const parsed = parsePathConfig(document);
    const offset = await this.#core.control.submit((state, atMs) => {
      if (expectedOffset !== undefined && expectedOffset !== state.pathConfigOffset) {
        throw new HeadraceError(
          'PRECONDITION_FAILED',
          `the path configuration was changed at offset ${state.pathConfigOffset}, after the one you edited ` +
            `(${expectedOffset}): read it again`,
        );
      }
      return { type: 'PathConfigChanged', atMs, document: JSON.stringify(parsed) };
    });
    return { offset: offset ?? this.#core.control.state.pathConfigOffset };
  }

  testPath(path: string): PathTest {
    return this.#core.policies.matcher.test(path);
  }

  async persistStat(bucket: string, key: string): Promise<ObjectStat | undefined> {
    const stat = objectStat(this.#core, this.#parts.persister, bucket, key);
    checkLease(this.#core);
    return stat;
  }

  async flush(request: FlushRequest): Promise<FlushResult> {
    const flushed = await this.#parts.barriers.flush(request);
    const result = await tellPlace(this.#core, this.#parts, request, flushed);
    checkLease(this.#core);
    return result;
  }

  free(request: FreeRequest): Promise<FreeResult> {
    return freeSpace(this.#core, this.#parts, request);
  }

  async list(request: {
    path: string;
    startAfter: string;
    limit: number;
    recursive: boolean;
  }): Promise<FsEntry[]> {
    const { path, startAfter, limit, recursive } = request;
    const { bucket, key } = splitPath(path);
    const after = startAfter === '' ? { bucket: '', key: '' } : splitPath(startAfter);
    const entries = await listFs(this.#parts, { bucket, prefix: key, after, limit, recursive });
    checkLease(this.#core);
    return entries;
  }

  async logHead(): Promise<LogHead[]> {
    return logHeads(this.#core);
  }

  logRead(request: { partition: number; from: number; limit: number }): Promise<LoggedEvent[]> {
    return readLog(this.#core, request);
  }

  logTail(request: { partition: number; from: number; signal: AbortSignal }): AsyncIterable<LoggedEvent> {
    return tailLog(logOf(this.#core, request.partition), request.from, request.signal);
  }

  verify(request: {
    data: boolean;
    onProgress?: (done: number, total: number) => void;
  }): Promise<VerifyReport> {
    return verifyStore(this.#core, request);
  }

  /** To be called at the start, before anything is read: `Mounts.settle`. */
  settleMounts(): Promise<void> {
    return this.#mounts.settle();
  }

  async mounts(): Promise<MountInfo[]> {
    return this.#mounts.list();
  }

  addMount(mount: { path: string; ufs: string; options: Record<string, string> }): Promise<void> {
    return this.#mounts.add(mount);
  }

  removeMount(request: RemoveMountRequest): Promise<MountRemoval> {
    return this.#mounts.remove(request);
  }
}
