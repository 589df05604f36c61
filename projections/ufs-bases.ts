/**
 * Projection: for each object that was written on a mount with conditional persists, what the UFS must still hold when the next
 * version goes there.
 *
 * Invariants: a base stays while the cache holds the object or the UFS has yet to learn of it; a version that is persisted is
 * the base of the next one. Our own ETags are kept with it, because a version whose upload ended unknown, or was overtaken by a
 * newer one, is in the UFS without an event that says so. Objects of other mounts cost one comparison per event.
 */
import type { DataEvent } from '../log/events.js';
import { objectKey, ufsBaseKey, type RecordMap, type UfsBaseRecord } from './records.js';

/** Versions that may have got to the UFS unnoticed; older ones are forgotten, and taken for somebody else's if they did. */
const OURS_MAX = 16;

export interface UfsBases {
  count: number;
}

export function emptyUfsBases(): UfsBases {
  return { count: 0 };
}

/** Folds one event into the bases, in place; before the object index, whose record of the object tells what the event is about. */
export function foldUfsBases(index: RecordMap, bases: UfsBases, event: DataEvent): void {
  if (event.type === 'UfsBaseNoted') {
    const key = ufsBaseKey(event.bucket, event.key);
    const known = index.get(key);
    if (known === undefined) bases.count += 1;
    // What was written here before may still be on its way there.
    const ours = known?.kind === 'ufsBase' ? known.ours : [];
    index.set(key, { ...baseOf(event.ufsEtag), ours });
    return;
  }
  if (bases.count === 0) return;
  switch (event.type) {
    case 'ObjectCommitted':
      change(index, event, (base) => committed(base, event));
      return;
    case 'ObjectPersisted':
      change(index, event, () => baseOf(event.ufsEtag));
      return;
    case 'DeletePersisted':
      // A version that was written meanwhile finds no object there.
      if (isOvertaken(index, event)) change(index, event, ({ ours }) => ({ kind: 'ufsBase', ours }));
      else remove(index, bases, event);
      return;
    case 'PersistDiscarded':
    case 'ObjectEvicted':
      remove(index, bases, event);
      return;
    default:
      return;
  }
}

function isOvertaken(
  index: RecordMap,
  { bucket, key, version }: Extract<DataEvent, { type: 'DeletePersisted' }>,
): boolean {
  const current = index.get(objectKey(bucket, key));
  return (current?.kind === 'object' || current?.kind === 'deleting') && current.version !== version;
}

function remove(
  index: RecordMap,
  bases: UfsBases,
  { bucket, key }: { readonly bucket: string; readonly key: string },
): void {
  const baseKey = ufsBaseKey(bucket, key);
  if (index.get(baseKey) === undefined) return;
  index.delete(baseKey);
  bases.count -= 1;
}

function committed(
  base: UfsBaseRecord,
  { object }: Extract<DataEvent, { type: 'ObjectCommitted' }>,
): UfsBaseRecord {
  if (object.state === 'PERSISTED') return baseOf(object.ufsEtag);
  if (object.state === 'TRANSIENT') return base;
  return { ...base, ours: [...base.ours, object.etag].slice(-OURS_MAX) };
}

function change(
  index: RecordMap,
  { bucket, key }: { readonly bucket: string; readonly key: string },
  to: (base: UfsBaseRecord) => UfsBaseRecord,
): void {
  const baseKey = ufsBaseKey(bucket, key);
  const base = index.get(baseKey);
  if (base?.kind === 'ufsBase') index.set(baseKey, to(base));
}

function baseOf(ufsEtag: string | undefined): UfsBaseRecord {
  return ufsEtag === undefined ? { kind: 'ufsBase', ours: [] } : { kind: 'ufsBase', ufsEtag, ours: [] };
}
