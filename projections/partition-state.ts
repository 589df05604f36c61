/**
 * The state of one data partition: all projections together, and their snapshot.
 *
 * The large ones (object index, uploads, upload stream) live in the index store, which makes them durable itself; the small ones
 * are the `meta` of its checkpoint. All stand at the same offset, so that fold(log) = fold(checkpoint + suffix).
 */
import type { Observable, Subscription } from 'rxjs';
import { HeadraceError } from '../src/core/errors.js';
import type { DataEvent } from '../log/events.js';
import { emptyCacheUsage, foldCacheUsage, type CacheUsage } from './cache-usage.js';
import { foldMultipartUploads } from './multipart-uploads.js';
import { foldObjectIndex } from './object-index.js';
import { foldOrphans, type OpenWrite, type Orphans } from './orphans.js';
import { emptyPinnedSpace, foldPinnedSpace, type PinnedSpace } from './pinned-space.js';
import type { RecordMap } from './records.js';
import { foldSegmentUsage, type SegmentUsage } from './segment-usage.js';
import { emptyUfsBases, foldUfsBases, type UfsBases } from './ufs-bases.js';
import { emptyUploadStreamCounts, foldUploadStream, type UploadStreamCounts } from './upload-stream.js';

/** An event that is durable, at its offset. */
export interface AppliedEvent {
  readonly event: DataEvent;
  readonly offset: number;
}

export interface PartitionState {
  readonly index: RecordMap;
  readonly pinned: PinnedSpace;
  readonly segments: SegmentUsage;
  readonly orphans: Orphans;
  readonly uploads: UploadStreamCounts;
  readonly cache: CacheUsage;
  readonly bases: UfsBases;
}

export function emptyPartitionState(index: RecordMap): PartitionState {
  return {
    index,
    pinned: emptyPinnedSpace(),
    segments: new Map(),
    orphans: new Map(),
    uploads: emptyUploadStreamCounts(),
    cache: emptyCacheUsage(),
    bases: emptyUfsBases(),
  };
}

/** Folds one event into every projection. */
export function foldPartition(state: PartitionState, event: DataEvent, offset: number): void {
  foldPinnedSpace(state.pinned, event);
  foldSegmentUsage(state.segments, event);
  foldOrphans(state.orphans, event);
  foldCacheUsage(state.cache, event);
  foldUploadStream(state.index, state.uploads, event, offset);
  foldUfsBases(state.index, state.bases, event);
  foldMultipartUploads(state.index, event);
  foldObjectIndex(state.index, event, offset);
}

/** Subscribes every projection to a stream of durable events. */
export function projectPartition(state: PartitionState, events$: Observable<AppliedEvent>): Subscription {
  return events$.subscribe(({ event, offset }) => foldPartition(state, event, offset));
}

const SNAPSHOT_VERSION = 1;

interface Snapshot {
  readonly version: number;
  readonly pinned: PinnedSpace;
  readonly segments: readonly (readonly [segment: number, live: number, pinned: number, extents: number])[];
  readonly orphans: readonly (readonly [id: string, write: OpenWrite])[];
  readonly uploads: UploadStreamCounts;
  readonly cache: CacheUsage;
  /** Absent in snapshots of versions that had none. */
  readonly bases?: UfsBases;
}

/** The small projections, as UTF-8 JSON. */
export function encodeSnapshot(state: PartitionState): Uint8Array {
  const snapshot: Snapshot = {
    version: SNAPSHOT_VERSION,
    pinned: state.pinned,
    segments: [...state.segments].map(([id, of]) => [id, of.liveBytes, of.pinnedBytes, of.extents]),
    orphans: [...state.orphans],
    uploads: state.uploads,
    cache: state.cache,
    bases: state.bases,
  };
  return Buffer.from(JSON.stringify(snapshot));
}

/** `UNSUPPORTED_FORMAT` for a snapshot of a newer version, `CORRUPT_CHECKPOINT` for bytes that are none. */
export function decodeSnapshot(bytes: Uint8Array, index: RecordMap): PartitionState {
  const snapshot = parseSnapshot(bytes);
  if (snapshot.version !== SNAPSHOT_VERSION) {
    throw new HeadraceError(
      'UNSUPPORTED_FORMAT',
      `the checkpoint has snapshot version ${snapshot.version}; this program reads version ${SNAPSHOT_VERSION}`,
    );
  }
  return {
    index,
    pinned: snapshot.pinned,
    segments: new Map(
      snapshot.segments.map(([id, liveBytes, pinnedBytes, extents]) => [
        id,
        { liveBytes, pinnedBytes, extents },
      ]),
    ),
    orphans: new Map(snapshot.orphans),
    uploads: snapshot.uploads,
    cache: snapshot.cache,
    bases: snapshot.bases ?? emptyUfsBases(),
  };
}

function parseSnapshot(bytes: Uint8Array): Snapshot {
  try {
    return JSON.parse(Buffer.from(bytes).toString('utf8')) as Snapshot;
  } catch (cause) {
    throw new HeadraceError('CORRUPT_CHECKPOINT', 'the checkpoint holds a snapshot that is not JSON', {
      cause,
    });
  }
}
