/**
 * What the engine offers to operators: the admin API and the command line are thin covers of it.
 */
import type { PersistState, PolicyMode } from '../core/object.js';
import type { LogInspection } from './inspection/log-inspection.js';
import type { PathConfigDocument, PathRule } from './path-config.js';
import type { AckLevel } from './object-service.js';
import type { FlushRequest } from './persist-barrier.js';
import type { PersistService } from './persist-service.js';
import type { JobService } from './job-service.js';
import type { RemoveMountRequest } from './mounts.js';
import type { TreeService } from './tree-service.js';
import type { UserService } from './users-service.js';

export interface AdminService {
  readonly users: UserService;
  readonly jobs: JobService;
  readonly inspection: LogInspection;
  readonly trees: TreeService;
  readonly persists: PersistService;
  status(): Promise<EngineStatus>;
  /** The effective document, and the control offset that it stands at. `atOffset` reads back an older one. */
  pathConfig(atOffset?: number): Promise<{ document: PathConfigDocument; offset: number }>;
  /** Validates and logs a new document; `expectedOffset` refuses it (`PRECONDITION_FAILED`) when it changed meanwhile. */
  setPathConfig(document: unknown, expectedOffset?: number): Promise<{ offset: number }>;
  testPath(path: string): PathTest;
  /** Undefined when the cache does not hold the object. */
  persistStat(bucket: string, key: string): Promise<ObjectStat | undefined>;
  /** Frees persisted data and abandoned writes at once; never un-persisted data. */
  free(request: { path?: string; onProgress?: (freed: FreeResult) => void }): Promise<FreeResult>;
  /** As `PersistBarriers.flush`. */
  flush(request: FlushRequest): Promise<FlushResult>;
  list(request: { path: string; startAfter: string; limit: number; recursive: boolean }): Promise<FsEntry[]>;
  logHead(): Promise<LogHead[]>;
  /** Events from an offset, as plain JSON-ready values. */
  logRead(request: { partition: number; from: number; limit: number }): Promise<LoggedEvent[]>;
  /** Events from an offset on, as they become durable, until the signal aborts. */
  logTail(request: { partition: number; from: number; signal: AbortSignal }): AsyncIterable<LoggedEvent>;
  /** Re-reads every frame, refolds from the oldest checkpoint and compares; with `data`, also every extent's checksum. */
  verify(request: {
    data: boolean;
    onProgress?: (done: number, total: number) => void;
  }): Promise<VerifyReport>;
  mounts(): Promise<MountInfo[]>;
  addMount(mount: { path: string; ufs: string; options: Record<string, string> }): Promise<void>;
  /** Refused (`INVALID_ARGUMENT`) while something below it is not persisted, unless that is drained or given up. */
  removeMount(request: RemoveMountRequest): Promise<MountRemoval>;
}

export interface PathTest {
  readonly path: string;
  readonly policyMode: PolicyMode;
  readonly rule: PathRule;
  /** `default` when no path rule matched. */
  readonly matched: string;
}

/** Un-persisted and reserved bytes below one path rule. */
export interface BudgetStatus {
  readonly rule: string;
  readonly pinnedBytes: number;
  readonly limitBytes: number;
}

/** A log that is not on this machine's disk, and how it has done since the start. */
export interface LogBackendStatus {
  /** What it is and where. */
  readonly description: string;
  readonly reads: LatencySummary;
  readonly commits: LatencySummary;
  /** Reads and commits that failed, by code; most were tried again. */
  readonly errors: Readonly<Record<string, number>>;
}

export interface LatencySummary {
  readonly count: number;
  readonly meanMs: number;
  /** At most so long took 99 % of them; to the next bound of the histogram. */
  readonly p99Ms: number;
}

export interface EngineStatus {
  readonly version: string;
  readonly startedMs: number;
  readonly dataDirectory: string;
  readonly ufs: string;
  readonly capacityBytes: number;
  readonly usedBytes: number;
  readonly pinnedBytes: number;
  readonly pinnedLimitBytes: number;
  /** Of path rules with a `pinnedBudget`. */
  readonly budgets: readonly BudgetStatus[];
  readonly objects: number;
  readonly pendingObjects: number;
  readonly quarantinedObjects: number;
  readonly oldestPendingMs: number | undefined;
  readonly openWrites: number;
  readonly log: readonly LogHead[];
  readonly logBackend?: LogBackendStatus;
}

export type PersistPhase = 'PENDING' | 'UPLOADING' | 'WAITING' | 'QUARANTINED' | 'CONFLICT';

export interface PersistEntry {
  readonly bucket: string;
  readonly key: string;
  readonly kind: 'put' | 'delete';
  readonly version: number;
  readonly size: number;
  readonly phase: PersistPhase;
  readonly sinceMs: number;
  readonly attempt: number;
  readonly nextAttemptAtMs?: number;
  readonly cause?: string;
  readonly message?: string;
  /** Bytes that the UFS holds already of a large object that goes there in parts. */
  readonly uploadedBytes?: number;
}

export interface ObjectStat {
  readonly bucket: string;
  readonly key: string;
  readonly version: number;
  readonly size: number;
  readonly etag: string;
  readonly lastModifiedMs: number;
  readonly policy: PolicyMode;
  readonly state: PersistState | 'DELETING';
  readonly persist?: PersistEntry;
  readonly ufsEtag?: string;
  /** The receipt of the version: where its event stands in the log. */
  readonly offset?: string;
  /** What is certain of it now. */
  readonly ack?: AckLevel;
  /** Where it is, or will be, in the UFS. */
  readonly ufs?: {
    readonly mount: string;
    readonly store: string;
    readonly bucket: string;
    readonly key: string;
    readonly present: boolean;
  };
  readonly extents: readonly { segment: number; position: number; size: number; checksum: string }[];
}

export interface FreeResult {
  readonly objects: number;
  readonly bytes: number;
  readonly abandonedWrites: number;
}

/** What is left of a flush. */
export interface FlushProgress {
  readonly objects: number;
  readonly bytes: number;
  /** What reached the UFS since the flush began. */
  readonly persistedObjects: number;
  readonly persistedBytes: number;
  /** Of those left, what the UFS refused for good. */
  readonly blockedObjects: number;
  /** The numbers still grow: the backlog is being counted. */
  readonly counting: boolean;
  readonly elapsedMs: number;
  /** The oldest that waits, and why when an attempt failed. */
  readonly oldest?: {
    readonly bucket: string;
    readonly key: string;
    readonly sinceMs: number;
    readonly attempt: number;
    readonly cause?: string;
    readonly message?: string;
    readonly nextAttemptAtMs?: number;
  };
}

export interface FlushBlocked {
  readonly bucket: string;
  readonly key: string;
  readonly version: number;
  readonly cause: string;
  readonly message: string;
}

export interface FlushResult extends FlushProgress {
  /** BLOCKED: nothing is left but what an operator has to decide about. */
  readonly outcome: 'PERSISTED' | 'BLOCKED' | 'TIMEOUT' | 'CANCELLED';
  /** Some of what is blocked. */
  readonly blocked: readonly FlushBlocked[];
  /** Nothing waited, and nothing is stored at the path: it may be misspelt. */
  readonly isEmpty?: boolean;
}

export interface FsEntry {
  readonly path: string;
  readonly directory: boolean;
  readonly size: number;
  readonly lastModifiedMs: number;
  readonly persisted: boolean;
}

export interface LogHead {
  readonly partition: number;
  readonly epoch: number;
  readonly oldestOffset: number;
  readonly durableOffset: number;
  readonly checkpointOffset: number;
}

export interface LoggedEvent {
  readonly partition: number;
  readonly offset: number;
  readonly epoch: number;
  readonly event: Readonly<Record<string, unknown>>;
}

export interface VerifyReport {
  readonly ok: boolean;
  readonly frames: number;
  readonly events: number;
  readonly fromOffset: number;
  readonly toOffset: number;
  readonly stateHash: string;
  readonly refoldedHash: string;
  readonly extents: number;
  readonly extentBytes: number;
  /** One line per finding. */
  readonly problems: readonly string[];
}

/** What was lost, when it was removed by force. */
export interface MountRemoval {
  readonly path: string;
  readonly lostObjects: number;
  readonly lostBytes: number;
  readonly lostDeletes: number;
}

export interface MountInfo {
  readonly path: string;
  readonly ufs: string;
  readonly options: Readonly<Record<string, string>>;
}
