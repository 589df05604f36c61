/**
 * Reads the events of writes and multipart uploads straight from the bytes of a frame, as `part-readers.ts` does their parts.
 *
 * Each function reads the body up to `end`, which `decodeEvents` checks to have been reached. A property that was not written is absent.
 */
import type { Extent, ObjectChecksum, ObjectHeaders } from '../src/core/object.js';
import { abandonReason, checksumAlgorithm, checksumType, type Mutable } from './event-parts.js';
import type { PartStored, UploadAborted, UploadOpened, WriteOpened } from './object-events.js';
import { readChecksum, readExtent, readHeaders } from './part-readers.js';
import type { NumberReader } from './protobuf-scalars.js';
import { N4, N5, N6, N10, N11, P1, P2, P3, P4, P5, P6, P7, P8, P9, P12 } from './wire-tags.js';

export function readWriteOpened(reader: NumberReader, end: number, atMs: number): WriteOpened {
  let writeId = '';
  let bucket = '';
  let key = '';
  let reservedBytes = 0;
  while (reader.pos < end) {
    const tag = reader.tag();
    switch (tag) {
      case P1:
        writeId = reader.stringVerify();
        break;
      case P2:
        bucket = reader.repeatedText();
        break;
      case P3:
        key = reader.stringVerify();
        break;
      case N4:
        reservedBytes = reader.uint64();
        break;
      default:
        reader.skipField(tag);
    }
  }
  return { type: 'WriteOpened', atMs, writeId, bucket, key, reservedBytes };
}

export function readUploadOpened(reader: NumberReader, end: number, atMs: number): UploadOpened {
  let bucket = '';
  let key = '';
  let uploadId = '';
  let headers: ObjectHeaders | undefined;
  let algorithm = 0;
  let checksumKind = 0;
  let initiator: string | undefined;
  while (reader.pos < end) {
    const tag = reader.tag();
    switch (tag) {
      case P1:
        bucket = reader.repeatedText();
        break;
      case P2:
        key = reader.stringVerify();
        break;
      case P3:
        uploadId = reader.stringVerify();
        break;
      case P4:
        headers = readHeaders(reader);
        break;
      case N5:
        algorithm = reader.int32();
        break;
      case N6:
        checksumKind = reader.int32();
        break;
      case P7:
        initiator = reader.stringVerify();
        break;
      default:
        reader.skipField(tag);
    }
  }
  const event: Mutable<UploadOpened> = {
    type: 'UploadOpened',
    atMs,
    bucket,
    key,
    uploadId,
    headers: headers ?? { system: {}, user: {} },
  };
  if (algorithm !== 0) event.checksumAlgorithm = checksumAlgorithm.decode(algorithm);
  if (checksumKind !== 0) event.checksumType = checksumType.decode(checksumKind);
  if (initiator !== undefined) event.initiator = initiator;
  return event;
}

export function readPartStored(reader: NumberReader, end: number, atMs: number): PartStored {
  let bucket = '';
  let key = '';
  let uploadId = '';
  let partNumber = 0;
  let size = 0;
  let etag = '';
  const extents: Extent[] = [];
  let checksum: ObjectChecksum | undefined;
  let writeId: string | undefined;
  let reservedBytes: number | undefined;
  let replacedSize: number | undefined;
  let replacedExtents: Extent[] | undefined;
  while (reader.pos < end) {
    const tag = reader.tag();
    switch (tag) {
      case P1:
        bucket = reader.repeatedText();
        break;
      case P2:
        key = reader.stringVerify();
        break;
      case P3:
        uploadId = reader.stringVerify();
        break;
      case N4:
        partNumber = reader.uint64();
        break;
      case N5:
        size = reader.uint64();
        break;
      case P6:
        etag = reader.stringVerify();
        break;
      case P7:
        extents.push(readExtent(reader));
        break;
      case P8:
        checksum = readChecksum(reader);
        break;
      case P9:
        writeId = reader.stringVerify();
        break;
      case N10:
        reservedBytes = reader.uint64();
        break;
      case N11:
        replacedSize = reader.uint64();
        break;
      case P12:
        (replacedExtents ??= []).push(readExtent(reader));
        break;
      default:
        reader.skipField(tag);
    }
  }
  const event: Mutable<PartStored> = {
    type: 'PartStored',
    atMs,
    bucket,
    key,
    uploadId,
    partNumber,
    size,
    etag,
    extents,
  };
  if (checksum !== undefined) event.checksum = checksum;
  if (writeId !== undefined) event.writeId = writeId;
  if (reservedBytes !== undefined) event.reservedBytes = reservedBytes;
  if (replacedSize !== undefined) event.replacedSize = replacedSize;
  if (replacedExtents !== undefined) event.replacedExtents = replacedExtents;
  return event;
}

export function readUploadAborted(reader: NumberReader, end: number, atMs: number): UploadAborted {
  let bucket = '';
  let key = '';
  let uploadId = '';
  let bytes = 0;
  const extents: Extent[] = [];
  let reason = 0;
  while (reader.pos < end) {
    const tag = reader.tag();
    switch (tag) {
      case P1:
        bucket = reader.repeatedText();
        break;
      case P2:
        key = reader.stringVerify();
        break;
      case P3:
        uploadId = reader.stringVerify();
        break;
      case N4:
        bytes = reader.uint64();
        break;
      case P5:
        extents.push(readExtent(reader));
        break;
      case N6:
        reason = reader.int32();
        break;
      default:
        reader.skipField(tag);
    }
  }
  return {
    type: 'UploadAborted',
    atMs,
    bucket,
    key,
    uploadId,
    bytes,
    extents,
    reason: abandonReason.decode(reason),
  };
}
