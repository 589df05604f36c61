/**
 * Which block of a run can hold a key: the separators of the blocks, searched in memory.
 *
 * Most of a search compares whole numbers that lie close together: of each separator the four bytes behind what all separators
 * share that begin with the same byte, which stands for one kind of record (`projections/records.ts`). Only separators that agree in
 * them are compared byte by byte.
 */

/** Separators with the same first byte. */
interface Group {
  /** From here (inclusive) to `end` (exclusive). */
  readonly first: number;
  readonly end: number;
  /** Leading bytes that all of them have. */
  readonly sharedBytes: number;
}

export class Separators {
  readonly #bytes: Buffer;
  /** Where each separator ends, and the next begins. */
  readonly #ends: Uint32Array;
  /** By first byte. */
  readonly #groups: (Group | undefined)[] = [];
  readonly #heads: Uint32Array;

  /** One separator per block, ascending; that of block 0 is not looked at. The buffer is used as it is. */
  constructor(bytes: Buffer, ends: Uint32Array) {
    this.#bytes = bytes;
    this.#ends = ends;
    this.#heads = new Uint32Array(ends.length);
    for (let first = 1; first < ends.length;) {
      const letter = bytes[ends[first - 1]!]!;
      let end = first + 1;
      while (end < ends.length && bytes[ends[end - 1]!] === letter) end++;
      const sharedBytes = this.#sharedBytes(first, end - 1);
      for (let block = first; block < end; block++) this.#heads[block] = this.#head(block, sharedBytes);
      this.#groups[letter] = { first, end, sharedBytes };
      first = end;
    }
  }

  /** The last block whose separator is `key` or below: the only one that can hold `key`. */
  blockOf(key: string): number {
    const group = key.length === 0 ? undefined : this.#groups[key.charCodeAt(0)];
    if (group === undefined) return this.#search(key, 0, this.#ends.length, 0);
    const { first, end, sharedBytes } = group;
    const order = this.#compareStart(first, key, sharedBytes);
    if (order !== 0) return order > 0 ? first - 1 : end - 1;
    const head = headOf(key, sharedBytes);
    const low = this.#firstHead(head, first, end);
    if (low === end || this.#heads[low]! > head) return low - 1;
    return this.#search(key, low - 1, this.#firstHead(head + 1, low, end), sharedBytes);
  }

  /** Above 0 when the first bytes of a separator are above those of `key`, 0 when they agree. */
  #compareStart(block: number, key: string, length: number): number {
    const start = this.#ends[block - 1]!;
    for (let i = 0; i < length; i++) {
      if (i === key.length) return 1;
      const difference = this.#bytes[start + i]! - key.charCodeAt(i);
      if (difference !== 0) return difference;
    }
    return 0;
  }

  /** The first of the blocks whose head is `head` or above, or `end`. */
  #firstHead(head: number, first: number, end: number): number {
    const heads = this.#heads;
    let low = first;
    let high = end;
    while (low < high) {
      const middle = (low + high) >>> 1;
      if (heads[middle]! < head) low = middle + 1;
      else high = middle;
    }
    return low;
  }

  /**
   * The last block of `low` (whose separator is not above `key`) to `high` (exclusive) whose separator is not above `key`. Those
   * behind `low` share `sharedBytes` with it. What both bounds share with the key, everything between them shares too, and is not
   * compared again (Manber, Myers, "Suffix Arrays", 1993).
   */
  #search(key: string, low: number, high: number, sharedBytes: number): number {
    const bytes = this.#bytes;
    let [from, to] = [low, high];
    let sharedLow = sharedBytes;
    let sharedHigh = sharedBytes;
    while (to - from > 1) {
      const middle = (from + to) >>> 1;
      const start = this.#ends[middle - 1]!;
      const length = this.#ends[middle]! - start;
      let shared = Math.min(sharedLow, sharedHigh);
      while (shared < length && shared < key.length && bytes[start + shared] === key.charCodeAt(shared))
        shared++;
      const isAbove =
        shared < length && (shared === key.length || bytes[start + shared]! > key.charCodeAt(shared));
      if (isAbove) {
        to = middle;
        sharedHigh = shared;
      } else {
        from = middle;
        sharedLow = shared;
      }
    }
    return from;
  }

  /** Leading bytes that two separators have in common, and so all between them. */
  #sharedBytes(a: number, b: number): number {
    const startA = this.#ends[a - 1]!;
    const startB = this.#ends[b - 1]!;
    const length = Math.min(this.#ends[a]! - startA, this.#ends[b]! - startB);
    let shared = 0;
    while (shared < length && this.#bytes[startA + shared] === this.#bytes[startB + shared]) shared++;
    return shared;
  }

  #head(block: number, at: number): number {
    const start = this.#ends[block - 1]! + at;
    const end = this.#ends[block]!;
    let head = 0;
    for (let i = start; i < start + 4; i++) head = (head << 8) | (i < end ? this.#bytes[i]! : 0);
    return head >>> 0;
  }
}

/** Four bytes of the key from `at` on as a number, with zeros behind its end. */
function headOf(key: string, at: number): number {
  let head = 0;
  for (let i = at; i < at + 4; i++) head = (head << 8) | (i < key.length ? key.charCodeAt(i) & 0xff : 0);
  return head >>> 0;
}
