/**
 * What is alive in a segment: the extents that a record refers to. And the reverse: which extents an event makes garbage.
 *
 * The segment's own headers say who owned an extent when it was written; whether it is alive only the index knows.
 */
import type { Extent } from '../core/object.js';
import type { DataEvent } from '../../log/events.js';
import type { ObjectRecord, PartRecord } from '../../projections/records.js';
import { sameExtent } from './decide.js';
import type { EngineCore } from './engine-core.js';
import type { Partition } from './partition.js';

/** Something alive in a segment. `owner` is the index key of the record that refers to it. */
export type LiveExtent =
  | {
      readonly kind: 'object';
      readonly owner: string;
      readonly extent: Extent;
      readonly record: ObjectRecord;
    }
  | { readonly kind: 'part'; readonly owner: string; readonly extent: Extent; readonly record: PartRecord };

const NONE: readonly Extent[] = [];

/** What is alive in a segment whose extents have intact headers. `CORRUPT_EXTENT` when it is not there, `IO_FAILED`. */
export async function liveExtents(
  core: Pick<EngineCore, 'segments' | 'partitions'>,
  segment: number,
): Promise<LiveExtent[]> {
  const alive: LiveExtent[] = [];
  for await (const { owner, extent } of core.segments.walk(segment)) {
    const live = lookUp(core.partitions, owner, extent);
    if (live !== undefined) alive.push(live);
  }
  return alive;
}

function lookUp(partitions: readonly Partition[], owner: string, extent: Extent): LiveExtent | undefined {
  for (const partition of partitions) {
    // A completed part belongs to its object by now; the header still names the part.
    const found = refersTo(partition, owner, extent) ?? refersTo(partition, objectOwner(owner), extent);
    if (found !== undefined) return found;
  }
  return undefined;
}

function refersTo(partition: Partition, owner: string, extent: Extent): LiveExtent | undefined {
  const record = partition.index.get(owner);
  if (record?.kind !== 'object' && record?.kind !== 'part') return undefined;
  const same = record.extents.find((candidate) => sameExtent(candidate, extent));
  if (same === undefined) return undefined;
  return record.kind === 'object'
    ? { kind: 'object', owner, extent: same, record }
    : { kind: 'part', owner, extent: same, record };
}

/** The index key of the object whose part has this owner key. */
function objectOwner(owner: string): string {
  if (!owner.startsWith('p')) return owner;
  return `o${owner.slice(1, -(1 + 32 + 2))}`;
}

/** Extents that an event makes garbage. */
export function freedBy(event: DataEvent): readonly Extent[] {
  switch (event.type) {
    case 'ObjectCommitted':
      if (event.discarded === undefined) return event.replaced?.extents ?? NONE;
      return [...(event.replaced?.extents ?? NONE), ...event.discarded];
    case 'ObjectDeleted':
      return event.replaced?.extents ?? NONE;
    case 'UploadAborted':
    case 'ObjectEvicted':
    case 'PersistDiscarded':
      return event.extents;
    case 'ExtentsMoved':
      return event.from;
    case 'PartStored':
      return event.replacedExtents ?? NONE;
    default:
      return NONE;
  }
}
