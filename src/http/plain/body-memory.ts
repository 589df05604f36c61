/**
 * Memory for small bodies, used again and again: fresh memory for each would cost as much as the rest of reading it, and more
 * whenever the allocator gives pages back to the system.
 *
 * A piece is at most four times as long as what is put into it, and shorter bodies get memory of their own, so that the bound on
 * what small bodies hold (`BodyBudget`) bounds this as well.
 */
import { KIB } from '../../core/units.js';

/** Longest body for which there is memory here. */
export const POOLED_BODY_BYTES_MAX = 64 * KIB;
/** Shorter ones are cheap to make: node cuts them from a common piece. */
const POOLED_BODY_BYTES_MIN = 4 * KIB;
const SHORT_BYTES = 16 * KIB;
/** Bytes that are kept for the next ones, of each length. */
const FREE_BYTES_MAX = 4 * 1024 * KIB;

export class BodyMemory {
  readonly #short: Buffer[] = [];
  readonly #long: Buffer[] = [];

  /** `bytes` bytes or more, with anything in them. */
  take(bytes: number): Buffer {
    if (bytes < POOLED_BODY_BYTES_MIN) return Buffer.allocUnsafe(bytes);
    if (bytes <= SHORT_BYTES) return this.#short.pop() ?? Buffer.allocUnsafeSlow(SHORT_BYTES);
    return this.#long.pop() ?? Buffer.allocUnsafeSlow(POOLED_BODY_BYTES_MAX);
  }

  /** Nobody uses them any more. What is not given back is left to the garbage collector. */
  give(memory: Buffer): void {
    const { length } = memory;
    if (length < SHORT_BYTES) return;
    const free = length === SHORT_BYTES ? this.#short : this.#long;
    if (free.length * length < FREE_BYTES_MAX) free.push(memory);
  }
}
