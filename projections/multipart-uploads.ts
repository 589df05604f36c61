/** Projection: multipart uploads in progress and their parts, so that a completion is decided in memory. */
import type { DataEvent } from '../log/events.js';
import { partKey, partPrefix, partPrefixEnd, uploadKey, type RecordMap } from './records.js';

/** Folds one event into the index, in place. */
export function foldMultipartUploads(index: RecordMap, event: DataEvent): void {
  switch (event.type) {
    case 'UploadOpened':
      index.set(uploadKey(event.bucket, event.key, event.uploadId), {
        kind: 'upload',
        openedMs: event.atMs,
        headers: event.headers,
        checksumAlgorithm: event.checksumAlgorithm,
        checksumType: event.checksumType,
        initiator: event.initiator,
      });
      return;
    case 'PartStored':
      index.set(partKey(event.bucket, event.key, event.uploadId, event.partNumber), {
        kind: 'part',
        number: event.partNumber,
        size: event.size,
        etag: event.etag,
        storedMs: event.atMs,
        extents: event.extents,
        checksum: event.checksum,
      });
      return;
    case 'UploadAborted':
      forget(index, event.bucket, event.key, event.uploadId);
      return;
    case 'ObjectCommitted':
      if (event.uploadId !== undefined) forget(index, event.bucket, event.key, event.uploadId);
      return;
    default:
      return;
  }
}

function forget(index: RecordMap, bucket: string, key: string, uploadId: string): void {
  index.delete(uploadKey(bucket, key, uploadId));
  const prefix = partPrefix(bucket, key, uploadId);
  for (const part of index.keys(prefix, partPrefixEnd(prefix))) index.delete(part);
}
