/** The small projections counted anew from the records and the open writes: for a part of a state, whose counts nobody kept. */
import { emptyPartitionState, type PartitionState } from '../../../projections/partition-state.js';
import type { Orphans } from '../../../projections/orphans.js';
import type { IndexRecord, RecordMap } from '../../../projections/records.js';
import type { SegmentUsage } from '../../../projections/segment-usage.js';

/** A state whose counts are those of `records`, which `index` holds, and of `orphans`. */
export function recountState(
  index: RecordMap,
  records: Iterable<IndexRecord>,
  orphans: Orphans,
): PartitionState {
  const state = emptyPartitionState(index);
  for (const [id, write] of orphans) {
    state.orphans.set(id, write);
    if (write.kind === 'write') state.pinned.reservedBytes += write.bytes;
  }
  for (const record of records) countRecord(state, record);
  return state;
}

function countRecord({ pinned, segments, uploads, cache }: PartitionState, record: IndexRecord): void {
  switch (record.kind) {
    case 'queued':
      uploads.pending += 1;
      uploads.pendingBytes += record.size;
      if (record.quarantined) uploads.quarantined += 1;
      return;
    case 'part':
      pinned.partBytes += record.size;
      addExtents(segments, record.extents, true);
      return;
    case 'object':
      cache.objects += 1;
      cache.objectBytes += record.size;
      if (record.state === 'TRANSIENT') pinned.transientBytes += record.size;
      else if (record.state !== 'PERSISTED') pinned.pendingBytes += record.size;
      addExtents(segments, record.extents, record.state !== 'PERSISTED');
      return;
    default:
      return;
  }
}

function addExtents(
  usage: SegmentUsage,
  extents: readonly { readonly segment: number; readonly size: number }[],
  pinned: boolean,
): void {
  for (const { segment, size } of extents) {
    const of = usage.get(segment) ?? { liveBytes: 0, pinnedBytes: 0, extents: 0 };
    of.liveBytes += size;
    of.extents += 1;
    if (pinned) of.pinnedBytes += size;
    usage.set(segment, of);
  }
}
