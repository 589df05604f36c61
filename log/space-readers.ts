/**
 * Reads the events that say where bytes are no more, or are now, straight from the bytes of a frame, as `object-readers.ts` does those of
 * objects and by the same rules.
 */
import type { Extent } from '../src/core/object.js';
import { evictReason, type Mutable } from './event-parts.js';
import type { ExtentsMoved, ObjectEvicted } from './object-events.js';
import { readExtent } from './part-readers.js';
import type { NumberReader } from './protobuf-scalars.js';
import { N3, N4, N5, N6, N8, P1, P2, P4, P5, P6, P7 } from './wire-tags.js';

export function readObjectEvicted(reader: NumberReader, end: number, atMs: number): ObjectEvicted {
  let bucket = '';
  let key = '';
  let version = 0;
  let size = 0;
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
      case N3:
        version = reader.uint64();
        break;
      case N4:
        size = reader.uint64();
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
    type: 'ObjectEvicted',
    atMs,
    bucket,
    key,
    version,
    size,
    extents,
    reason: evictReason.decode(reason),
  };
}

export function readExtentsMoved(reader: NumberReader, end: number, atMs: number): ExtentsMoved {
  let bucket = '';
  let key = '';
  let version = 0;
  let uploadId: string | undefined;
  let partNumber: number | undefined;
  const from: Extent[] = [];
  const to: Extent[] = [];
  let pinned = false;
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
      case P4:
        uploadId = reader.stringVerify();
        break;
      case N5:
        partNumber = reader.uint64();
        break;
      case P6:
        from.push(readExtent(reader));
        break;
      case P7:
        to.push(readExtent(reader));
        break;
      case N8:
        pinned = reader.bool();
        break;
      default:
        reader.skipField(tag);
    }
  }
  const event: Mutable<ExtentsMoved> = { type: 'ExtentsMoved', atMs, bucket, key, version, pinned, from, to };
  if (uploadId !== undefined) event.uploadId = uploadId;
  if (partNumber !== undefined) event.partNumber = partNumber;
  return event;
}
