/**
 * The state of a partition at an offset that is past, from the log and the index themselves: the nearest kept checkpoint at or before it is
 * opened as it lies on the disk, and only the events behind it are folded, in memory. So the time it takes does not grow with the
 * number of objects, and no export has to be made first.
 *
 * Invariant: nothing is written; the index and the log may belong to a process that runs.
 */
import { HeadraceError } from '../../core/errors.js';
import { isControlEvent } from '../../../projections/control.js';
import {
  decodeSnapshot,
  emptyPartitionState,
  foldPartition,
  type PartitionState,
} from '../../../projections/partition-state.js';
import type { DataEvent } from '../../../log/events.js';
import type { InspectedPartition, InspectionSources } from './log-inspection.js';
import { snapshotOf, type ReplayedPartition, type ReplaySnapshot } from './replay.js';
import { ReplayRecords } from './replay-records.js';
import { TrackedRecords } from './tracked-records.js';

export interface TravelRequest {
  /** The data partition; may be left out when there is only one, or with an object. */
  readonly partition?: number | undefined;
  /** Chooses the partition that it belongs to. */
  readonly object?: { readonly bucket: string; readonly key: string } | undefined;
  /** Offsets, ascending; left out: the end of the log. */
  readonly stops?: readonly number[] | undefined;
  readonly onProgress?: (foldedEvents: number) => void;
  /** Sees every event that is folded behind the first stop. */
  readonly onStep?: (event: DataEvent, offset: number) => void;
  /** Awaited now and then while events are folded, at least at each stop; it ends the travel by rejecting. */
  readonly pace?: () => Promise<void>;
  /** Refuses to fold more. */
  readonly eventsMax?: number;
}

export interface TravelResult {
  /** `from` is the offset of the checkpoint that it began with, or of the beginning of the log. */
  readonly replayed: ReplayedPartition;
  readonly snapshots: readonly ReplaySnapshot[];
  /** Until then the snapshots can be looked at. */
  close(): Promise<void>;
}

const PROGRESS_EVENTS = 10_000;
/** A small part of a millisecond of folding. */
const PACE_EVENTS = 32;

/**
 * `INVALID_ARGUMENT` for a partition or an offset that there is not, or for more events than may be folded, `LOG_TRIMMED` for an offset before the oldest kept
 * checkpoint of a log that is not kept from its beginning.
 */
export async function travelTo(
  sources: Pick<InspectionSources, 'partitions' | 'partitionIndexOf'>,
  request: TravelRequest,
): Promise<TravelResult> {
  const { log, index } = partitionOf(sources, request);
  const { partition, oldestOffset, durableOffset } = log;
  const stops = request.stops ?? [durableOffset];
  const first = stops[0] ?? durableOffset;
  const last = stops.at(-1) ?? durableOffset;
  const kept = index.checkpoints.filter(({ offset }) => offset >= oldestOffset);
  const earliest = oldestOffset === 0 ? 0 : (kept[0]?.offset ?? durableOffset);
  const range = `the state of partition ${partition} can be had at offsets ${earliest} to ${durableOffset}`;
  if (last > durableOffset)
    throw new HeadraceError('INVALID_ARGUMENT', `${range}: ${last} is behind the end of its log`);
  if (first < earliest)
    throw new HeadraceError('LOG_TRIMMED', `${range}: no checkpoint and no log from before ${first} is kept`);
  const checkpoint = kept.findLast(({ offset }) => offset <= first);
  const { eventsMax = Number.POSITIVE_INFINITY } = request;
  const toFold = last - (checkpoint?.offset ?? 0);
  if (toFold > eventsMax)
    throw new HeadraceError(
      'INVALID_ARGUMENT',
      `${toFold} events would have to be folded to offset ${last} of partition ${partition}, and a server that is in use folds at most ` +
        `${eventsMax}: take a file (headrace log export -o FILE), and ask that (headrace log replay FILE)`,
    );
  const view = checkpoint === undefined ? undefined : await index.openAt(checkpoint);
  try {
    const records = new TrackedRecords(view ?? new ReplayRecords());
    const state =
      checkpoint === undefined ? emptyPartitionState(records) : decodeSnapshot(checkpoint.meta, records);
    const from = checkpoint?.offset ?? 0;
    const { snapshots, events, atMs } = await foldThrough(log, records, state, from, stops, request);
    const replayed = {
      partition,
      from,
      offset: last,
      complete: true,
      events,
      checkpoints: [],
      ...(atMs === undefined ? {} : { atMs }),
    };
    return { replayed, snapshots, close: async () => view?.close() };
  } catch (error) {
    await view?.close();
    throw error;
  }
}

function partitionOf(
  { partitions, partitionIndexOf }: Pick<InspectionSources, 'partitions' | 'partitionIndexOf'>,
  { partition, object }: TravelRequest,
): InspectedPartition {
  const known = partitions.map(({ log }) => log.partition).join(', ');
  if (object !== undefined) {
    const owner = partitions[partitionIndexOf(object.bucket, object.key)];
    if (owner !== undefined && (partition ?? owner.log.partition) === owner.log.partition) return owner;
    throw new HeadraceError(
      'INVALID_ARGUMENT',
      `s3://${object.bucket}/${object.key} belongs to partition ${owner?.log.partition}, not to ${partition}`,
    );
  }
  const found =
    partition === undefined && partitions.length === 1
      ? partitions[0]
      : partitions.find(({ log }) => log.partition === partition);
  if (found !== undefined) return found;
  throw new HeadraceError(
    'INVALID_ARGUMENT',
    partition === undefined
      ? `there are the data partitions ${known}: say which, with --partition`
      : `there is no data partition ${partition}: there are ${known}`,
  );
}

async function foldThrough(
  log: InspectedPartition['log'],
  records: TrackedRecords,
  state: PartitionState,
  from: number,
  stops: readonly number[],
  { onProgress, onStep, pace }: TravelRequest,
): Promise<{ snapshots: ReplaySnapshot[]; events: number; atMs: number | undefined }> {
  const snapshots: ReplaySnapshot[] = [];
  const last = stops.at(-1) ?? from;
  let next = from;
  let atMs: number | undefined;
  const stopHere = (): boolean => {
    const before = snapshots.length;
    while (stops[snapshots.length] === next) snapshots.push(snapshotOf(next, true, records, state));
    return snapshots.length > before;
  };
  stopHere();
  if (next < last)
    for await (const { events, firstOffset } of log.read(next)) {
      for (const [at, event] of events.entries()) {
        if (firstOffset + at < next || isControlEvent(event)) continue;
        if (snapshots.length > 0) onStep?.(event, next);
        foldPartition(state, event, next);
        next += 1;
        ({ atMs } = event);
        if ((next - from) % PROGRESS_EVENTS === 0) onProgress?.(next - from);
        const isStop = stopHere();
        if (pace !== undefined && (isStop || (next - from) % PACE_EVENTS === 0)) await pace();
        if (next === last) return { snapshots, events: next - from, atMs };
      }
    }
  return { snapshots, events: next - from, atMs };
}
