/**
 * Walks and searches the entries of one block (`run-format.ts`).
 *
 * A search never puts keys together: what an entry shares with the one before it, compared with what that one shared
 * with the searched key, decides most comparisons without looking at a byte.
 */
import { HeadraceError } from '../../core/errors.js';

const NO_BYTES = Buffer.alloc(0);

export class BlockCursor {
  /** The current entry's value is `bytes[valueStart, valueEnd)`, unless `isDeleted`. */
  bytes: Buffer = NO_BYTES;
  valueStart = 0;
  valueEnd = 0;
  isDeleted = false;

  #end = 0;
  #next = 0;
  #shared = 0;
  #suffixStart = 0;
  #key = Buffer.allocUnsafe(256);
  #keyLength = 0;

  /** Stands before the first of the entries in `bytes[start, end)`, whose checksum was found right. */
  open(bytes: Buffer, start: number, end: number): void {
    this.bytes = bytes;
    this.#next = start;
    this.#end = end;
    this.#keyLength = 0;
  }

  /** Goes to the next entry; false behind the last. */
  next(): boolean {
    if (this.#next >= this.#end) return false;
    this.#parse();
    this.#takeSuffix();
    return true;
  }

  /** From before the first entry to the first whose key is `key` or above; false when there is none. */
  seek(key: string): boolean {
    if (this.#locate(key) === undefined) return false;
    this.#reserve(this.#shared);
    for (let i = 0; i < this.#shared; i++) this.#key[i] = key.charCodeAt(i);
    this.#takeSuffix();
    return true;
  }

  /** From before the first entry to that of `key`; false when there is none. Leaves `key()` undefined. */
  find(key: string): boolean {
    return this.#locate(key) === true;
  }

  /** The current entry's key. */
  key(): string {
    return this.#key.toString('latin1', 0, this.#keyLength);
  }

  /** The current entry's value, until the block's buffer is used again. */
  value(): Uint8Array {
    return this.bytes.subarray(this.valueStart, this.valueEnd);
  }

  /** Stops at the first entry at or above `key`: true when it is equal. Undefined when all are below. */
  #locate(key: string): boolean | undefined {
    // Leading bytes that the entry before, which is below `key`, shares with it.
    let matched = 0;
    while (this.#next < this.#end) {
      this.#parse();
      if (this.#shared > matched) continue;
      if (this.#shared < matched) return false;
      let at = this.#suffixStart;
      while (at < this.valueStart && matched < key.length && this.bytes[at] === key.charCodeAt(matched)) {
        at++;
        matched++;
      }
      if (matched === key.length) return at === this.valueStart;
      if (at < this.valueStart && this.bytes[at]! > key.charCodeAt(matched)) return false;
    }
    return undefined;
  }

  #parse(): void {
    this.#shared = this.#varint();
    const suffixLength = this.#varint();
    const tag = this.#varint();
    this.#suffixStart = this.#next;
    this.valueStart = this.#next + suffixLength;
    this.isDeleted = tag === 0;
    this.valueEnd = tag === 0 ? this.valueStart : this.valueStart + tag - 1;
    this.#next = this.valueEnd;
    if (this.#next > this.#end) throw malformed();
  }

  #varint(): number {
    const first = this.bytes[this.#next++]!;
    if (first < 0x80) return first;
    let value = first & 0x7f;
    for (let scale = 0x80; ; scale *= 0x80) {
      if (this.#next >= this.#end) throw malformed();
      const byte = this.bytes[this.#next++]!;
      value += (byte & 0x7f) * scale;
      if (byte < 0x80) return value;
    }
  }

  #takeSuffix(): void {
    const length = this.#shared + this.valueStart - this.#suffixStart;
    this.#reserve(length);
    // A loop, because a suffix is often shorter than what a call of `copy` costs.
    for (let from = this.#suffixStart, to = this.#shared; to < length; from++, to++)
      this.#key[to] = this.bytes[from]!;
    this.#keyLength = length;
  }

  #reserve(length: number): void {
    if (length <= this.#key.length) return;
    const larger = Buffer.allocUnsafe(length * 2);
    this.#key.copy(larger);
    this.#key = larger;
  }
}

/** The checksum was right, so the bytes are those of a writer that was wrong. */
function malformed(): HeadraceError {
  return new HeadraceError(
    'CORRUPT_CHECKPOINT',
    'an entry of an index block reaches over the end of the block',
  );
}
