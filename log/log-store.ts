/**
 * The port to the log. Backends: embedded files (`log/embedded/`) and FoundationDB (`log/fdb/`).
 *
 * Invariants, per partition: offsets are dense from 0; epochs never go back; `nextOffset ≥ durableOffset`; a frame is
 * durable whole or not at all; frames become durable in the order of their offsets.
 */
import type { Observable } from 'rxjs';
import type { Event } from './events.js';

/** The partition that carries buckets, mounts, path configuration and users. */
export const CONTROL_PARTITION = 0;

export interface LogStore {
  /**
   * Takes the partition over with a new epoch, after recovery. Rejects with `CORRUPT_FRAME` when a frame before
   * the torn tail is bad, `UNSUPPORTED_FORMAT` for a newer format, `LOG_FENCED` when another owner is newer.
   */
  openPartition(partition: number): Promise<PartitionLog>;
  /**
   * Where checkpoints of a partition that is open are kept beside its log, for an owner that has lost its own. Absent where the
   * log is as local as they are.
   */
  checkpointsOf?(log: PartitionLog): Promise<CheckpointStore>;
  close(): Promise<void>;
}

/** In pieces of any length. */
export type CheckpointBytes = AsyncIterable<Uint8Array> | Iterable<Uint8Array>;

/** One checkpoint of a partition: the newest that is whole. Only its owner saves; offsets never go back. */
export interface CheckpointStore {
  /**
   * The state counts and is durable on return, and replaces the one before. `LOG_FENCED`, `INVALID_ARGUMENT` when it is too long,
   * `IO_FAILED`, what `state` throws, or the signal's reason: then the one before still counts.
   */
  save(offset: number, state: CheckpointBytes, signal?: AbortSignal): Promise<void>;
  /** Offset of the one that counts. `CORRUPT_CHECKPOINT`, `UNSUPPORTED_FORMAT`, `IO_FAILED`. */
  offset(): Promise<number | undefined>;
  /** As `offset`. */
  load(): Promise<LoadedCheckpoint | undefined>;
}

export interface LoadedCheckpoint {
  /** Everything below it is in the state. */
  readonly offset: number;
  readonly state: Buffer;
}

/** Events of one frame, durable. */
export interface DurableBatch {
  readonly partition: number;
  readonly epoch: number;
  /** Offset of `events[0]`; the others follow densely. */
  readonly firstOffset: number;
  readonly events: readonly Event[];
  /** Wall time at which the frame was made. */
  readonly wallTimeMs: number;
}

export interface PartitionLog {
  readonly partition: number;
  readonly epoch: number;
  /** The offset that the next appended event gets, counting those queued. */
  readonly nextOffset: number;
  /** Every event below this offset is durable. */
  readonly durableOffset: number;
  /** The oldest offset that can still be read. */
  readonly oldestOffset: number;
  /** What recovery found and did. */
  readonly recovery: RecoveryReport;
  /**
   * Every batch once, in order, as soon as it is durable and before the promise of its append resolves. Subscribers
   * run synchronously and must not throw. Batches that were durable before the partition was opened are not
   * emitted: use `read`.
   */
  readonly batches$: Observable<DurableBatch>;
  /** Counters since the partition was opened. */
  readonly statistics: LogStatistics;
  /**
   * Queues events; resolves with the offset of the first when all are durable. What is queued while a write
   * is in flight becomes the next frame (group commit). After a failed write every append rejects with that error
   * (`LOG_FENCED`, `LOG_UNKNOWN_OUTCOME`, `DISK_FULL`, `IO_FAILED`): the partition must be opened again.
   */
  append(events: readonly Event[]): Promise<number>;
  /**
   * Frames that hold events at or after `from` (which may be inside the first), up to what is durable at the call.
   * Throws `LOG_TRIMMED` below `oldestOffset`, `CORRUPT_FRAME` at a bad frame.
   */
  read(from: number): AsyncIterable<DurableBatch>;
  /** Forgets what is below `upTo`, in coarse steps: never anything at or after it. */
  trim(upTo: number): Promise<void>;
  /** Makes the queue durable and stops. */
  close(): Promise<void>;
}

export interface LogStatistics {
  readonly frames: number;
  readonly events: number;
  readonly bytes: number;
}

export interface RecoveryReport {
  /** Frames read while looking for the end. */
  readonly frames: number;
  /** Bytes of a torn tail that were cut; 0 after a clean stop. */
  readonly cutBytes: number;
  /** Name of the row of the decision table that was applied. */
  readonly decision: string;
}
