/**
 * Memory for small bodies, used again and again: fresh memory for each would cost as much as the rest of reading it, and more
 * whenever the allocator gives pages back to the system.
 */
import { KIB } from '../../core/units.js';

/** Longest body for which there is memory here. */
export const POOLED_BODY_BYTES_MAX = 64 * KIB;
/** Pieces that are kept for the next ones. */
const FREE_MAX = 256;

export class BodyMemory {
  readonly #free: Buffer[] = [];

  /** `POOLED_BODY_BYTES_MAX` bytes, with anything in them. */
  take(): Buffer {
    return this.#free.pop() ?? Buffer.allocUnsafeSlow(POOLED_BODY_BYTES_MAX);
  }

  /** Nobody uses them any more. What is not given back is left to the garbage collector. */
  give(memory: Buffer): void {
    if (this.#free.length < FREE_MAX) this.#free.push(memory);
  }
}
