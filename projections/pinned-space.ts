/**
 * Projection: pinned space, the bytes that eviction may not touch (docs/space.md).
 *
 * Invariant: after every event each count is the sum over the live records: pending = objects not in the UFS,
 * transient = TRANSIENT objects, parts = parts of open uploads, reserved = streamed writes in progress.
 */
import { assert } from '../src/core/assert.js';
import type { DataEvent } from '../log/events.js';
import type { Replaced } from '../log/object-events.js';

export interface PinnedSpace {
  pendingBytes: number;
  transientBytes: number;
  partBytes: number;
  reservedBytes: number;
}

export function emptyPinnedSpace(): PinnedSpace {
  return { pendingBytes: 0, transientBytes: 0, partBytes: 0, reservedBytes: 0 };
}

/** Folds one event into the counts, in place. */
export function foldPinnedSpace(space: PinnedSpace, event: DataEvent): void {
  switch (event.type) {
    case 'WriteOpened':
      space.reservedBytes += event.reservedBytes;
      break;
    case 'WriteAbandoned':
      space.reservedBytes -= event.reservedBytes;
      break;
    case 'ObjectCommitted':
      space.reservedBytes -= event.reservedBytes ?? 0;
      space.partBytes -= event.uploadBytes ?? 0;
      if (event.object.state === 'TRANSIENT') space.transientBytes += event.object.size;
      else if (event.object.state !== 'PERSISTED') space.pendingBytes += event.object.size;
      release(space, event.replaced);
      break;
    case 'ObjectDeleted':
      release(space, event.replaced);
      break;
    case 'ObjectPersisted':
    case 'PersistDiscarded':
      space.pendingBytes -= event.size;
      break;
    case 'PartStored':
      space.reservedBytes -= event.reservedBytes ?? 0;
      space.partBytes += event.size - (event.replacedSize ?? 0);
      break;
    case 'UploadAborted':
      space.partBytes -= event.bytes;
      break;
    default:
      return;
  }
  const { pendingBytes, transientBytes, partBytes, reservedBytes } = space;
  // The message is made only when it is needed: this runs for every event.
  if (pendingBytes < 0 || transientBytes < 0 || partBytes < 0 || reservedBytes < 0)
    assert(false, `pinned space fell below zero at ${event.type}: ${JSON.stringify(space)}`);
}

function release(space: PinnedSpace, replaced: Replaced | undefined): void {
  if (replaced === undefined || replaced.state === 'PERSISTED') return;
  if (replaced.state === 'TRANSIENT') space.transientBytes -= replaced.size;
  else space.pendingBytes -= replaced.size;
}
