/**
 * protobufjs with JavaScript's own types for 64-bit fields: a number for uint64 and a bigint for fixed64,
 * where protobufjs has `Long` objects. The generated code calls whatever writer and reader it is given, so
 * two methods of each are enough.
 *
 * Invariants: only whole numbers from 0 to 2^53 - 1 are written or read as uint64; a writer keeps its buffer
 * when it is rewound, so that a recycled one allocates nothing.
 */
import protobuf from 'protobufjs/minimal.js';
import { assert } from '../src/core/assert.js';
import { HeadraceError } from '../src/core/errors.js';

/** What the generated encoders write to; bytes 0 to `pos` (exclusive) of `buf` are written. */
interface ScalarWriter {
  pos: number;
  readonly buf: Uint8Array;
  /** Where parts begin whose length is not known yet. */
  states: number[] | null;
  uint32(value: number): this;
  uint64(value: number): this;
  fixed32(value: number): this;
  fixed64(value: bigint): this;
  string(value: string): this;
  raw(bytes: Uint8Array): this;
  /** Begins a part whose length is written in front of it by `ldelim`. */
  fork(): this;
  ldelim(): this;
}

/** What decoders read from. */
interface ScalarReader {
  pos: number;
  readonly len: number;
  readonly buf: Buffer;
  tag(): number;
  /** A length: at most 2^31 - 1. */
  size(): number;
  uint64(): number;
  int32(): number;
  bool(): boolean;
  fixed64(): bigint;
  stringVerify(): string;
  skipType(wireType: number, depth: number, field: number): this;
}

// The base classes with the types of the two methods exchanged, which TypeScript cannot express as an override.
const WriterBase = protobuf.BufferWriter as unknown as new () => ScalarWriter;
const ReaderBase = protobuf.BufferReader as unknown as new (buffer: Uint8Array) => ScalarReader;

/** In Node since version 20; not in the declarations of ES2023. */
type WellFormedString = string & { isWellFormed(): boolean };

const UINT32_MAX = 2 ** 32 - 1;
const BITS_28 = 2 ** 28;
/** Takes a bigint apart, or puts it together, without making two more of them. */
const scratch = new DataView(new ArrayBuffer(8));

export class NumberWriter extends WriterBase {
  override uint64(value: number): this {
    // The message is made only when it is needed: this runs several times per event.
    if (!Number.isSafeInteger(value) || value < 0)
      assert(false, `${value} is not a whole number from 0 to 2^53 - 1`);
    if (value <= UINT32_MAX) return this.uint32(value);
    // Seven bits a byte, in two halves of whole numbers; room for the eight bytes that there are at most.
    let at = this.pos;
    this.fixed32(0).fixed32(0);
    const { buf: bytes } = this;
    let rest = Math.floor(value / BITS_28);
    const low = value - rest * BITS_28;
    for (let shift = 0; shift < 28; shift += 7) bytes[at++] = ((low >>> shift) & 127) | 128;
    for (; rest > 127; rest >>>= 7) bytes[at++] = (rest & 127) | 128;
    bytes[at++] = rest;
    this.pos = at;
    return this;
  }

  override fixed64(value: bigint): this {
    scratch.setBigUint64(0, value, true);
    return this.fixed32(scratch.getUint32(0, true)).fixed32(scratch.getUint32(4, true));
  }

  /**
   * `INVALID_ARGUMENT` for half a surrogate pair: it has no UTF-8, so what would be read back is another
   * text.
   */
  override string(value: string): this {
    if (!(value as WellFormedString).isWellFormed())
      throw new HeadraceError(
        'INVALID_ARGUMENT',
        `${JSON.stringify(value)} holds half a surrogate pair: text must be well-formed Unicode`,
      );
    return super.string(value);
  }

  /** Forgets what was written at and after `position`, unfinished parts included. */
  rewind(position: number): void {
    this.pos = position;
    this.states = null;
  }
}

/** Texts that come again and again, such as names of buckets: made once, and found by their bytes. */
const REPEATED_TEXTS = 256;
const REPEATED_BYTES_MAX = 64;
const repeatedTexts: string[] = Array.from({ length: REPEATED_TEXTS }, () => '');
const UTF8 = new TextDecoder('utf-8', { fatal: true, ignoreBOM: true });

export class NumberReader extends ReaderBase {
  constructor(bytes: Uint8Array) {
    super(bytes instanceof Buffer ? bytes : Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength));
  }

  /** In two halves of 28 bits, which V8 has as small integers; 56 bits are more than a number may have. */
  override uint64(): number {
    const { buf: bytes, len: end } = this;
    let position = this.pos;
    let low = 0;
    for (let shift = 0; shift < 28 && position < end; shift += 7) {
      const byte = bytes[position++] as number;
      low |= (byte & 127) << shift;
      if (byte < 128) {
        this.pos = position;
        return low;
      }
    }
    let high = 0;
    for (let shift = 0; shift < 28 && position < end; shift += 7) {
      const byte = bytes[position++] as number;
      high |= (byte & 127) << shift;
      if (byte >= 128) continue;
      const value = high * BITS_28 + low;
      if (value > Number.MAX_SAFE_INTEGER) break;
      this.pos = position;
      return value;
    }
    throw new RangeError(`no number from 0 to 2^53 - 1 at byte ${this.pos}`);
  }

  override fixed64(): bigint {
    const position = this.pos;
    if (position + 8 > this.len) throw new RangeError(`no 8 bytes left at byte ${position}`);
    this.pos = position + 8;
    scratch.setUint32(0, this.buf.readUInt32LE(position), true);
    scratch.setUint32(4, this.buf.readUInt32LE(position + 4), true);
    return scratch.getBigUint64(0, true);
  }

  /** UTF-8 text behind its length; what is not UTF-8 is refused. */
  override stringVerify(): string {
    const end = this.beginPart();
    const text = textOf(this.buf, this.pos, end);
    this.pos = end;
    return text;
  }

  /** The same for text that is likely to come again: then it is the same string, and nothing is made. */
  repeatedText(): string {
    const end = this.beginPart();
    const { buf: bytes, pos: start } = this;
    const length = end - start;
    this.pos = end;
    if (length === 0 || length > REPEATED_BYTES_MAX) return textOf(bytes, start, end);
    const first = bytes[start] as number;
    const middle = bytes[start + (length >> 1)] as number;
    const last = bytes[end - 1] as number;
    const place = (length + 3 * first + 17 * middle + 31 * last) & (REPEATED_TEXTS - 1);
    const known = repeatedTexts[place] as string;
    if (equals(known, bytes, start, end)) return known;
    const text = textOf(bytes, start, end);
    repeatedTexts[place] = text;
    return text;
  }

  /** Reads a length, and returns where the part ends that it begins. */
  beginPart(): number {
    const end = this.size() + this.pos;
    if (end > this.len) throw new RangeError(`a part that ends at byte ${end} of ${this.len}`);
    return end;
  }

  /** To be called when everything up to `end` was read. */
  endPart(end: number): void {
    if (this.pos !== end) throw new RangeError(`a part that should end at byte ${end} ends at ${this.pos}`);
  }

  /** Passes over a field that is not known. */
  skipField(tag: number): void {
    this.skipType(tag & 7, 0, tag >>> 3);
  }
}

/** Most text is ASCII, which is copied as it is. */
function textOf(bytes: Buffer, start: number, end: number): string {
  let bits = 0;
  for (let at = start; at < end; at++) bits |= bytes[at] as number;
  return bits < 128 ? bytes.toString('latin1', start, end) : UTF8.decode(bytes.subarray(start, end));
}

/** Whether the text is these bytes; only text of ASCII is found to be. */
function equals(text: string, bytes: Buffer, start: number, end: number): boolean {
  if (text.length !== end - start) return false;
  for (let at = start; at < end; at++) {
    const byte = bytes[at] as number;
    if (byte > 127 || text.charCodeAt(at - start) !== byte) return false;
  }
  return true;
}
