/**
 * The bytes of a simulated file, in chunks that exist once they were written.
 *
 * Invariants: bytes at and behind `size` are zero; a chunk that holds only zeros shares one block of memory, so that a
 * preallocated file of gigabytes costs a table entry for each chunk; chunks that a clone shares are copied before a write.
 */
import { takeMemory } from '../src/core/memory.js';

export const CHUNK_BYTES = 16 * 1024;

interface Chunk {
  readonly bytes: Uint8Array;
  /** Who may write it in place; undefined when it is shared. */
  owner: SparseBytes | undefined;
}

const ZERO_CHUNK: Chunk = { bytes: new Uint8Array(CHUNK_BYTES), owner: undefined };

export class SparseBytes {
  readonly #chunks = new Map<number, Chunk>();
  #size = 0;

  get size(): number {
    return this.#size;
  }

  /** Bytes of storage that it takes: holes take none. */
  get allocatedBytes(): number {
    return this.#chunks.size * CHUNK_BYTES;
  }

  clone(): SparseBytes {
    const clone = new SparseBytes();
    clone.#size = this.#size;
    for (const [index, chunk] of this.#chunks) {
      chunk.owner = undefined;
      clone.#chunks.set(index, chunk);
    }
    return clone;
  }

  /** How much of `length` bytes at `position` can be written when only `freeBytes` more may be allocated. */
  lengthThatFits(position: number, length: number, freeBytes: number): number {
    let leftBytes = freeBytes;
    for (let at = position; at < position + length; at = endOfChunk(at)) {
      if (this.#chunks.has(indexOf(at))) continue;
      leftBytes -= CHUNK_BYTES;
      if (leftBytes < 0) return at - position;
    }
    return length;
  }

  /** What fills a chunk is taken over where `isGiven`: nobody may change it any more but by writing here. */
  write(position: number, bytes: Uint8Array, isGiven = false): void {
    const end = position + bytes.length;
    for (let at = position; at < end;) {
      const stop = Math.min(endOfChunk(at), end);
      const piece = bytes.subarray(at - position, stop - position);
      const index = indexOf(at);
      const old = this.#chunks.get(index) ?? ZERO_CHUNK;
      const isWhole = piece.length === CHUNK_BYTES;
      if ((isWhole || old === ZERO_CHUNK) && isZero(piece)) this.#chunks.set(index, ZERO_CHUNK);
      else if (isWhole && isGiven) this.#chunks.set(index, { bytes: piece, owner: undefined });
      else this.#writable(index, old, isWhole).set(piece, at % CHUNK_BYTES);
      at = stop;
    }
    if (bytes.length > 0) this.#size = Math.max(this.#size, end);
  }

  /** Fills `target` from `position`; returns the number of bytes there were. */
  read(position: number, target: Uint8Array): number {
    const end = Math.min(position + target.length, this.#size);
    for (let at = position; at < end;) {
      const stop = Math.min(endOfChunk(at), end);
      const { bytes } = this.#chunks.get(indexOf(at)) ?? ZERO_CHUNK;
      const start = at % CHUNK_BYTES;
      target.set(bytes.subarray(start, start + stop - at), at - position);
      at = stop;
    }
    return Math.max(0, end - position);
  }

  truncate(size: number): void {
    if (size < this.#size) {
      const firstWhole = Math.ceil(size / CHUNK_BYTES);
      for (const index of this.#chunks.keys()) if (index >= firstWhole) this.#chunks.delete(index);
      const partial = this.#chunks.get(indexOf(size));
      if (partial !== undefined && partial !== ZERO_CHUNK) {
        this.#writable(indexOf(size), partial, false).fill(0, size % CHUNK_BYTES);
      }
    }
    this.#size = size;
  }

  /** The memory of a chunk, to be changed in part, or as a whole: then it may hold anything. */
  #writable(index: number, old: Chunk, isReplaced: boolean): Uint8Array {
    if (old.owner === this) return old.bytes;
    const bytes = takeMemory(CHUNK_BYTES);
    if (!isReplaced) bytes.set(old.bytes);
    this.#chunks.set(index, { bytes, owner: this });
    return bytes;
  }
}

/** Whether all of `bytes` are zero. */
export function isZero(bytes: Uint8Array): boolean {
  // Most bytes that are written are not, and show it soon.
  if (bytes.length > 0 && (bytes[0] !== 0 || bytes[bytes.length - 1] !== 0)) return false;
  for (let at = 0; at < bytes.length; at += CHUNK_BYTES) {
    const piece = bytes.subarray(at, at + CHUNK_BYTES);
    if (Buffer.compare(piece, ZERO_CHUNK.bytes.subarray(0, piece.length)) !== 0) return false;
  }
  return true;
}

function indexOf(position: number): number {
  return Math.floor(position / CHUNK_BYTES);
}

function endOfChunk(position: number): number {
  return (indexOf(position) + 1) * CHUNK_BYTES;
}
