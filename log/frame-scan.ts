/**
 * Walks the frames of a file in large reads, and says what is at a position that holds none.
 *
 * Invariants: what is returned as a frame was verified in full; a returned frame's bytes are valid until the
 * next call. Memory is one window, of `WINDOW_BYTES_MAX` or of the longest frame met; it begins small, because most reads
 * want the first frames of a file or the little that is behind a checkpoint.
 */
import { takeMemory } from '../src/core/memory.js';
import type { DiskFile } from '../src/core/ports.js';
import { KIB, MIB } from '../src/core/units.js';
import {
  FRAME_ALIGNMENT_BYTES,
  FRAME_HEADER_BYTES,
  FRAME_MAGIC,
  frameBytesAt,
  type FrameHeader,
  verifyFrame,
} from './frame.js';

const WINDOW_BYTES_MIN = 64 * KIB;
const WINDOW_BYTES_MAX = MIB;

export type Scanned =
  | { readonly kind: 'FRAME'; readonly header: FrameHeader; readonly bytes: Uint8Array }
  /** The file ends, or a header's worth of zeros. */
  | { readonly kind: 'NOTHING' }
  /** Bytes that no frame starts with. */
  | { readonly kind: 'BYTES' }
  /**
   * A frame starts here but is damaged or cut short. `bytes` is its length, as far as its header can be
   * believed.
   */
  | { readonly kind: 'DAMAGED'; readonly bytes: number };

const NOTHING: Scanned = { kind: 'NOTHING' };
const BYTES: Scanned = { kind: 'BYTES' };

/** Memory for one scanner at a time; pass it on from file to file. */
export class ScanWindow {
  bytes = takeMemory(WINDOW_BYTES_MIN);
}

export class FrameScanner {
  readonly #file: DiskFile;
  readonly #window: ScanWindow;
  /** Position in the file of the window's first byte, and bytes of the file that it holds. */
  #start = 0;
  #length = 0;

  constructor(file: DiskFile, window: ScanWindow = new ScanWindow()) {
    this.#file = file;
    this.#window = window;
  }

  /** What is at `position`. Throws `UNSUPPORTED_FORMAT` for an intact frame of a newer version, `IO_FAILED`. */
  async at(position: number): Promise<Scanned> {
    const available = this.#holds(position, FRAME_HEADER_BYTES)
      ? FRAME_HEADER_BYTES
      : await this.#load(position, FRAME_HEADER_BYTES);
    const at = position - this.#start;
    const { bytes } = this.#window;
    if (available < FRAME_HEADER_BYTES) {
      if (isZero(bytes, at, at + available)) return NOTHING;
      return startsWithMagic(bytes, at, available) ? { kind: 'DAMAGED', bytes: available } : BYTES;
    }
    const frameBytes = frameBytesAt(bytes, at);
    if (frameBytes === undefined) {
      if (isZero(bytes, at, at + FRAME_HEADER_BYTES)) return NOTHING;
      return startsWithMagic(bytes, at, available) ? { kind: 'DAMAGED', bytes: FRAME_HEADER_BYTES } : BYTES;
    }
    if (!this.#holds(position, frameBytes)) {
      const loaded = await this.#load(position, frameBytes);
      if (loaded < frameBytes) return { kind: 'DAMAGED', bytes: loaded };
    }
    const start = position - this.#start;
    const frame = this.#window.bytes.subarray(start, start + frameBytes);
    const header = verifyFrame(frame);
    return header === undefined
      ? { kind: 'DAMAGED', bytes: frameBytes }
      : { kind: 'FRAME', header, bytes: frame };
  }

  /** The first intact frame at or after `position` that `matches`. Throws like `at`. */
  async find(
    position: number,
    matches: (header: FrameHeader) => boolean,
  ): Promise<{ position: number; header: FrameHeader } | undefined> {
    let next = alignUp(position);
    for (;;) {
      const candidate = await this.#findMagic(next);
      if (candidate === undefined) return undefined;
      const found = await this.at(candidate);
      if (found.kind === 'FRAME' && matches(found.header))
        return { position: candidate, header: found.header };
      // An intact frame holds no other; anything else may.
      next = candidate + (found.kind === 'FRAME' ? found.bytes.length : FRAME_ALIGNMENT_BYTES);
    }
  }

  async #findMagic(position: number): Promise<number | undefined> {
    let next = position;
    for (;;) {
      if (!this.#holds(next, FRAME_HEADER_BYTES)) {
        const available = await this.#load(next, FRAME_HEADER_BYTES);
        if (available < FRAME_HEADER_BYTES) return undefined;
      }
      const end = this.#start + this.#length;
      const at = this.#window.bytes.subarray(0, this.#length).indexOf(FRAME_MAGIC, next - this.#start);
      if (at === -1) {
        // The magic may begin in the last bytes of the window.
        next = alignUp(end - FRAME_MAGIC.length + 1);
        continue;
      }
      const found = this.#start + at;
      if (found % FRAME_ALIGNMENT_BYTES === 0) return found;
      next = alignUp(found);
    }
  }

  #holds(position: number, bytes: number): boolean {
    return position >= this.#start && position + bytes <= this.#start + this.#length;
  }

  /** Makes the window start at `position`; resolves with how many of `bytes` the file has there. */
  async #load(position: number, bytes: number): Promise<number> {
    const { length } = this.#window.bytes;
    // What filled the window will go on: larger reads are cheaper then.
    const isFilled = this.#length === length && length < WINDOW_BYTES_MAX;
    const wanted = Math.max(bytes, isFilled ? Math.min(4 * length, WINDOW_BYTES_MAX) : length);
    if (wanted > length) this.#window.bytes = takeMemory(wanted);
    this.#length = 0;
    this.#start = position;
    this.#length = await this.#file.read(position, this.#window.bytes);
    return Math.min(this.#length, bytes);
  }
}

function isZero(bytes: Uint8Array, from: number, to: number): boolean {
  for (let i = from; i < to; i++) if (bytes[i] !== 0) return false;
  return true;
}

function startsWithMagic(bytes: Uint8Array, at: number, available: number): boolean {
  if (available < FRAME_MAGIC.length) return false;
  return FRAME_MAGIC.every((byte, i) => bytes[at + i] === byte);
}

function alignUp(position: number): number {
  return Math.ceil(position / FRAME_ALIGNMENT_BYTES) * FRAME_ALIGNMENT_BYTES;
}
