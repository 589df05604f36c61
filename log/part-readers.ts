/**
 * Reads the parts that events share straight from the bytes of a frame: no message of protobufjs is made in between, which took
 * three times as long. A million events are to be folded in seconds.
 *
 * Invariants: as for any protobuf decoder, the last value of a field counts, fields may come in any order, and unknown ones are
 * passed over. A part that was read has no property for what was absent, so that a decoded event equals the one that was encoded; an
 * optional list or map that is empty comes back absent, as protobuf does not tell the two apart. Each function takes the part's length
 * in front of it, and leaves the reader behind it. Bytes that are none throw a `RangeError`, which `decodeEvents` turns into
 * `CORRUPT_FRAME`.
 */
import type { Extent, ObjectChecksum, ObjectHeaders, ObjectPart, ObjectVersion } from '../src/core/object.js';
import { checksumAlgorithm, checksumType, persistState, policyMode, type Mutable } from './event-parts.js';
import type { Replaced } from './object-events.js';
import type { NumberReader } from './protobuf-scalars.js';
import { F4, N1, N2, N3, N6, N7, P1, P10, P2, P3, P4, P5, P8, P9 } from './wire-tags.js';

const HEADERS_BYTES_MAX = 1024;
const NO_HEADERS: ObjectHeaders = { system: {}, user: {} };
/** The headers that were read last: most objects have the same. */
const lastHeaders = { bytes: Buffer.alloc(HEADERS_BYTES_MAX), length: 0, headers: NO_HEADERS };

export function readExtent(reader: NumberReader): Extent {
  const end = reader.beginPart();
  let segment = 0;
  let position = 0;
  let size = 0;
  let checksum = 0n;
  while (reader.pos < end) {
    const tag = reader.tag();
    switch (tag) {
      case N1:
        segment = reader.uint64();
        break;
      case N2:
        position = reader.uint64();
        break;
      case N3:
        size = reader.uint64();
        break;
      case F4:
        checksum = reader.fixed64();
        break;
      default:
        reader.skipField(tag);
    }
  }
  reader.endPart(end);
  return { segment, position, size, checksum };
}

export function readReplaced(reader: NumberReader): Replaced {
  const end = reader.beginPart();
  let version = 0;
  let size = 0;
  let state = 0;
  const extents: Extent[] = [];
  while (reader.pos < end) {
    const tag = reader.tag();
    switch (tag) {
      case N1:
        version = reader.uint64();
        break;
      case N2:
        size = reader.uint64();
        break;
      case N3:
        state = reader.int32();
        break;
      case P4:
        extents.push(readExtent(reader));
        break;
      default:
        reader.skipField(tag);
    }
  }
  reader.endPart(end);
  return { version, size, state: persistState.decode(state), extents };
}

/** Headers that are as those before are the same object: it must not be changed. */
export function readHeaders(reader: NumberReader): ObjectHeaders {
  const end = reader.beginPart();
  const { pos: start, buf: bytes } = reader;
  const length = end - start;
  if (length === lastHeaders.length && isLastHeaders(bytes, start, length)) {
    reader.pos = end;
    return lastHeaders.headers;
  }
  const headers: Mutable<ObjectHeaders> = { system: {}, user: {} };
  while (reader.pos < end) {
    const tag = reader.tag();
    switch (tag) {
      case P1:
        readEntry(reader, headers.system);
        break;
      case P2:
        readEntry(reader, headers.user);
        break;
      case P3:
        readEntry(reader, (headers.tags ??= {}));
        break;
      default:
        reader.skipField(tag);
    }
  }
  reader.endPart(end);
  if (length <= HEADERS_BYTES_MAX) {
    bytes.copy(lastHeaders.bytes, 0, start, end);
    lastHeaders.length = length;
    lastHeaders.headers = frozen(headers);
  }
  return headers;
}

function isLastHeaders(bytes: Uint8Array, start: number, length: number): boolean {
  const { bytes: last } = lastHeaders;
  for (let i = 0; i < length; i++) if (bytes[start + i] !== last[i]) return false;
  return true;
}

function frozen(headers: ObjectHeaders): ObjectHeaders {
  Object.freeze(headers.system);
  Object.freeze(headers.user);
  if (headers.tags !== undefined) Object.freeze(headers.tags);
  return Object.freeze(headers);
}

/** An entry of a map, as protobuf writes it. */
function readEntry(reader: NumberReader, into: Readonly<Record<string, string>>): void {
  const end = reader.beginPart();
  let name = '';
  let value = '';
  while (reader.pos < end) {
    const tag = reader.tag();
    if (tag === P1) name = reader.repeatedText();
    else if (tag === P2) value = reader.repeatedText();
    else reader.skipField(tag);
  }
  reader.endPart(end);
  // Assigned, a `__proto__` of a client's would be something else than data.
  if (name === '__proto__')
    Object.defineProperty(into, name, { value, enumerable: true, configurable: true, writable: true });
  else (into as Record<string, string>)[name] = value;
}

export function readChecksum(reader: NumberReader): ObjectChecksum {
  const end = reader.beginPart();
  let algorithm = 0;
  let value = '';
  let type = 0;
  while (reader.pos < end) {
    const tag = reader.tag();
    switch (tag) {
      case N1:
        algorithm = reader.int32();
        break;
      case P2:
        value = reader.stringVerify();
        break;
      case N3:
        type = reader.int32();
        break;
      default:
        reader.skipField(tag);
    }
  }
  reader.endPart(end);
  return { algorithm: checksumAlgorithm.decode(algorithm), value, type: checksumType.decode(type) };
}

function readPart(reader: NumberReader): ObjectPart {
  const end = reader.beginPart();
  let number = 0;
  let size = 0;
  let checksum: ObjectChecksum | undefined;
  while (reader.pos < end) {
    const tag = reader.tag();
    switch (tag) {
      case N1:
        number = reader.uint64();
        break;
      case N2:
        size = reader.uint64();
        break;
      case P3:
        checksum = readChecksum(reader);
        break;
      default:
        reader.skipField(tag);
    }
  }
  reader.endPart(end);
  return checksum === undefined ? { number, size } : { number, size, checksum };
}

/** The message `ObjectVersion`, with its length in front. */
export function readObject(reader: NumberReader): ObjectVersion {
  return readObjectTo(reader, reader.beginPart());
}

/** The message `ObjectVersion`, up to `end`. */
export function readObjectTo(reader: NumberReader, end: number): ObjectVersion {
  let size = 0;
  let etag = '';
  let lastModifiedMs = 0;
  const extents: Extent[] = [];
  let headers: ObjectHeaders | undefined;
  let policy = 0;
  let state = 0;
  let checksum: ObjectChecksum | undefined;
  let parts: ObjectPart[] | undefined;
  let ufsEtag: string | undefined;
  while (reader.pos < end) {
    const tag = reader.tag();
    switch (tag) {
      case N1:
        size = reader.uint64();
        break;
      case P2:
        etag = reader.stringVerify();
        break;
      case N3:
        lastModifiedMs = reader.uint64();
        break;
      case P4:
        extents.push(readExtent(reader));
        break;
      case P5:
        headers = readHeaders(reader);
        break;
      case N6:
        policy = reader.int32();
        break;
      case N7:
        state = reader.int32();
        break;
      case P8:
        checksum = readChecksum(reader);
        break;
      case P9:
        (parts ??= []).push(readPart(reader));
        break;
      case P10:
        ufsEtag = reader.stringVerify();
        break;
      default:
        reader.skipField(tag);
    }
  }
  reader.endPart(end);
  const object: Mutable<ObjectVersion> = {
    size,
    etag,
    lastModifiedMs,
    extents,
    headers: headers ?? { system: {}, user: {} },
    policy: policyMode.decode(policy),
    state: persistState.decode(state),
  };
  if (checksum !== undefined) object.checksum = checksum;
  if (parts !== undefined) object.parts = parts;
  if (ufsEtag !== undefined) object.ufsEtag = ufsEtag;
  return object;
}
