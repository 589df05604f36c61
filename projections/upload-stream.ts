/**
 * Projection: the upload stream, everything the UFS has yet to learn, in the order of the log.
 *
 * Invariants: at most one entry per object; an overwritten or deleted version has none (it is skipped, never uploaded after
 * its successor); the retry schedule is state, so it survives a restart.
 */
import type { DataEvent, Replaced } from '../log/events.js';
import { queueKey, type QueueRecord, type RecordMap } from './records.js';

export interface UploadStreamCounts {
  pending: number;
  pendingBytes: number;
  quarantined: number;
}

export function emptyUploadStreamCounts(): UploadStreamCounts {
  return { pending: 0, pendingBytes: 0, quarantined: 0 };
}

/** Folds one event into the stream, in place. */
export function foldUploadStream(
  index: RecordMap,
  counts: UploadStreamCounts,
  event: DataEvent,
  offset: number,
): void {
  switch (event.type) {
    case 'ObjectCommitted':
      release(index, counts, event.replaced);
      if (event.replacedDelete !== undefined) remove(index, counts, event.replacedDelete);
      if (event.object.state === 'PENDING') add(index, counts, 'put', event, event.object.size, offset);
      return;
    case 'ObjectDeleted':
      release(index, counts, event.replaced);
      if (event.replacedDelete !== undefined) remove(index, counts, event.replacedDelete);
      if (event.ufsDelete) add(index, counts, 'delete', event, 0, offset);
      return;
    case 'ObjectPersisted':
    case 'DeletePersisted':
      remove(index, counts, event.version);
      return;
    case 'PersistFailed': {
      const key = queueKey(event.version);
      const record = index.get(key);
      if (record?.kind !== 'queued') return;
      if (event.quarantined && !record.quarantined) counts.quarantined += 1;
      if (!event.quarantined && record.quarantined) counts.quarantined -= 1;
      index.set(key, {
        ...record,
        attempt: event.attempt,
        nextAttemptAtMs: event.nextAttemptAtMs,
        cause: event.cause,
        message: event.message,
        quarantined: event.quarantined,
      });
      return;
    }
    default:
      return;
  }
}

function add(
  index: RecordMap,
  counts: UploadStreamCounts,
  action: QueueRecord['action'],
  event: { bucket: string; key: string; atMs: number },
  size: number,
  offset: number,
): void {
  counts.pending += 1;
  counts.pendingBytes += size;
  index.set(queueKey(offset), {
    kind: 'queued',
    action,
    bucket: event.bucket,
    key: event.key,
    size,
    sinceMs: event.atMs,
    attempt: 0,
    nextAttemptAtMs: 0,
    cause: '',
    message: '',
    quarantined: false,
  });
}

function remove(index: RecordMap, counts: UploadStreamCounts, version: number): void {
  const key = queueKey(version);
  const record = index.get(key);
  if (record?.kind !== 'queued') return;
  counts.pending -= 1;
  counts.pendingBytes -= record.size;
  if (record.quarantined) counts.quarantined -= 1;
  index.delete(key);
}

function release(index: RecordMap, counts: UploadStreamCounts, replaced: Replaced | undefined): void {
  if (replaced !== undefined && replaced.state !== 'PERSISTED' && replaced.state !== 'TRANSIENT') {
    remove(index, counts, replaced.version);
  }
}
