/** Pieces of a listing: entries, their places in the order. Pure. */
import { toByteString } from '../core/key.js';
import type { StoreListEntry } from '../core/object-store.js';
import { objectKey, type ObjectRecord } from '../../projections/records.js';
import type { ListEntry } from './object-service.js';
import type { Removal } from './removal-journal.js';

/** Whether the delete of something below the prefix reached the UFS, perhaps after it was asked. */
export function deletedBelow(
  bucket: string,
  prefix: string,
  removals: ReadonlyMap<string, Removal>,
): boolean {
  const start = objectKey(bucket, prefix);
  for (const [indexKey, removal] of removals)
    if (removal === 'deleted' && indexKey.startsWith(start)) return true;
  return false;
}

export function objectEntry(key: string, record: ObjectRecord): ListEntry {
  return {
    kind: 'object',
    key,
    size: record.size,
    etag: record.etag,
    lastModifiedMs: record.lastModifiedMs,
    persisted: record.state === 'PERSISTED',
  };
}

export function placeOf(entry: ListEntry | StoreListEntry): string {
  return toByteString(entry.kind === 'object' ? entry.key : entry.prefix);
}

/** The lesser of two places in the listing; undefined is its end. */
export function earlier(a: string | undefined, b: string | undefined): string | undefined {
  if (a === undefined) return b;
  if (b === undefined) return a;
  return toByteString(a) < toByteString(b) ? a : b;
}
