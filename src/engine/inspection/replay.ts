/**
 * Folds an export offline, in the projections that the engine folds its log with, to the state at any of its offsets.
 *
 * Invariants: events are folded once, in order, whatever frames they came in; before the whole state is known only those
 * projections are folded that need no past (index, uploads, open writes), because sums over what is unknown would be wrong;
 * where the export has the hash of the engine's own state, the replayed one is compared with it.
 */
import { HeadraceError } from '../../core/errors.js';
import type { DataEvent, Event } from '../../../log/events.js';
import { isControlEvent } from '../../../projections/control.js';
import { foldMultipartUploads } from '../../../projections/multipart-uploads.js';
import { foldObjectIndex } from '../../../projections/object-index.js';
import { foldOrphans } from '../../../projections/orphans.js';
import {
  decodeSnapshot,
  emptyPartitionState,
  encodeSnapshot,
  foldPartition,
  type PartitionState,
} from '../../../projections/partition-state.js';
import { emptyUploadStreamCounts, foldUploadStream } from '../../../projections/upload-stream.js';
import type { ExportDescription, ExportedCheckpoint, ExportedState } from './export-format.js';
import type { ExportItem } from './export-reader.js';
import { ReplayRecords } from './replay-records.js';
import { StateHash } from './state-hash.js';
import { RECORDS_END, TrackedRecords, type RecordView } from './tracked-records.js';

export interface ReplayedPartition {
  readonly partition: number;
  /** The first offset of the export, and the one at which the replay stands: everything below is folded in. */
  readonly from: number;
  readonly offset: number;
  /** Whether the state is whole; otherwise it holds only what the events tell. */
  readonly complete: boolean;
  readonly events: number;
  /** Hash of the state, as the engine has it at its checkpoints; absent unless it is whole, and of all objects with their names. */
  readonly stateHash?: string;
  /**
   * In its place, of a whole state of some objects, or with hashed names: equal for replays of such exports to the same offset, and never
   * the engine's.
   */
  readonly partHash?: string;
  /** What the engine recorded, and what the replay came to. */
  readonly checkpoints: readonly {
    readonly offset: number;
    readonly recorded: string;
    readonly replayed: string;
  }[];
  /** The wall time of the last event. */
  readonly atMs?: number;
}

/** A state that stays as it is while the replay goes on. */
export interface ReplaySnapshot {
  readonly offset: number;
  readonly complete: boolean;
  readonly records: RecordView;
  readonly state: PartitionState;
}

export interface ReplayOptions {
  /** The data partition; may be left out when the export has only one. */
  readonly partition?: number | undefined;
  /** Offsets at which a snapshot is taken, ascending; the replay ends at the last. Left out: the end of the export. */
  readonly stops?: readonly number[];
  readonly onProgress?: (foldedEvents: number) => void;
  /** Sees every event that is folded behind the first stop. */
  readonly onStep?: (event: DataEvent, offset: number) => void;
}

export interface ReplayResult {
  readonly description: ExportDescription;
  readonly replayed: ReplayedPartition;
  readonly snapshots: readonly ReplaySnapshot[];
}

const PROGRESS_EVENTS = 10_000;

/**
 * Replays one partition of an export. `INVALID_ARGUMENT` for a partition or an offset that it does not have, `CORRUPT_FRAME`
 * when it is damaged or its frames leave offsets out.
 */
export async function replayExport(
  items: AsyncIterable<ExportItem>,
  options: ReplayOptions = {},
): Promise<ReplayResult> {
  let replay: Replay | undefined;
  for await (const item of items) {
    if (item.kind === 'DESCRIPTION') replay = new Replay(item.description, options);
    else if (replay === undefined)
      throw new HeadraceError('CORRUPT_FRAME', 'the export does not begin with its description');
    else if (replay.take(item)) break;
  }
  if (replay === undefined) throw new HeadraceError('CORRUPT_FRAME', 'the export has no description');
  return replay.finish();
}

class Replay {
  readonly #description: ExportDescription;
  readonly #options: ReplayOptions;
  readonly #partition: number;
  readonly #from: number;
  readonly #to: number;
  readonly #stops: readonly number[];
  readonly #snapshots: ReplaySnapshot[] = [];
  readonly #checkpoints: { offset: number; recorded: string; replayed: string }[] = [];
  #page = new ReplayRecords();
  #records = new TrackedRecords(new ReplayRecords());
  #state: PartitionState;
  #complete: boolean;
  #offset: number;
  #events = 0;
  #atMs: number | undefined;
  #hashed: { readonly events: number; readonly records: TrackedRecords; readonly hash: string } | undefined;

  constructor(description: ExportDescription, options: ReplayOptions) {
    const { partition, from, to } = partitionOf(description, options.partition);
    this.#description = description;
    this.#options = options;
    this.#partition = partition;
    this.#from = from;
    this.#to = to;
    this.#offset = from;
    this.#complete = from === 0;
    this.#state = emptyPartitionState(this.#records);
    this.#stops = options.stops ?? [to];
    for (const stop of this.#stops)
      if (stop < from || stop > to)
        throw new HeadraceError(
          'INVALID_ARGUMENT',
          `the export has offsets ${from} to ${to} of partition ${partition}: ${stop} is not among them`,
        );
  }

  /** Takes the next item; true when all stops were reached. */
  take(item: ExportItem): boolean {
    switch (item.kind) {
      case 'FRAME':
        return (
          item.header.partition === this.#partition && this.#foldAll(item.events, item.header.firstOffset)
        );
      case 'PAGE':
        if (item.partition === this.#partition)
          for (const [key, record] of item.entries) this.#page.set(key, record);
        return false;
      case 'STATE':
        return item.state.partition === this.#partition && this.#load(item.state);
      case 'CHECKPOINT':
        return item.checkpoint.partition === this.#partition && this.#check(item.checkpoint);
      case 'DESCRIPTION':
      case 'END':
        return false;
    }
  }

  /** Whether every event of the range is there. */
  get #isWhole(): boolean {
    return !this.#description.hashed && this.#description.bucket === undefined;
  }

  finish(): ReplayResult {
    // What was left out of the export, at its end.
    this.#advance(this.#to);
    const { partition, from } = { partition: this.#partition, from: this.#from };
    const complete = this.#complete;
    return {
      description: this.#description,
      replayed: {
        partition,
        from,
        offset: this.#snapshots.at(-1)?.offset ?? this.#offset,
        complete,
        events: this.#events,
        checkpoints: this.#checkpoints,
        ...(complete ? { [this.#isWhole ? 'stateHash' : 'partHash']: this.#hash() } : {}),
        ...(this.#atMs === undefined ? {} : { atMs: this.#atMs }),
      },
      snapshots: this.#snapshots,
    };
  }

  #foldAll(events: readonly Event[], firstOffset: number): boolean {
    let offset = firstOffset;
    for (const event of events) {
      if (isControlEvent(event))
        throw new HeadraceError('CORRUPT_FRAME', `${event.type} at offset ${offset} is no event of objects`);
      if (offset < this.#offset || (offset > this.#offset && this.#isWhole))
        throw new HeadraceError(
          'CORRUPT_FRAME',
          `offset ${this.#offset} is expected in the export, and offset ${offset} found`,
        );
      if (offset >= this.#nextStop && this.#advance(offset)) return true;
      if (this.#snapshots.length > 0) this.#options.onStep?.(event, offset);
      if (this.#complete) foldPartition(this.#state, event, offset);
      else this.#foldKnown(event, offset);
      offset += 1;
      this.#offset = offset;
      this.#atMs = event.atMs;
      this.#events += 1;
      if (this.#events % PROGRESS_EVENTS === 0) this.#options.onProgress?.(this.#events);
    }
    return false;
  }

  /** Only what needs no past. */
  #foldKnown(event: DataEvent, offset: number): void {
    foldOrphans(this.#state.orphans, event);
    foldUploadStream(this.#records, emptyUploadStreamCounts(), event, offset);
    foldMultipartUploads(this.#records, event);
    foldObjectIndex(this.#records, event, offset);
  }

  /** Everything below `offset` is folded in, or was not exported; true when that was the last stop. */
  #advance(offset: number): boolean {
    while (this.#nextStop <= offset) this.#snapshots.push(this.#snapshot(this.#nextStop));
    return this.#snapshots.length === this.#stops.length;
  }

  get #nextStop(): number {
    return this.#stops[this.#snapshots.length] ?? Number.POSITIVE_INFINITY;
  }

  #snapshot(offset: number): ReplaySnapshot {
    return snapshotOf(offset, this.#complete, this.#records, this.#state);
  }

  #load({ offset, snapshot, records, hash }: ExportedState): boolean {
    if (this.#advance(offset - 1)) return true;
    if (this.#page.size !== records)
      throw new HeadraceError(
        'CORRUPT_FRAME',
        `the state at offset ${offset} should have ${records} records, not ${this.#page.size}`,
      );
    this.#records = new TrackedRecords(this.#page);
    this.#page = new ReplayRecords();
    this.#state = decodeSnapshot(Buffer.from(snapshot), this.#records);
    this.#complete = true;
    this.#offset = offset;
    if (hash !== undefined) this.#compare(offset, hash);
    return false;
  }

  #check({ offset, hash }: ExportedCheckpoint): boolean {
    if (this.#advance(offset - 1)) return true;
    if (this.#complete) this.#compare(offset, hash);
    return false;
  }

  /** Looks at the whole state, so it is not done twice when an export ends at a checkpoint. */
  #hash(): string {
    if (this.#hashed?.events !== this.#events || this.#hashed.records !== this.#records)
      this.#hashed = {
        events: this.#events,
        records: this.#records,
        hash: hashOf(this.#records, this.#state),
      };
    return this.#hashed.hash;
  }

  #compare(offset: number, recorded: string): void {
    this.#checkpoints.push({ offset, recorded, replayed: this.#hash() });
  }
}

/** The state as it is, which stays so while events are folded into `records` and `state`. */
export function snapshotOf(
  offset: number,
  complete: boolean,
  records: TrackedRecords,
  state: PartitionState,
): ReplaySnapshot {
  const marked = records.mark();
  return { offset, complete, records: marked, state: decodeSnapshot(encodeSnapshot(state), marked) };
}

function partitionOf(
  { partitions }: ExportDescription,
  wanted: number | undefined,
): ExportDescription['partitions'][number] {
  const data = partitions.filter(({ partition }) => partition !== 0);
  const [first] = data;
  const found =
    wanted === undefined
      ? data.length === 1
        ? first
        : undefined
      : data.find(({ partition }) => partition === wanted);
  if (found !== undefined) return found;
  const known = data.map(({ partition }) => partition).join(', ');
  throw new HeadraceError(
    'INVALID_ARGUMENT',
    wanted === undefined
      ? `the export has the data partitions ${known}: say which, with --partition`
      : `the export has no data partition ${wanted}: it has ${known}`,
  );
}

function hashOf(records: RecordView, state: PartitionState): string {
  const hash = new StateHash();
  for (const [key, record] of records.scan('', RECORDS_END)) hash.add(key, record);
  return hash.finish(encodeSnapshot(state));
}
