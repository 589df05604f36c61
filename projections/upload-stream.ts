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
  namelessUploadKey,
  partPrefixEnd,
  queueKey,
  staleUploadKey,
  ufsPartKey,
  ufsPartPrefix,
  type QueueRecord,
  type RecordMap,
  type StaleUploadRecord,
  type UfsUpload,
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
  const unnamed = nameless(index, version);
  const begun = record === undefined ? unnamed : record.upload;
  const upload = { id: ufsUpload, sinceMs: ufsUpload === '' ? atMs : (begun?.sinceMs ?? atMs) };
  if (record !== undefined) return change(index, counts, version, { upload });
  // It has its name now; unless others of the version went without, one of which may be there as well.
  if (ufsUpload !== '' && unnamed?.lastMs === unnamed?.sinceMs) index.delete(namelessUploadKey(version));
  leave(index, version, { bucket, key, upload });
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
    if (ufsUpload === '') leave(index, version, { bucket, key, upload });
    return;
  }
  if (ufsUpload === '') index.delete(namelessUploadKey(version));
  // One without a name as well: indexes of before have it at this key.
  const stale = index.get(staleUploadKey(version));
  if (stale?.kind === 'staleUpload' && stale.id === ufsUpload) index.delete(staleUploadKey(version));
}

/**
 * Leaves an upload to be aborted. Those without a name are looked for together, from the first of them on and when the last has
 * surely arrived: a version whose beginnings go unanswered again and again leaves several.
 */
function leave(
  index: RecordMap,
  version: number,
  { bucket, key, upload }: { readonly bucket: string; readonly key: string; readonly upload: UfsUpload },
): void {
  if (upload.id !== '') {
    index.set(staleUploadKey(version), { kind: 'staleUpload', bucket, key, ...upload });
    return;
  }
  const sinceMs = Math.min(upload.sinceMs, nameless(index, version)?.sinceMs ?? Infinity);
  const lastMs = upload.sinceMs;
  index.set(namelessUploadKey(version), { kind: 'staleUpload', bucket, key, id: '', sinceMs, lastMs });
}

function nameless(index: RecordMap, version: number): StaleUploadRecord | undefined {
  const record = index.get(namelessUploadKey(version));
  return record?.kind === 'staleUpload' ? record : undefined;
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
  if (end === undefined) leave(index, version, { bucket, key, upload });
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
