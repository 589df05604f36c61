/** An admin service without an engine behind it, for the tests of the admin API and the command line. */
import { EventEmitter, on } from 'node:events';
import type { RemoveMountRequest } from '../../src/engine/mounts.js';
import { MemoryJobs } from './memory-jobs.js';
import { HeadraceError } from '../../src/core/errors.js';
import type {
  AdminService,
  EngineStatus,
  FlushProgress,
  FlushResult,
  FreeResult,
  FsEntry,
  LoggedEvent,
  LogHead,
  MountInfo,
  MountRemoval,
  ObjectStat,
  PathTest,
  PersistEntry,
  VerifyReport,
} from '../../src/engine/admin-service.js';
import { DEFAULT_PATH_CONFIG, type PathConfigDocument } from '../../src/engine/path-config.js';
import { parsePathConfig } from '../../src/engine/path-config-document.js';
import { PathMatcher } from '../../src/engine/path-config-matcher.js';
import type { FlushRequest } from '../../src/engine/persist-barrier.js';
import type {
  InspectedPartition,
  LogInspection,
  LogSource,
} from '../../src/engine/inspection/log-inspection.js';
import { LogInspector } from '../../src/engine/inspection/log-inspector.js';
import type { Event } from '../../log/events.js';
import type { TreeService } from '../../src/engine/tree-service.js';
import type { UserService } from '../../src/engine/users-service.js';
import { FixedClock } from './fixed-clock.js';
import { MemoryPersists } from './memory-persists.js';
import { createMemoryUsers } from './memory-users.js';

const PARTITIONS = 2;
export const START_MS = Date.UTC(2024, 0, 2, 3, 4, 5);

export const NOTHING_LEFT: FlushProgress = {
  objects: 0,
  bytes: 0,
  persistedObjects: 0,
  persistedBytes: 0,
  blockedObjects: 0,
  counting: false,
  elapsedMs: 0,
};

export class MemoryAdminService implements AdminService {
  readonly persists = new MemoryPersists(() => this.pending);
  readonly users: UserService = createMemoryUsers({ clock: new FixedClock(START_MS) }).users;
  readonly inspection: LogInspection = new LogInspector(() => ({
    version: '0.0.0-test',
    control: this.#source(0),
    partitions: [{ log: this.#source(1), index: this.index }],
    partitionIndexOf: () => 0,
    nowMs: () => START_MS,
    nextTurn: async () => {},
  }));
  /** The data partition's index, for exports: with no checkpoint, as long as the log is whole. */
  readonly index: InspectedPartition['index'] = {
    checkpoints: [],
    openAt: () => Promise.reject(new HeadraceError('CORRUPT_CHECKPOINT', 'there is none')),
  };
  readonly trees: TreeService = {
    usage: async ({ path, onProgress }) => {
      const total = {
        path,
        objects: 3,
        bytes: 3072,
        cachedBytes: 2048,
        dirtyBytes: 1024,
        persistedBytes: 2048,
      };
      onProgress?.(total);
      return { total, entries: [{ ...total, path: `${path}dir/` }], truncated: false };
    },
    remove: async ({ path, recursive, onProgress }) => {
      this.removals.push({ path, recursive });
      onProgress?.({ objects: 1, bytes: 1024, failed: 0 });
      const failures = this.unremovable.map((name) => ({
        path: name,
        code: 'READ_ONLY_PATH',
        message: 'it is read only',
      }));
      return { objects: 2, bytes: 2048, failed: failures.length, failures };
    },
  };
  readonly removals: { path: string; recursive: boolean }[] = [];
  /** Paths that cannot be removed. */
  unremovable: string[] = [];
  /** Objects that `list` and `persistStat` show. */
  readonly objects: ObjectStat[] = [];
  readonly pending: PersistEntry[] = [];
  /** What a flush tells of before it ends with `flushResult`. */
  flushSteps: readonly FlushProgress[] = [];
  flushResult: FlushResult = { ...NOTHING_LEFT, outcome: 'PERSISTED', blocked: [] };
  readonly flushes: FlushRequest[] = [];
  readonly frees: (string | undefined)[] = [];
  verifyProblems: string[] = [];
  /** Offsets below are gone, in every partition. */
  oldestOffset = 0;
  openTails = 0;
  readonly #mounts = new Map<string, MountInfo>();
  readonly jobs = new MemoryJobs();
  readonly #events: LoggedEvent[][] = Array.from({ length: PARTITIONS }, () => []);
  readonly #documents: { offset: number; document: PathConfigDocument }[] = [
    { offset: -1, document: DEFAULT_PATH_CONFIG },
  ];
  readonly #emitter = new EventEmitter();

  append(partition: number, event: Record<string, unknown>): LoggedEvent {
    const events = this.#partition(partition);
    const logged = { partition, offset: events.length, epoch: 1, event: { atMs: START_MS, ...event } };
    events.push(logged);
    this.#emitter.emit(`partition-${partition}`, logged);
    return logged;
  }

  logBackend: EngineStatus['logBackend'];

  async status(): Promise<EngineStatus> {
    return {
      version: '0.0.0-test',
      startedMs: START_MS,
      dataDirectory: '/data',
      ufs: 'directory /data/ufs',
      capacityBytes: 10 * 1024 ** 3,
      usedBytes: 1024 ** 3,
      pinnedBytes: 1024 ** 2,
      pinnedLimitBytes: 3 * 1024 ** 3,
      budgets: [],
      objects: this.objects.length,
      pendingObjects: this.pending.length,
      quarantinedObjects: 0,
      oldestPendingMs: this.pending[0]?.sinceMs,
      openWrites: 0,
      log: await this.logHead(),
      ...(this.logBackend === undefined ? {} : { logBackend: this.logBackend }),
    };
  }

  async pathConfig(atOffset?: number): Promise<{ document: PathConfigDocument; offset: number }> {
    const found = this.#documents.findLast(({ offset }) => atOffset === undefined || offset <= atOffset);
    if (found === undefined) throw new HeadraceError('LOG_TRIMMED', `offset ${atOffset} is no longer kept`);
    return found;
  }

  async setPathConfig(document: unknown, expectedOffset?: number): Promise<{ offset: number }> {
    const parsed = parsePathConfig(document);
    const current = await this.pathConfig();
    if (expectedOffset !== undefined && expectedOffset !== current.offset)
      throw new HeadraceError(
        'PRECONDITION_FAILED',
        `the path configuration changed meanwhile: it stands at offset ${current.offset}, not ${expectedOffset}`,
      );
    const { offset } = this.append(0, { type: 'PathConfigChanged', document: JSON.stringify(parsed) });
    this.#documents.push({ offset, document: parsed });
    return { offset };
  }

  testPath(path: string): PathTest {
    const document = this.#documents.at(-1)?.document ?? DEFAULT_PATH_CONFIG;
    return new PathMatcher(document).test(path);
  }

  async persistStat(bucket: string, key: string): Promise<ObjectStat | undefined> {
    return this.objects.find((object) => object.bucket === bucket && object.key === key);
  }

  async flush(request: FlushRequest): Promise<FlushResult> {
    this.flushes.push(request);
    for (const progress of this.flushSteps) request.onProgress?.(progress);
    return this.flushResult;
  }

  async free(request: Parameters<AdminService['free']>[0]): Promise<FreeResult> {
    this.frees.push(request.path);
    request.onProgress?.({ objects: 1, bytes: 10, abandonedWrites: 0 });
    return { objects: 2, bytes: 2048, abandonedWrites: 1 };
  }

  async list(request: Parameters<AdminService['list']>[0]): Promise<FsEntry[]> {
    const directory = (path: string): FsEntry => ({
      path,
      directory: true,
      size: 0,
      lastModifiedMs: 0,
      persisted: true,
    });
    if (request.path === '/' && !request.recursive)
      return [...new Set(this.objects.map(({ bucket }) => `/${bucket}/`))]
        .sort()
        .filter((path) => path > request.startAfter)
        .slice(0, request.limit)
        .map(directory);
    const entries = new Map<string, FsEntry>();
    for (const { bucket, key, size, lastModifiedMs, state } of this.objects) {
      const path = `/${bucket}/${key}`;
      if (!path.startsWith(request.path) || path <= request.startAfter) continue;
      const end = request.recursive
        ? -1
        : path.indexOf('/', Math.max(request.path.length, bucket.length + 2));
      if (end >= 0) entries.set(path.slice(0, end + 1), directory(path.slice(0, end + 1)));
      else
        entries.set(path, { path, directory: false, size, lastModifiedMs, persisted: state === 'PERSISTED' });
    }
    const byPath = [...entries.values()].sort((a, b) => (a.path < b.path ? -1 : 1));
    return byPath.slice(0, request.limit);
  }

  async logHead(): Promise<LogHead[]> {
    return this.#events.map((events, partition) => ({
      partition,
      epoch: 1,
      oldestOffset: this.oldestOffset,
      durableOffset: events.length,
      checkpointOffset: 0,
    }));
  }

  async logRead(request: Parameters<AdminService['logRead']>[0]): Promise<LoggedEvent[]> {
    return this.#partition(request.partition).slice(request.from, request.from + request.limit);
  }

  async *logTail(request: Parameters<AdminService['logTail']>[0]): AsyncIterable<LoggedEvent> {
    const { partition, from, signal } = request;
    // Subscribed before the past is read, so that nothing falls between the two.
    const live = on(this.#emitter, `partition-${partition}`, { signal });
    this.openTails++;
    this.#emitter.emit('tail-opened');
    try {
      yield* this.#partition(partition).slice(from);
      for await (const [event] of live) yield event as LoggedEvent;
    } finally {
      this.openTails--;
      this.#emitter.emit('tail-closed');
    }
  }

  /** Resolves when this many tails are open. */
  async tailsOpen(count: number): Promise<void> {
    if (this.openTails >= count) return;
    for await (const _ of on(this.#emitter, 'tail-opened')) if (this.openTails >= count) return;
  }

  /** Resolves when a tail has ended. */
  async tailClosed(): Promise<void> {
    for await (const _ of on(this.#emitter, 'tail-closed')) return;
  }

  async verify(request: Parameters<AdminService['verify']>[0]): Promise<VerifyReport> {
    request.onProgress?.(1, 2);
    request.onProgress?.(2, 2);
    return {
      ok: this.verifyProblems.length === 0,
      frames: 3,
      events: 7,
      fromOffset: 0,
      toOffset: 7,
      stateHash: 'abcd',
      refoldedHash: 'abcd',
      extents: request.data ? 5 : 0,
      extentBytes: request.data ? 5000 : 0,
      problems: this.verifyProblems,
    };
  }

  async mounts(): Promise<MountInfo[]> {
    return Array.from(this.#mounts.values());
  }

  async addMount(mount: MountInfo): Promise<void> {
    if (this.#mounts.has(mount.path))
      throw new HeadraceError('BUCKET_EXISTS', `${mount.path} is mounted already: remove it first`);
    this.#mounts.set(mount.path, mount);
  }

  async removeMount({ path, force }: RemoveMountRequest): Promise<MountRemoval> {
    if (!this.#mounts.delete(path))
      throw new HeadraceError('NO_SUCH_BUCKET', `nothing is mounted at ${path}`);
    return {
      path,
      lostObjects: force === true ? 3 : 0,
      lostBytes: force === true ? 3072 : 0,
      lostDeletes: 0,
    };
  }

  #source(partition: number): LogSource {
    const events = this.#partition(partition);
    return {
      partition,
      oldestOffset: this.oldestOffset,
      durableOffset: events.length,
      read: async function* (from) {
        const batch = { partition, epoch: 1, firstOffset: from, wallTimeMs: START_MS };
        if (from < events.length)
          yield { ...batch, events: events.slice(from).map(({ event }) => event as unknown as Event) };
      },
    };
  }

  #partition(partition: number): LoggedEvent[] {
    const events = this.#events[partition];
    if (events === undefined)
      throw new HeadraceError('INVALID_ARGUMENT', `there is no partition ${partition}`);
    return events;
  }
}

/** An object as `persistStat` shows it. */
export function objectStat(bucket: string, key: string, fields: Partial<ObjectStat> = {}): ObjectStat {
  return {
    bucket,
    key,
    version: 1,
    size: 10_240,
    etag: 'd41d8cd98f00b204e9800998ecf8427e',
    lastModifiedMs: START_MS,
    policy: 'WRITE_BACK',
    state: 'PENDING',
    extents: [{ segment: 1, position: 4096, size: 10_240, checksum: '00000000000000ff' }],
    ...fields,
  };
}

/** An entry as `persists.list` shows it. */
export function persistEntry(key: string, version: number, fields: Partial<PersistEntry> = {}): PersistEntry {
  return {
    bucket: 'b',
    key,
    kind: 'put',
    version,
    size: 10_240,
    phase: 'WAITING',
    sinceMs: START_MS,
    attempt: 2,
    nextAttemptAtMs: START_MS + 60_000,
    message: 'connection refused',
    ...fields,
  };
}
