/**
 * What the engine's parts share: state, ports and limits. Built once by `engine.ts`.
 */
import type { Logger } from '../core/logger.js';
import type { Md5Stream } from '../core/md5-streams.js';
import type { EngineCounters } from '../core/metrics.js';
import type { Clock, Random } from '../core/ports.js';
import type { ControlState } from '../../projections/control.js';
import type { IndexRecord } from '../../projections/records.js';
import { objectKey } from '../../projections/records.js';
import type { LogBackendStatus } from './admin-service.js';
import type { Admission } from './admission.js';
import type { ControlPartition } from './control-partition.js';
import type { LateWrites } from './late-writes.js';
import type { KeyLocks } from './key-locks.js';
import type { MountTable, SafePersistMode } from './mount-table.js';
import type { Partition } from './partition.js';
import type { PathPolicies } from './path-policies.js';
import type { ReadLease } from './read-lease.js';
import type { Recency } from './recency.js';
import type { RemovalJournal } from './removal-journal.js';
import type { SegmentGuard } from './segment-guard.js';
import type { SegmentStore } from './segment-store.js';
import type { SpaceBudgets } from './space-budgets.js';
import type { UfsMetadataCache } from './ufs-metadata-cache.js';

/** Plain values; durations in milliseconds, sizes in bytes. */
export interface EngineOptions {
  readonly version: string;
  readonly dataDirectory: string;
  readonly capacityBytes: number;
  readonly pinnedRatio: number;
  /** Share of the pinned limit, and of a budget, from which on writers are held up; 1 for never. */
  readonly pinnedSoftRatio?: number;
  /** Longest that one write is held up. */
  readonly pressureDelayMaxMs?: number;
  /** False: a read cache; every write goes through. */
  readonly writeCacheEnabled: boolean;
  readonly persistConcurrency: number;
  readonly persistRetryInitialMs: number;
  readonly persistRetryMaxMs: number;
  readonly orphanTimeoutMs: number;
  readonly orphanScanPeriodMs: number;
  readonly danglingAfterMs: number;
  readonly ufsTimeoutMs: number;
  /** How long what the UFS said of an object, or a page of a listing, is believed; 0 asks each time. */
  readonly ufsMetadataTtlMs: number;
  readonly ufsMetadataBytes: number;
  /** A cached object that is read is compared with the UFS this often; 0 never. */
  readonly ufsRevalidateMs: number;
  /** Memory for ranges of objects that only the UFS holds. */
  readonly rangeCacheBytes: number;
  /** Objects that one load job fetches at once. */
  readonly loadConcurrency: number;
  readonly checkpointChanges: number;
  /** Of the root store; mounts say their own. Overwrite unless given. */
  readonly safePersist?: SafePersistMode;
  /** How long a write that nobody waits for any more may be on its way to the UFS; a second unless given. */
  readonly lateWriteMs?: number;
  readonly persist?: PersistTuning;
}

/** How the persister shares out what it has; each has a default. */
export interface PersistTuning {
  /** Uploads to one under-store at once. */
  readonly storeConcurrency?: number;
  readonly bytesPerS?: number;
  readonly objectsPerS?: number;
  /** What is older overtakes higher priorities. */
  readonly ageLimitMs?: number;
  /** What came in one piece goes in parts when it is larger. */
  readonly multipartThresholdBytes?: number;
}

export interface EngineCore {
  readonly options: EngineOptions;
  readonly clock: Clock;
  readonly random: Random;
  readonly logger: Logger;
  readonly counters: EngineCounters;
  readonly partitions: readonly Partition[];
  readonly control: ControlPartition;
  /** Absent where the log is on the disk. */
  readonly logBackend?: (() => LogBackendStatus) | undefined;
  /** Present where other processes can reach the log: state counts only while it is valid. */
  readonly lease?: ReadLease | undefined;
  readonly segments: SegmentStore;
  readonly guard: SegmentGuard;
  readonly admission: Admission;
  readonly budgets: SpaceBudgets;
  readonly locks: KeyLocks;
  readonly late: LateWrites;
  readonly mounts: MountTable;
  /** What the UFS said lately. */
  readonly known: UfsMetadataCache;
  readonly policies: PathPolicies;
  readonly recency: Recency;
  readonly removals: RemovalJournal;
  readonly digests: Digests;
}

/** MD5 of bodies, in the cheapest way for their size. */
export interface Digests {
  /** MD5 of a small body: 16 bytes. */
  small(chunks: readonly Uint8Array[], size: number): Promise<Uint8Array>;
  /** As `small`, for the hot path; `receiver` may be called within the call. */
  smallThen(chunks: readonly Uint8Array[], size: number, receiver: (md5: Uint8Array) => void): void;
  /** MD5 of a large body; must be ended, by `digest` or `abandon`. */
  stream(): Md5Stream;
}

/** Partition number 0 is the control stream; data partitions follow. One hash decides for good where a key lives. */
export function partitionOf(core: EngineCore, bucket: string, key: string): Partition {
  const { partitions } = core;
  const only = partitions[0];
  if (partitions.length === 1 && only !== undefined) return only;
  const partition = partitions[partitionIndexOf(bucket, key, partitions.length)];
  if (partition === undefined) throw new RangeError('there are no partitions');
  return partition;
}

/** Which of so many data partitions an object belongs to. */
export function partitionIndexOf(bucket: string, key: string, partitions: number): number {
  return fnv1a(`${bucket}/${key}`) % partitions;
}

export function durableRecord(core: EngineCore, bucket: string, key: string): IndexRecord | undefined {
  return partitionOf(core, bucket, key).index.get(objectKey(bucket, key));
}

export function controlState(core: EngineCore): ControlState {
  return core.control.state;
}

/** FNV-1a over UTF-16 units: stable for ever, because the place of every key depends on it. */
function fnv1a(text: string): number {
  let hash = 0x811c9dc5;
  for (let i = 0; i < text.length; i++) {
    hash ^= text.charCodeAt(i);
    hash = Math.imul(hash, 0x01000193);
  }
  return hash >>> 0;
}
