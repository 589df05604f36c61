/**
 * `Random` from a seed: the same seed gives the same numbers on every machine. Not secret.
 *
 * Algorithm: xoshiro128** 1.1 (Blackman and Vigna, "Scrambled Linear Pseudorandom Number Generators", ACM TOMS 2021).
 * Its four words of state come from the seed text by FNV-1a with four offsets, each finished with the 32-bit mixer of
 * MurmurHash3.
 */
import { assert } from '../src/core/assert.js';
import type { Random } from '../src/core/ports.js';

export class SimRandom implements Random {
  /** What makes this sequence, for messages: `42` or `42/disk`. */
  readonly seed: string;
  readonly #state: Uint32Array<ArrayBuffer>;

  constructor(seed: number | string) {
    this.seed = String(seed);
    this.#state = Uint32Array.from([1, 2, 3, 4], (lane) => hash(this.seed, lane));
    // The all-zero state is the one state the generator cannot leave.
    if (this.#state.every((word) => word === 0)) this.#state[0] = 1;
  }

  /**
   * An independent sequence that depends on this one's seed and the label only, not on how many numbers were drawn:
   * a new draw in one part of the simulation does not change the others. The same label gives the same sequence.
   */
  fork(label: string): SimRandom {
    return new SimRandom(`${this.seed}/${label}`);
  }

  uint32(): number {
    const state = this.#state;
    const [a = 0, b = 0, c = 0, d = 0] = state;
    const result = Math.imul(rotateLeft(Math.imul(b, 5), 7), 9) >>> 0;
    const third = c ^ a;
    const fourth = d ^ b;
    state[1] = b ^ third;
    state[0] = a ^ fourth;
    state[2] = third ^ (b << 9);
    state[3] = rotateLeft(fourth, 11);
    return result;
  }

  bytes(length: number): Uint8Array {
    assert(Number.isSafeInteger(length) && length >= 0, `${length} is not a number of bytes`);
    const bytes = new Uint8Array(length);
    for (let i = 0; i < length; i += 4) {
      const word = this.uint32();
      for (let j = 0; j < 4 && i + j < length; j++) bytes[i + j] = word >>> (8 * j);
    }
    return bytes;
  }

  /** From 0 (inclusive) to 1 (exclusive), with 53 bits. */
  unit(): number {
    const high = this.uint32() >>> 5;
    const low = this.uint32() >>> 6;
    return (high * 2 ** 26 + low) / 2 ** 53;
  }

  /** True in `ratio` of all calls; draws no number when the answer is certain. */
  chance(ratio: number): boolean {
    if (ratio <= 0) return false;
    return ratio >= 1 || this.unit() < ratio;
  }

  /** A number from `min` (inclusive) to `max` (exclusive); `min` when they are equal. */
  between(min: number, max: number): number {
    // Messages are made only when they are needed: numbers are drawn with everything that happens.
    if (!(min <= max)) assert(false, `there is no number between ${min} and ${max}`);
    return min + this.unit() * (max - min);
  }

  /** An integer from 0 (inclusive) to `limit` (exclusive). */
  below(limit: number): number {
    if (!(Number.isSafeInteger(limit) && limit > 0)) assert(false, `${limit} is not a limit`);
    return Math.floor(this.unit() * limit);
  }

  pick<Value>(values: readonly Value[]): Value {
    assert(values.length > 0, 'there is nothing to pick from');
    return values[this.below(values.length)] as Value;
  }

  /** A copy in random order (Fisher and Yates). */
  shuffle<Value>(values: readonly Value[]): Value[] {
    const shuffled = [...values];
    for (let i = shuffled.length - 1; i > 0; i--) {
      const j = this.below(i + 1);
      [shuffled[i], shuffled[j]] = [shuffled[j] as Value, shuffled[i] as Value];
    }
    return shuffled;
  }
}

function rotateLeft(word: number, bits: number): number {
  return (word << bits) | (word >>> (32 - bits));
}

function hash(text: string, lane: number): number {
  let word = Math.imul(0x811c9dc5, lane) | 0;
  for (let i = 0; i < text.length; i++) word = Math.imul(word ^ text.charCodeAt(i), 0x01000193);
  word = Math.imul(word ^ (word >>> 16), 0x85ebca6b);
  word = Math.imul(word ^ (word >>> 13), 0xc2b2ae35);
  return (word ^ (word >>> 16)) >>> 0;
}
