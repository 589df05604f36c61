/**
 * Projection: the upload stream, everything the UFS has yet to learn, in the order of the log.
 *
 * Invariants: at most one entry per object; an overwritten or deleted version has none (it is skipped, never uploaded after
 * its successor); the retry schedule is state, so it survives a restart, and so is how far a multipart upload at the UFS got.
 * An upload at the UFS whose version leaves the stream unfinished is stale until the UFS has aborted it.
 */
import type { DataEvent } from '../log/events.js';
import type { Replaced } from '../log/object-events.js';
import type { UfsUploadEnded, UfsUploadStarted } from '../log/persist-events.js';
import {
  partPrefixEnd,
  queueKey,
  staleUploadKey,
  ufsPartKey,
  ufsPartPrefix,
  type QueueRecord,
  type RecordMap,
} from './records.js';

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
      remove(index, counts, event.version, 'completed');
      return;
    case 'DeletePersisted':
    case 'PersistDiscarded':
      remove(index, counts, event.version);
      return;
    case 'PersistFailed': {
      const { attempt, nextAttemptAtMs, cause, message, quarantined } = event;
      change(index, counts, event.version, { attempt, nextAttemptAtMs, cause, message, quarantined });
      return;
    }
    case 'PersistRetried':
      change(index, counts, event.version, {
        attempt: 0,
        nextAttemptAtMs: 0,
        cause: '',
        message: '',
        quarantined: false,
      });
      return;
    case 'UfsUploadStarted':
      startUpload(index, counts, event);
      return;
    case 'UfsPartStored':
      if (queued(index, event.version)?.upload === undefined) return;
      index.set(ufsPartKey(event.version, event.partNumber), {
        kind: 'ufsPart',
        size: event.size,
        ufsEtag: event.ufsEtag,
      });
      return;
    case 'UfsUploadEnded':
      endUpload(index, counts, event);
      return;
    default:
      return;
  }
}

/**
 * The name follows what said that it is about to be begun, and keeps its time. A version that was replaced meanwhile waits no
 * more: its upload is stale from its beginning.
 */
function startUpload(
  index: RecordMap,
  counts: UploadStreamCounts,
  { bucket, key, version, ufsUpload, atMs }: UfsUploadStarted,
): void {
  const record = queued(index, version);
  const stale = index.get(staleUploadKey(version));
  const known = record === undefined && stale?.kind === 'staleUpload' ? stale : record?.upload;
  const upload = { id: ufsUpload, sinceMs: ufsUpload === '' ? atMs : (known?.sinceMs ?? atMs) };
  if (record === undefined)
    index.set(staleUploadKey(version), { kind: 'staleUpload', bucket, key, ...upload });
  else change(index, counts, version, { upload });
}

/** One without a name may still turn up at the UFS: it stays to be looked for. */
function endUpload(
  index: RecordMap,
  counts: UploadStreamCounts,
  { bucket, key, version, ufsUpload }: UfsUploadEnded,
): void {
  const upload = queued(index, version)?.upload;
  if (upload?.id === ufsUpload) {
    forgetParts(index, version);
    change(index, counts, version, { upload: undefined });
    if (ufsUpload === '') index.set(staleUploadKey(version), { kind: 'staleUpload', bucket, key, ...upload });
    return;
  }
  const stale = index.get(staleUploadKey(version));
  if (stale?.kind === 'staleUpload' && stale.id === ufsUpload) index.delete(staleUploadKey(version));
}

function queued(index: RecordMap, version: number): QueueRecord | undefined {
  const record = index.get(queueKey(version));
  return record?.kind === 'queued' ? record : undefined;
}

function change(
  index: RecordMap,
  counts: UploadStreamCounts,
  version: number,
  fields: Partial<QueueRecord>,
): void {
  const record = queued(index, version);
  if (record === undefined) return;
  const changed: QueueRecord = { ...record, ...fields };
  counts.quarantined += Number(changed.quarantined) - Number(record.quarantined);
  index.set(queueKey(version), changed);
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

/** `completed`: the UFS made its multipart upload the object, so that nothing of it is left to be aborted. */
function remove(index: RecordMap, counts: UploadStreamCounts, version: number, end?: 'completed'): void {
  const record = queued(index, version);
  if (record === undefined) return;
  counts.pending -= 1;
  counts.pendingBytes -= record.size;
  if (record.quarantined) counts.quarantined -= 1;
  index.delete(queueKey(version));
  const { upload, bucket, key } = record;
  if (upload === undefined) return;
  forgetParts(index, version);
  if (end === undefined) index.set(staleUploadKey(version), { kind: 'staleUpload', bucket, key, ...upload });
}

function forgetParts(index: RecordMap, version: number): void {
  const prefix = ufsPartPrefix(version);
  for (const part of index.keys(prefix, partPrefixEnd(prefix))) index.delete(part);
}

function release(index: RecordMap, counts: UploadStreamCounts, replaced: Replaced | undefined): void {
  if (replaced !== undefined && replaced.state !== 'PERSISTED' && replaced.state !== 'TRANSIENT') {
    remove(index, counts, replaced.version);
  }
}
