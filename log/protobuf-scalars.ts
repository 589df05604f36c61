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

/** What the generated decoders read from. */
interface ScalarReader {
  pos: number;
  readonly len: number;
  readonly buf: Uint8Array;
  tag(): number;
  /** A length: at most 2^31 - 1. */
  size(): number;
  uint64(): number;
  fixed64(): bigint;
  skipType(wireType: number, depth: number, tag: number): this;
}

// The base classes with the types of the two methods exchanged, which TypeScript cannot express as an override.
const WriterBase = protobuf.BufferWriter as unknown as new () => ScalarWriter;
const ReaderBase = protobuf.BufferReader as unknown as new (buffer: Uint8Array) => ScalarReader;

/** In Node since version 20; not in the declarations of ES2023. */
type WellFormedString = string & { isWellFormed(): boolean };

const UINT32_MAX = 2 ** 32 - 1;
/** Takes a bigint apart without making two more of them. */
const scratch = new DataView(new ArrayBuffer(8));

export class NumberWriter extends WriterBase {
  override uint64(value: number): this {
    // The message is made only when it is needed: this runs several times per event.
    if (!Number.isSafeInteger(value) || value < 0)
      assert(false, `${value} is not a whole number from 0 to 2^53 - 1`);
    return value <= UINT32_MAX ? this.uint32(value) : super.uint64(value);
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

export class NumberReader extends ReaderBase {
  readonly #view: DataView;

  constructor(bytes: Uint8Array) {
    super(Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength));
    this.#view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  }

  override uint64(): number {
    const { buf: bytes, len: end } = this;
    let position = this.pos;
    let value = 0;
    let factor = 1;
    for (let i = 0; i < 8 && position < end; i++) {
      const byte = bytes[position++] as number;
      value += (byte & 127) * factor;
      if (byte < 128) {
        if (value > Number.MAX_SAFE_INTEGER) break;
        this.pos = position;
        return value;
      }
      factor *= 128;
    }
    throw new RangeError(`no number from 0 to 2^53 - 1 at byte ${this.pos}`);
  }

  override fixed64(): bigint {
    const position = this.pos;
    if (position + 8 > this.len) throw new RangeError(`no 8 bytes left at byte ${position}`);
    this.pos = position + 8;
    return this.#view.getBigUint64(position, true);
  }
}
