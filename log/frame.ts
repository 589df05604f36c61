/**
 * The frame: what one append writes, and the unit that is durable whole or not at all. Both backends store
 * the same bytes, so that reading, verifying and exporting a log do not depend on where it lives.
 *
 * | at | bytes | field          | contents                                                                      |
 * |---:|------:|----------------|-------------------------------------------------------------------------------|
 * |  0 |     4 | magic          | F5 48 52 46. F5 occurs in no UTF-8, so no text in a payload can look like it. |
 * |  4 |     8 | checksum       | xxhash64, seed 0, of everything from byte 12 to the end of the frame          |
 * | 12 |     2 | version        | 1                                                                             |
 * | 14 |     2 | header bytes   | 64; a multiple of 8                                                           |
 * | 16 |     4 | payload bytes  | without padding                                                               |
 * | 20 |     4 | partition      |                                                                               |
 * | 24 |     8 | epoch          | of the owner that wrote it; at most 2^53 - 1                                  |
 * | 32 |     8 | first offset   | of the first event; at most 2^53 - 1                                          |
 * | 40 |     8 | wall time      | when the frame was made, in milliseconds since the Unix epoch                 |
 * | 48 |     8 | store id       | random, made with the store                                                   |
 * | 56 |     4 | count          | events in the payload; 0 in a seal                                            |
 * | 60 |     4 | reserved       | 0                                                                             |
 * | 64 |       | payload        | message FramePayload (`events.proto`)                                         |
 * |    |   0-7 | padding        | zeros up to a multiple of 8; covered by the checksum                          |
 *
 * All numbers are little-endian. Magic, checksum, header bytes and payload bytes keep their place and meaning
 * in every version, so that a version tells an intact frame of a newer one from a damaged frame. The store id
 * keeps frames of another store, copied here by mistake or made up by a client, from being taken for this
 * one's.
 *
 * A *seal* is a frame without events. It follows the last frame once the log falls idle, so that damage to
 * that frame is seen to lie before a valid one and is not mistaken for the torn end of an append that was
 * never acknowledged.
 */
import { assert } from '../src/core/assert.js';
import { HeadraceError } from '../src/core/errors.js';
import { xxhash64 } from '../src/core/hashing.js';
import { MIB } from '../src/core/units.js';
import { decodeEvents, encodeEvent } from './event-codec.js';
import type { Event } from './events.js';
import { NumberWriter } from './protobuf-scalars.js';

const FRAME_VERSION = 1;
export const FRAME_HEADER_BYTES = 64;
/** Frames start at multiples of this. */
export const FRAME_ALIGNMENT_BYTES = 8;
/** Longest frame that is written or read, with header and padding. */
export const FRAME_BYTES_MAX = 16 * MIB;
export const FRAME_MAGIC: Uint8Array = Buffer.from([0xf5, 0x48, 0x52, 0x46]);

const CHECKSUM_AT = 4;
const CHECKED_FROM = 12;
const VERSION_AT = 12;
const HEADER_BYTES_AT = 14;
const PAYLOAD_BYTES_AT = 16;
const PARTITION_AT = 20;
const EPOCH_AT = 24;
const FIRST_OFFSET_AT = 32;
const WALL_TIME_AT = 40;
const STORE_ID_AT = 48;
const COUNT_AT = 56;
const RESERVED_AT = 60;

const MAGIC = Buffer.from(FRAME_MAGIC).readUInt32LE(0);
const TWO_TO_32 = 2 ** 32;
const ZEROS = new Uint8Array(FRAME_HEADER_BYTES);

/** Whose frames they are. */
export interface FrameOwner {
  readonly partition: number;
  readonly storeId: bigint;
}

export interface FrameHeader extends FrameOwner {
  readonly epoch: number;
  readonly firstOffset: number;
  /** Events in it; 0 for a seal. */
  readonly count: number;
  readonly wallTimeMs: number;
}

/**
 * Builds one frame after another in the same memory. Events are encoded straight into the place they are
 * written from.
 */
export class FrameBuilder {
  readonly #writer = new NumberWriter();
  #count = 0;

  constructor() {
    this.reset();
  }

  /** Events in it. */
  get count(): number {
    return this.#count;
  }

  /** What the frame takes so far, with header and padding. */
  get frameBytes(): number {
    return aligned(this.#writer.pos);
  }

  /** Memory it holds on to. */
  get capacityBytes(): number {
    return this.#writer.buf.length;
  }

  /**
   * Adds all events or, when one cannot be encoded or the frame grew beyond `frameBytesMax`, none. Returns
   * whether they fit; throws `INVALID_ARGUMENT` for text that is not well-formed.
   */
  add(events: readonly Event[], frameBytesMax: number): boolean {
    const start = this.#writer.pos;
    let done = false;
    try {
      for (const event of events) {
        encodeEvent(event, this.#writer);
        if (this.frameBytes > frameBytesMax) return false;
      }
      this.#count += events.length;
      done = true;
      return true;
    } finally {
      if (!done) this.#writer.rewind(start);
    }
  }

  /** Completes the frame and returns its bytes, which are valid until `reset`. */
  finish(header: Omit<FrameHeader, 'count'>): Uint8Array {
    const writer = this.#writer;
    const payloadBytes = writer.pos - FRAME_HEADER_BYTES;
    const padding = this.frameBytes - writer.pos;
    if (padding > 0) writer.raw(ZEROS.subarray(0, padding));
    const frame = asBuffer(writer.buf.subarray(0, writer.pos));
    assert(frame.length <= FRAME_BYTES_MAX, `a frame of ${frame.length} bytes`);
    frame.writeUInt32LE(MAGIC, 0);
    frame.writeUInt16LE(FRAME_VERSION, VERSION_AT);
    frame.writeUInt16LE(FRAME_HEADER_BYTES, HEADER_BYTES_AT);
    frame.writeUInt32LE(payloadBytes, PAYLOAD_BYTES_AT);
    frame.writeUInt32LE(header.partition, PARTITION_AT);
    writeSafeInteger(frame, header.epoch, EPOCH_AT);
    writeSafeInteger(frame, header.firstOffset, FIRST_OFFSET_AT);
    writeSafeInteger(frame, header.wallTimeMs, WALL_TIME_AT);
    frame.writeBigUInt64LE(header.storeId, STORE_ID_AT);
    frame.writeUInt32LE(this.#count, COUNT_AT);
    frame.writeUInt32LE(0, RESERVED_AT);
    frame.writeBigUInt64LE(xxhash64(frame.subarray(CHECKED_FROM)), CHECKSUM_AT);
    return frame;
  }

  /** Begins the next frame. */
  reset(): void {
    this.#writer.rewind(0);
    this.#writer.raw(ZEROS);
    this.#count = 0;
  }
}

/**
 * The length of the frame whose header starts at `at`, with padding; undefined when no frame can start with
 * these bytes. There must be `FRAME_HEADER_BYTES` of them. Says nothing about whether the frame is intact.
 */
export function frameBytesAt(bytes: Uint8Array, at: number): number | undefined {
  const view = asBuffer(bytes);
  if (view.readUInt32LE(at) !== MAGIC) return undefined;
  const headerBytes = view.readUInt16LE(at + HEADER_BYTES_AT);
  if (headerBytes < FRAME_HEADER_BYTES || headerBytes % FRAME_ALIGNMENT_BYTES !== 0) return undefined;
  const frameBytes = aligned(headerBytes + view.readUInt32LE(at + PAYLOAD_BYTES_AT));
  return frameBytes > FRAME_BYTES_MAX ? undefined : frameBytes;
}

/**
 * The header of a whole frame (`frameBytesAt` says where it ends), or undefined when the frame is damaged.
 * Throws `UNSUPPORTED_FORMAT` when it is intact and of a newer version.
 */
export function verifyFrame(frame: Uint8Array): FrameHeader | undefined {
  const view = asBuffer(frame);
  if (xxhash64(view.subarray(CHECKED_FROM)) !== view.readBigUInt64LE(CHECKSUM_AT)) return undefined;
  const version = view.readUInt16LE(VERSION_AT);
  if (version > FRAME_VERSION)
    throw new HeadraceError(
      'UNSUPPORTED_FORMAT',
      `the log has a frame of version ${version}, and this version reads up to ${FRAME_VERSION}: it was written by a newer one`,
    );
  const header: FrameHeader = {
    partition: view.readUInt32LE(PARTITION_AT),
    epoch: readInteger(view, EPOCH_AT),
    firstOffset: readInteger(view, FIRST_OFFSET_AT),
    wallTimeMs: readInteger(view, WALL_TIME_AT),
    storeId: view.readBigUInt64LE(STORE_ID_AT),
    count: view.readUInt32LE(COUNT_AT),
  };
  const sound =
    version === FRAME_VERSION &&
    view.readUInt16LE(HEADER_BYTES_AT) === FRAME_HEADER_BYTES &&
    Number.isSafeInteger(header.epoch) &&
    Number.isSafeInteger(header.firstOffset + header.count) &&
    Number.isSafeInteger(header.wallTimeMs);
  return sound ? header : undefined;
}

/** Whether a frame with this header belongs to this log. */
export function isOwn(header: FrameHeader, owner: FrameOwner): boolean {
  return header.storeId === owner.storeId && header.partition === owner.partition;
}

/** The events of a frame that `verifyFrame` accepted. `CORRUPT_FRAME`, `UNSUPPORTED_FORMAT`. */
export function eventsOf(frame: Uint8Array, header: FrameHeader): Event[] {
  const payloadBytes = asBuffer(frame).readUInt32LE(PAYLOAD_BYTES_AT);
  return decodeEvents(frame.subarray(FRAME_HEADER_BYTES, FRAME_HEADER_BYTES + payloadBytes), header.count);
}

function aligned(bytes: number): number {
  return Math.ceil(bytes / FRAME_ALIGNMENT_BYTES) * FRAME_ALIGNMENT_BYTES;
}

/** The same memory with Node's methods. */
function asBuffer(bytes: Uint8Array): Buffer {
  return bytes instanceof Buffer ? bytes : Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength);
}

function writeSafeInteger(target: Buffer, value: number, at: number): void {
  assert(Number.isSafeInteger(value) && value >= 0, 'a number in a frame header is out of range');
  target.writeUInt32LE(value % TWO_TO_32, at);
  target.writeUInt32LE(Math.floor(value / TWO_TO_32), at + 4);
}

function readInteger(source: Buffer, at: number): number {
  return source.readUInt32LE(at) + source.readUInt32LE(at + 4) * TWO_TO_32;
}
