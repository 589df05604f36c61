/**
 * Projection: live and pinned payload bytes of every segment. What is not live is garbage; a segment without live bytes
 * is dropped, one with few is compacted. Its keys are also the segments that recovery must keep.
 */
import { assert } from '../src/core/assert.js';
import type { Extent } from '../src/core/object.js';
import type { DataEvent } from '../log/events.js';
import type { Replaced } from '../log/object-events.js';

export interface Usage {
  liveBytes: number;
  pinnedBytes: number;
  /** Live extents; also counts empty payloads, so that their segment stays. */
  extents: number;
}

export type SegmentUsage = Map<number, Usage>;

/** Folds one event into the usage, in place. */
export function foldSegmentUsage(usage: SegmentUsage, event: DataEvent): void {
  switch (event.type) {
    case 'ObjectCommitted': {
      const pinned = event.object.state !== 'PERSISTED';
      if (event.uploadId === undefined) add(usage, event.object.extents, pinned);
      else {
        if (!pinned) unpin(usage, event.object.extents);
        remove(usage, event.discarded ?? [], true);
      }
      release(usage, event.replaced);
      return;
    }
    case 'ObjectDeleted':
      release(usage, event.replaced);
      return;
    case 'ObjectPersisted':
      unpin(usage, event.extents);
      return;
    case 'PersistDiscarded':
      remove(usage, event.extents, true);
      return;
    case 'ObjectEvicted':
      remove(usage, event.extents, false);
      return;
    case 'ExtentsMoved':
      remove(usage, event.from, event.pinned);
      add(usage, event.to, event.pinned);
      return;
    case 'PartStored':
      add(usage, event.extents, true);
      remove(usage, event.replacedExtents ?? [], true);
      return;
    case 'UploadAborted':
      remove(usage, event.extents, true);
      return;
    default:
      return;
  }
}

function add(usage: SegmentUsage, extents: readonly Extent[], pinned: boolean): void {
  for (const extent of extents) {
    let of = usage.get(extent.segment);
    if (of === undefined) usage.set(extent.segment, (of = { liveBytes: 0, pinnedBytes: 0, extents: 0 }));
    of.liveBytes += extent.size;
    of.extents += 1;
    if (pinned) of.pinnedBytes += extent.size;
  }
}

function remove(usage: SegmentUsage, extents: readonly Extent[], pinned: boolean): void {
  for (const extent of extents) {
    const of = usage.get(extent.segment);
    assert(of !== undefined, `an extent leaves segment ${extent.segment}, which holds none`);
    of.liveBytes -= extent.size;
    of.extents -= 1;
    if (pinned) of.pinnedBytes -= extent.size;
    assert(
      of.liveBytes >= of.pinnedBytes && of.pinnedBytes >= 0,
      `usage of segment ${extent.segment} is wrong`,
    );
    if (of.extents === 0) usage.delete(extent.segment);
  }
}

function unpin(usage: SegmentUsage, extents: readonly Extent[]): void {
  for (const extent of extents) {
    const of = usage.get(extent.segment);
    assert(of !== undefined, `an extent is unpinned in segment ${extent.segment}, which holds none`);
    of.pinnedBytes -= extent.size;
    assert(of.pinnedBytes >= 0, `pinned bytes of segment ${extent.segment} fell below zero`);
  }
}

function release(usage: SegmentUsage, replaced: Replaced | undefined): void {
  if (replaced !== undefined) remove(usage, replaced.extents, replaced.state !== 'PERSISTED');
}
