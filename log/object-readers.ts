/**
 * Reads the events of committed objects straight from the bytes of a frame, as `part-readers.ts` does their parts.
 *
 * Each function reads the body up to `end`, which `decodeEvents` checks to have been reached. A property that was not written is absent.
 */
import type { Extent, ObjectVersion } from '../src/core/object.js';
import { commitOrigin, type Mutable } from './event-parts.js';
import type { ObjectCommitted, ObjectDeleted, Replaced } from './object-events.js';
import { readExtent, readObject, readReplaced } from './part-readers.js';
import type { DeletePersisted, ObjectPersisted, PersistDiscarded } from './persist-events.js';
import type { NumberReader } from './protobuf-scalars.js';
import { N3, N4, N5, N6, N8, N11, P1, P2, P3, P4, P5, P6, P7, P9, P10 } from './wire-tags.js';

export function readObjectCommitted(reader: NumberReader, end: number, atMs: number): ObjectCommitted {
  let bucket = '';
  let key = '';
  let object: ObjectVersion | undefined;
  let origin = 0;
  let writeId: string | undefined;
  let reservedBytes: number | undefined;
  let uploadId: string | undefined;
  let uploadBytes: number | undefined;
  let discarded: Extent[] | undefined;
  let replaced: Replaced | undefined;
  let replacedDelete: number | undefined;
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
        object = readObject(reader);
        break;
      case N4:
        origin = reader.int32();
        break;
      case P5:
        writeId = reader.stringVerify();
        break;
      case N6:
        reservedBytes = reader.uint64();
        break;
      case P7:
        uploadId = reader.stringVerify();
        break;
      case N8:
        uploadBytes = reader.uint64();
        break;
      case P9:
        (discarded ??= []).push(readExtent(reader));
        break;
      case P10:
        replaced = readReplaced(reader);
        break;
      case N11:
        replacedDelete = reader.uint64();
        break;
      default:
        reader.skipField(tag);
    }
  }
  if (object === undefined) throw new RangeError('an object version is missing');
  const event: Mutable<ObjectCommitted> = {
    type: 'ObjectCommitted',
    atMs,
    bucket,
    key,
    object,
    origin: commitOrigin.decode(origin),
  };
  if (writeId !== undefined) event.writeId = writeId;
  if (reservedBytes !== undefined) event.reservedBytes = reservedBytes;
  if (uploadId !== undefined) event.uploadId = uploadId;
  if (uploadBytes !== undefined) event.uploadBytes = uploadBytes;
  if (discarded !== undefined) event.discarded = discarded;
  if (replaced !== undefined) event.replaced = replaced;
  if (replacedDelete !== undefined) event.replacedDelete = replacedDelete;
  return event;
}

export function readObjectDeleted(reader: NumberReader, end: number, atMs: number): ObjectDeleted {
  let bucket = '';
  let key = '';
  let ufsDelete = false;
  let replaced: Replaced | undefined;
  let replacedDelete: number | undefined;
  while (reader.pos < end) {
    const tag = reader.tag();
    switch (tag) {
      case P1:
        bucket = reader.repeatedText();
        break;
      case P2:
        key = reader.stringVerify();
        break;
      case N3:
        ufsDelete = reader.bool();
        break;
      case P4:
        replaced = readReplaced(reader);
        break;
      case N5:
        replacedDelete = reader.uint64();
        break;
      default:
        reader.skipField(tag);
    }
  }
  const event: Mutable<ObjectDeleted> = { type: 'ObjectDeleted', atMs, bucket, key, ufsDelete };
  if (replaced !== undefined) event.replaced = replaced;
  if (replacedDelete !== undefined) event.replacedDelete = replacedDelete;
  return event;
}

export function readObjectPersisted(reader: NumberReader, end: number, atMs: number): ObjectPersisted {
  let bucket = '';
  let key = '';
  let version = 0;
  let size = 0;
  let ufsEtag = '';
  const extents: Extent[] = [];
  while (reader.pos < end) {
    const tag = reader.tag();
    switch (tag) {
      case P1:
        bucket = reader.repeatedText();
        break;
      case P2:
        key = reader.stringVerify();
        break;
      case N3:
        version = reader.uint64();
        break;
      case N4:
        size = reader.uint64();
        break;
      case P5:
        ufsEtag = reader.stringVerify();
        break;
      case P6:
        extents.push(readExtent(reader));
        break;
      default:
        reader.skipField(tag);
    }
  }
  return { type: 'ObjectPersisted', atMs, bucket, key, version, size, extents, ufsEtag };
}

export function readDeletePersisted(reader: NumberReader, end: number, atMs: number): DeletePersisted {
  let bucket = '';
  let key = '';
  let version = 0;
  while (reader.pos < end) {
    const tag = reader.tag();
    switch (tag) {
      case P1:
        bucket = reader.repeatedText();
        break;
      case P2:
        key = reader.stringVerify();
        break;
      case N3:
        version = reader.uint64();
        break;
      default:
        reader.skipField(tag);
    }
  }
  return { type: 'DeletePersisted', atMs, bucket, key, version };
}

export function readPersistDiscarded(reader: NumberReader, end: number, atMs: number): PersistDiscarded {
  let bucket = '';
  let key = '';
  let version = 0;
  let deletion = false;
  let size = 0;
  const extents: Extent[] = [];
  let reason = '';
  while (reader.pos < end) {
    const tag = reader.tag();
    switch (tag) {
      case P1:
        bucket = reader.repeatedText();
        break;
      case P2:
        key = reader.stringVerify();
        break;
      case N3:
        version = reader.uint64();
        break;
      case N4:
        deletion = reader.bool();
        break;
      case N5:
        size = reader.uint64();
        break;
      case P6:
        extents.push(readExtent(reader));
        break;
      case P7:
        reason = reader.stringVerify();
        break;
      default:
        reader.skipField(tag);
    }
  }
  return { type: 'PersistDiscarded', atMs, bucket, key, version, deletion, size, extents, reason };
}
