/**
 * Recycled memory for disk reads and writes. A page that is touched for the first time costs more than the read or write
 * it is for, so that buffers are kept, up to a bound.
 */
import { assert } from '../../core/assert.js';
import { takeMemory } from '../../core/memory.js';
import { KIB, MIB } from '../../core/units.js';

/** Sizes of read buffers with how many of each are kept: 4 MiB, 4 MiB, 8 MiB. */
const READ_CLASSES = [
  { bytes: 16 * KIB, kept: 256 },
  { bytes: 64 * KIB, kept: 64 },
  { bytes: 256 * KIB, kept: 32 },
] as const;

/** Buffers for reads of small extents. There is always one; what exceeds the bound is left to the garbage collector. */
export class ReadBuffers {
  readonly #classes = READ_CLASSES.map((size) => ({ ...size, free: [] as Buffer[] }));

  /** A buffer of at least `size` bytes, with anything in it. */
  take(size: number): Buffer {
    for (const { bytes, free } of this.#classes) {
      if (size <= bytes) return free.pop() ?? takeMemory(bytes);
    }
    return takeMemory(size);
  }

  give(buffer: Buffer): void {
    for (const { bytes, kept, free } of this.#classes) {
      if (buffer.length === bytes && free.length < kept) free.push(buffer);
    }
  }
}

/** Who holds a buffer that is not full, and can be asked to write it out early. */
export interface BufferHolder {
  /** Gives the buffer back soon, unless it is being filled right now. */
  relinquish(): void;
}

/** Bytes of one staging buffer: the size of a disk write, and of a read of a large extent. */
export const STAGING_BYTES = MIB;

/**
 * A fixed number of staging buffers, created as they are needed. Whoever finds none waits its turn; meanwhile those that
 * hold a partly filled one are asked for it, the longest holder first, so that slow clients never hold up fast ones.
 */
export class StagingBuffers {
  readonly #free: Buffer[] = [];
  readonly #waiting: ((buffer: Buffer) => void)[] = [];
  readonly #holders = new Set<BufferHolder>();
  readonly #countMax: number;
  #count = 0;

  constructor(countMax: number) {
    assert(countMax > 0, 'there must be a staging buffer');
    this.#countMax = countMax;
  }

  /** A buffer, or undefined when all are in use. */
  tryTake(): Buffer | undefined {
    const buffer = this.#free.pop();
    if (buffer !== undefined || this.#count === this.#countMax) return buffer;
    this.#count++;
    return takeMemory(STAGING_BYTES);
  }

  /** A buffer, as soon as there is one. */
  take(): Buffer | Promise<Buffer> {
    const buffer = this.tryTake();
    if (buffer !== undefined) return buffer;
    const waited = new Promise<Buffer>((resolve) => this.#waiting.push(resolve));
    const [longest] = this.#holders;
    longest?.relinquish();
    return waited;
  }

  give(buffer: Buffer): void {
    const next = this.#waiting.shift();
    if (next === undefined) this.#free.push(buffer);
    else next(buffer);
  }

  /** From now on `holder` has a partly filled buffer and waits for its client. Asked at once when others wait. */
  hold(holder: BufferHolder): void {
    this.#holders.add(holder);
    if (this.#waiting.length > 0) holder.relinquish();
  }

  unhold(holder: BufferHolder): void {
    this.#holders.delete(holder);
  }
}
