/** Codecs of the events with optional fields: those that build an object, replace it or move its bytes. */
import { body, asIs, isPresent, isWritten } from './body-codec.js';
import { headrace } from './events.generated.js';
import type {
  ExtentsMoved,
  ObjectCommitted,
  ObjectDeleted,
  PartStored,
  UploadOpened,
} from './object-events.js';
import {
  checksumAlgorithm,
  checksumType,
  commitOrigin,
  count,
  decodeChecksum,
  decodeExtents,
  decodeHeaders,
  decodeObject,
  decodeReplaced,
  encodeChecksum,
  encodeObject,
  encodeReplaced,
  type Mutable,
} from './event-parts.js';

const { log } = headrace;

export const OBJECT_COMMITTED = body(
  'ObjectCommitted',
  2,
  log.ObjectCommitted,
  (event) => ({
    bucket: event.bucket,
    key: event.key,
    object: encodeObject(event.object),
    origin: commitOrigin.encode(event.origin),
    writeId: event.writeId,
    reservedBytes: event.reservedBytes,
    uploadId: event.uploadId,
    uploadBytes: event.uploadBytes,
    discarded: event.discarded,
    replaced: encodeReplaced(event.replaced),
    replacedDelete: event.replacedDelete,
  }),
  (message, atMs) => {
    const event: Mutable<ObjectCommitted> = {
      type: 'ObjectCommitted',
      atMs,
      bucket: message.bucket,
      key: message.key,
      object: decodeObject(message.object),
      origin: commitOrigin.decode(message.origin),
    };
    const { writeId, reservedBytes, uploadId, uploadBytes, discarded, replaced, replacedDelete } = message;
    if (isPresent(writeId)) event.writeId = writeId;
    if (isPresent(reservedBytes)) event.reservedBytes = reservedBytes;
    if (isPresent(uploadId)) event.uploadId = uploadId;
    if (isPresent(uploadBytes)) event.uploadBytes = uploadBytes;
    if (discarded !== undefined && discarded.length > 0) event.discarded = decodeExtents(discarded);
    if (isPresent(replaced)) event.replaced = decodeReplaced(replaced);
    if (isPresent(replacedDelete)) event.replacedDelete = replacedDelete;
    return event;
  },
);

export const OBJECT_DELETED = body(
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
  (message, atMs) => {
    const { bucket, key, ufsDelete, replaced, replacedDelete } = message;
    const event: Mutable<ObjectDeleted> = { type: 'ObjectDeleted', atMs, bucket, key, ufsDelete };
    if (isPresent(replaced)) event.replaced = decodeReplaced(replaced);
    if (isPresent(replacedDelete)) event.replacedDelete = replacedDelete;
    return event;
  },
);

export const PART_STORED = body(
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
  (message, atMs) => {
    const event: Mutable<PartStored> = {
      type: 'PartStored',
      atMs,
      bucket: message.bucket,
      key: message.key,
      uploadId: message.uploadId,
      partNumber: count(message.partNumber),
      size: count(message.size),
      etag: message.etag,
      extents: decodeExtents(message.extents),
    };
    const { checksum, writeId, reservedBytes, replacedSize, replacedExtents } = message;
    if (isPresent(checksum)) event.checksum = decodeChecksum(checksum);
    if (isPresent(writeId)) event.writeId = writeId;
    if (isPresent(reservedBytes)) event.reservedBytes = reservedBytes;
    if (isPresent(replacedSize)) event.replacedSize = replacedSize;
    if (replacedExtents !== undefined && replacedExtents.length > 0)
      event.replacedExtents = decodeExtents(replacedExtents);
    return event;
  },
);

export const UPLOAD_OPENED = body(
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
  }),
  (message, atMs) => {
    const { bucket, key, uploadId } = message;
    const headers = decodeHeaders(message.headers);
    const event: Mutable<UploadOpened> = { type: 'UploadOpened', atMs, bucket, key, uploadId, headers };
    if (isWritten(message.checksumAlgorithm))
      event.checksumAlgorithm = checksumAlgorithm.decode(message.checksumAlgorithm);
    if (isWritten(message.checksumType)) event.checksumType = checksumType.decode(message.checksumType);
    return event;
  },
);

export const EXTENTS_MOVED = body('ExtentsMoved', 12, log.ExtentsMoved, asIs, (message, atMs) => {
  const { bucket, key, uploadId, partNumber } = message;
  const event: Mutable<ExtentsMoved> = {
    type: 'ExtentsMoved',
    atMs,
    bucket,
    key,
    version: count(message.version),
    pinned: message.pinned,
    from: decodeExtents(message.from),
    to: decodeExtents(message.to),
  };
  if (isPresent(uploadId)) event.uploadId = uploadId;
  if (isPresent(partNumber)) event.partNumber = partNumber;
  return event;
});
