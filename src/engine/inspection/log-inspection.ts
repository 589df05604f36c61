/**
 * What operators ask a log: the story of an object, why it is not persisted, and a slice of the log to take away.
 *
 * The same questions are answered by a running server and by a data directory that nobody serves, so the answers are made from what
 * both have: the log of each partition, and the kept checkpoints of its index.
 */
import type { DurableBatch } from '../../../log/log-store.js';
import type { IndexStore } from '../../core/index-store.js';
import type { StoredObject } from '../../core/object-store.js';
import type { PolicyMode } from '../../core/object.js';
import type { IndexRecord } from '../../../projections/records.js';
import type { ObjectStat, PersistPhase } from '../admin-service.js';
import type { ReplayAnswer, ReplayQuestion } from './replay-answer.js';

export interface LogInspection {
  /** Every kept event of one object, in order, with words. */
  history(request: { bucket: string; key: string; limit: number }): Promise<ObjectHistory>;
  /** Why the object is not persisted, or since when it is. */
  explain(request: { bucket: string; key: string }): Promise<Explanation>;
  /**
   * A slice of the log in the format of docs/on-disk-format.md, in pieces. `INVALID_ARGUMENT` for offsets that the log does not
   * have, `LOG_TRIMMED` for those it has no more.
   */
  exportLog(request: ExportRequest): AsyncIterable<Uint8Array>;
  /**
   * A state that is past, or what changed between two, within the bounds of `replay-answer.ts`. `SLOW_DOWN` while another one is told;
   * `INVALID_ARGUMENT`, `LOG_TRIMMED` for offsets that cannot be had.
   */
  replay(question: ReplayQuestion): Promise<ReplayAnswer>;
}

export interface StoryEntry {
  readonly partition: number;
  readonly offset: number;
  readonly epoch: number;
  /** Wall time of the decision. */
  readonly atMs: number;
  readonly type: string;
  /** What happened and why, in words. */
  readonly words: string;
  /** The event itself, as `log cat` has it. */
  readonly event: Readonly<Record<string, unknown>>;
}

export interface ObjectHistory {
  readonly bucket: string;
  readonly key: string;
  readonly partition: number;
  /** What happened before this offset is no longer kept. */
  readonly oldestOffset: number;
  readonly durableOffset: number;
  /** Older events that were left out because of the limit. */
  readonly omitted: number;
  readonly entries: readonly StoryEntry[];
}

export interface Explanation {
  readonly bucket: string;
  readonly key: string;
  /** Whether the UFS holds the current version; undefined when nothing is known of the object. */
  readonly persisted: boolean | undefined;
  readonly situation: Situation;
  /** One sentence. */
  readonly summary: string;
  /** Further sentences, the most important first. */
  readonly details: readonly string[];
}

export type Situation =
  | 'UNKNOWN'
  | 'UFS_ONLY'
  | 'UFS_LOST'
  | 'OPEN'
  | 'TRANSIENT'
  | PersistPhase
  | 'PERSISTED'
  | 'EVICTED'
  | 'DELETING'
  | 'DELETED'
  | 'DISCARDED';

export interface ExportRequest {
  /** Of the data partitions' offsets: the first that is exported. Left out: the oldest that is kept. */
  readonly from?: number | undefined;
  /** The first that is not exported. Left out: what is durable now. */
  readonly to?: number | undefined;
  readonly bucket?: string | undefined;
  /** Only keys that start with it; needs a bucket. */
  readonly prefix?: string | undefined;
  /** Hex digits that buckets and keys are hashed with; left out: names stay as they are. */
  readonly salt?: string | undefined;
}

/** One partition's log, as far as it can be read. */
export interface LogSource {
  readonly partition: number;
  readonly oldestOffset: number;
  readonly durableOffset: number;
  read(from: number): AsyncIterable<DurableBatch>;
}

export interface InspectedPartition {
  readonly log: LogSource;
  readonly index: Pick<IndexStore<IndexRecord>, 'checkpoints' | 'openAt'>;
}

/** What a running engine knows besides the log. */
export interface LiveKnowledge {
  readonly stat: ObjectStat | undefined;
  /** Entries that were queued for the UFS before this one and are still there, up to a limit. */
  readonly queuedBefore: number;
  readonly policyMode: PolicyMode;
  /** The rule that gives it; `default` when no path rule matched. */
  readonly rule: string;
  /** Where it is to be persisted, and whether uploads go there now. */
  readonly store: {
    readonly mount: string;
    readonly description: string;
    readonly answers: boolean;
    /** What it says when it answers and takes nothing. */
    readonly refusal?: string | undefined;
  };
  /** When the attempt that is under way began; absent when none is. */
  readonly uploadingSinceMs?: number;
  /** How long a call about it may take. */
  readonly attemptMsMax: number;
  /** What the UFS has of it; asked only when the cache holds nothing, and absent for what never goes there. */
  readonly ufs?: { readonly held: StoredObject | undefined } | { readonly error: string };
  /** An open write without data for so long is abandoned, and one that was open for so long. */
  readonly danglingAfterMs: number;
  readonly orphanTimeoutMs: number;
}

export interface InspectionSources {
  readonly version: string;
  readonly control: LogSource;
  readonly partitions: readonly InspectedPartition[];
  /** Which of `partitions` an object belongs to. */
  readonly partitionIndexOf: (bucket: string, key: string) => number;
  readonly nowMs: () => number;
  /** Lets others have the event loop, in the midst of long scans. */
  readonly nextTurn: () => Promise<void>;
  /**
   * For one piece of work: what it awaits every so often, and which takes so long that most of the time is left to others. Absent
   * where there are none; then it is `nextTurn`.
   */
  readonly beside?: () => () => Promise<void>;
  /** Absent without a running engine. */
  readonly live?: (bucket: string, key: string) => Promise<LiveKnowledge>;
}
