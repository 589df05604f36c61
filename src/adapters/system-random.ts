/**
 * `Random` on the cryptographic generator of the system.
 *
 * Bytes are taken from a pool that is filled in one call, because each call of the generator costs as much as some
 * hundred small numbers. What was handed out is wiped from the pool, so that it is never handed out twice and cannot
 * be found there later.
 */
import { randomFillSync } from 'node:crypto';
import { assert } from '../core/assert.js';
import type { Random } from '../core/ports.js';

const POOL_BYTES = 8192;
/** Longer requests do not go through the pool. */
const POOLED_BYTES_MAX = 512;

export class SystemRandom implements Random {
  readonly #pool = new Uint8Array(POOL_BYTES);
  readonly #view = new DataView(this.#pool.buffer);
  #next = POOL_BYTES;

  uint32(): number {
    const start = this.#take(4);
    const value = this.#view.getUint32(start, true);
    this.#view.setUint32(start, 0, true);
    return value;
  }

  bytes(length: number): Uint8Array {
    assert(Number.isSafeInteger(length) && length >= 0, `${length} is not a number of bytes`);
    if (length > POOLED_BYTES_MAX) return randomFillSync(new Uint8Array(length));
    const start = this.#take(length);
    const bytes = this.#pool.slice(start, start + length);
    this.#pool.fill(0, start, start + length);
    return bytes;
  }

  /** Where the next `length` unused bytes of the pool start. */
  #take(length: number): number {
    if (this.#next + length > POOL_BYTES) {
      randomFillSync(this.#pool);
      this.#next = 0;
    }
    const start = this.#next;
    this.#next += length;
    return start;
  }
}
