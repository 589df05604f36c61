/**
 * Projection: writes that were opened and not committed. A crashed or silent client leaves them behind; the reaper ends
 * those for which `abandonReason` gives a reason.
 */
import type { DataEvent } from '../log/events.js';
import type { AbandonReason } from '../log/object-events.js';
import { uploadKey } from './records.js';

export interface OpenWrite {
  readonly kind: 'write' | 'upload';
  readonly id: string;
  readonly bucket: string;
  readonly key: string;
  readonly openedMs: number;
  lastDataMs: number;
  bytes: number;
}

/** By write id, and by the index key of the upload. */
export type Orphans = Map<string, OpenWrite>;

export interface OrphanTimeouts {
  /** `write.cache.async.check.orphan.timeout` */
  readonly orphanTimeoutMs: number;
  /** `worker.mark.writing.files.duration` */
  readonly danglingAfterMs: number;
}

/** Folds one event into the open writes, in place. */
export function foldOrphans(orphans: Orphans, event: DataEvent): void {
  switch (event.type) {
    case 'WriteOpened':
      orphans.set(event.writeId, opened('write', event.writeId, event, event.reservedBytes));
      return;
    case 'WriteAbandoned':
      orphans.delete(event.writeId);
      return;
    case 'UploadOpened':
      orphans.set(
        uploadKey(event.bucket, event.key, event.uploadId),
        opened('upload', event.uploadId, event, 0),
      );
      return;
    case 'PartStored': {
      if (event.writeId !== undefined) orphans.delete(event.writeId);
      const upload = orphans.get(uploadKey(event.bucket, event.key, event.uploadId));
      if (upload === undefined) return;
      upload.lastDataMs = event.atMs;
      upload.bytes += event.size - (event.replacedSize ?? 0);
      return;
    }
    case 'UploadAborted':
      orphans.delete(uploadKey(event.bucket, event.key, event.uploadId));
      return;
    case 'ObjectCommitted':
      if (event.writeId !== undefined) orphans.delete(event.writeId);
      if (event.uploadId !== undefined) orphans.delete(uploadKey(event.bucket, event.key, event.uploadId));
      return;
    default:
      return;
  }
}

/**
 * Why a write is to be abandoned now, or undefined while it may go on. `idleMs` is the time since its last data
 * arrived, which for a body in flight only the live server knows.
 *
 * DANGLING: silent for `danglingAfterMs`. TIMEOUT: opened `orphanTimeoutMs` ago and silent for as long, or for
 * `danglingAfterMs` where that is shorter; so a write that still receives data is never cut off, however long it takes.
 */
export function abandonReason(
  write: OpenWrite,
  idleMs: number,
  nowMs: number,
  timeouts: OrphanTimeouts,
): Extract<AbandonReason, 'DANGLING' | 'TIMEOUT'> | undefined {
  if (idleMs >= timeouts.danglingAfterMs) return 'DANGLING';
  const silenceMs = Math.min(timeouts.orphanTimeoutMs, timeouts.danglingAfterMs);
  if (nowMs - write.openedMs >= timeouts.orphanTimeoutMs && idleMs >= silenceMs) return 'TIMEOUT';
  return undefined;
}

function opened(
  kind: OpenWrite['kind'],
  id: string,
  event: { bucket: string; key: string; atMs: number },
  bytes: number,
): OpenWrite {
  return {
    kind,
    id,
    bucket: event.bucket,
    key: event.key,
    openedMs: event.atMs,
    lastDataMs: event.atMs,
    bytes,
  };
}
