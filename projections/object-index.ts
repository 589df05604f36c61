/**
 * Projection: the object index. Which version of which object the cache holds, and which deletes the UFS has yet to see.
 *
 * Invariant: a record's version is the offset of the event that made it; an event about another version changes nothing.
 */
import { unreachable } from '../src/core/assert.js';
import type { DataEvent } from '../log/events.js';
import { objectKey, objectRecord, partKey, type ObjectRecord, type RecordMap } from './records.js';

/** Folds one event into the index, in place. */
export function foldObjectIndex(index: RecordMap, event: DataEvent, offset: number): void {
  switch (event.type) {
    case 'ObjectCommitted':
      index.set(objectKey(event.bucket, event.key), objectRecord(offset, event.object));
      return;
    case 'ObjectDeleted': {
      const key = objectKey(event.bucket, event.key);
      if (event.ufsDelete) index.set(key, { kind: 'deleting', version: offset, atMs: event.atMs });
      else index.delete(key);
      return;
    }
    case 'ObjectPersisted':
      change(index, event, (record) => ({ ...record, state: 'PERSISTED', ufsEtag: event.ufsEtag }));
      return;
    case 'PersistFailed':
      if (event.quarantined) change(index, event, (record) => ({ ...record, state: 'QUARANTINED' }));
      return;
    case 'PersistRetried':
      change(index, event, (record) =>
        record.state === 'QUARANTINED' ? { ...record, state: 'PENDING' } : record,
      );
      return;
    case 'PersistDiscarded':
    case 'DeletePersisted': {
      const key = objectKey(event.bucket, event.key);
      const record = index.get(key);
      const isPut = event.type === 'PersistDiscarded' && !event.deletion;
      if (record?.kind === (isPut ? 'object' : 'deleting') && record.version === event.version)
        index.delete(key);
      return;
    }
    case 'ObjectEvicted': {
      const key = objectKey(event.bucket, event.key);
      const record = index.get(key);
      if (record?.kind === 'object' && record.version === event.version) index.delete(key);
      return;
    }
    case 'ExtentsMoved':
      moveExtents(index, event);
      return;
    case 'WriteOpened':
    case 'WriteAbandoned':
    case 'UploadOpened':
    case 'PartStored':
    case 'UploadAborted':
    case 'UfsUploadStarted':
    case 'UfsPartStored':
    case 'UfsUploadEnded':
    case 'UfsBaseNoted':
      return;
    default:
      unreachable(event);
  }
}

function change(
  index: RecordMap,
  event: { bucket: string; key: string; version: number },
  to: (record: ObjectRecord) => ObjectRecord,
): void {
  const key = objectKey(event.bucket, event.key);
  const record = index.get(key);
  if (record?.kind === 'object' && record.version === event.version) index.set(key, to(record));
}

function moveExtents(index: RecordMap, event: Extract<DataEvent, { type: 'ExtentsMoved' }>): void {
  const moved = (extents: ObjectRecord['extents']): ObjectRecord['extents'] =>
    extents.map((extent) => {
      const at = event.from.findIndex(
        (old) => old.segment === extent.segment && old.position === extent.position,
      );
      return event.to[at] ?? extent;
    });
  if (event.uploadId !== undefined && event.partNumber !== undefined) {
    const key = partKey(event.bucket, event.key, event.uploadId, event.partNumber);
    const part = index.get(key);
    if (part?.kind === 'part') index.set(key, { ...part, extents: moved(part.extents) });
    return;
  }
  change(index, event, (record) => ({ ...record, extents: moved(record.extents) }));
}
