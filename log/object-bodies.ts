/** Codecs of the events with optional fields: those that build an object, replace it or move its bytes. */
import { asIs, bodyByHand, bodyReadBy } from './body-codec.js';
import { checksumAlgorithm, checksumType, encodeChecksum, encodeReplaced } from './event-parts.js';
import { headrace } from './events.generated.js';
import { readObjectCommitted, readObjectDeleted } from './object-readers.js';
import { writeObjectCommitted } from './object-writers.js';
import { readExtentsMoved } from './space-readers.js';
import { readPartStored, readUploadOpened } from './upload-readers.js';

const { log } = headrace;

export const OBJECT_COMMITTED = bodyByHand('ObjectCommitted', 2, writeObjectCommitted, readObjectCommitted);

export const OBJECT_DELETED = bodyReadBy(
  'ObjectDeleted',
  5,
  log.ObjectDeleted,
  (event) => ({
    bucket: event.bucket,
    key: event.key,
    ufsDelete: event.ufsDelete,
    replaced: encodeReplaced(event.replaced),
    replacedDelete: event.replacedDelete,
  }),
  readObjectDeleted,
);

export const PART_STORED = bodyReadBy(
  'PartStored',
  9,
  log.PartStored,
  (event) => ({
    bucket: event.bucket,
    key: event.key,
    uploadId: event.uploadId,
    partNumber: event.partNumber,
    size: event.size,
    etag: event.etag,
    extents: event.extents,
    checksum: encodeChecksum(event.checksum),
    writeId: event.writeId,
    reservedBytes: event.reservedBytes,
    replacedSize: event.replacedSize,
    replacedExtents: event.replacedExtents,
  }),
  readPartStored,
);

export const UPLOAD_OPENED = bodyReadBy(
  'UploadOpened',
  10,
  log.UploadOpened,
  (event) => ({
    bucket: event.bucket,
    key: event.key,
    uploadId: event.uploadId,
    headers: event.headers,
    checksumAlgorithm:
      event.checksumAlgorithm === undefined ? undefined : checksumAlgorithm.encode(event.checksumAlgorithm),
    checksumType: event.checksumType === undefined ? undefined : checksumType.encode(event.checksumType),
    initiator: event.initiator,
  }),
  readUploadOpened,
);

export const EXTENTS_MOVED = bodyReadBy('ExtentsMoved', 12, log.ExtentsMoved, asIs, readExtentsMoved);
