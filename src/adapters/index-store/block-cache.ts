/**
 * A bounded cache of blocks, in memory that is allocated once and used again.
 *
 * Each run knows for each of its blocks the slot that holds it, so a hit costs two array reads. Replacement is the clock
 * algorithm (Corbató, 1968): a block that was used since the hand last passed gets another round. A block that is larger than a
 * slot is read each time. What `load` returns is valid until the next call.
 */
import { takeMemory } from '../../core/memory.js';
import { NO_SLOT, type Run } from './run.js';

/** Memory is taken in pieces of so many slots, as they are needed. */
const SLAB_SLOTS = 32;

export class BlockCache {
  readonly #slotBytes: number;
  readonly #slotsMax: number;
  readonly #slots: Buffer[] = [];
  readonly #owners: (Run | undefined)[] = [];
  readonly #ownerBlocks: Int32Array;
  readonly #used: Uint8Array;
  #filled = 0;
  #hand = 0;
  #oversized = Buffer.alloc(0);

  constructor(sizeBytes: number, slotBytes: number) {
    this.#slotBytes = slotBytes;
    this.#slotsMax = Math.max(1, Math.floor(sizeBytes / slotBytes));
    this.#ownerBlocks = new Int32Array(this.#slotsMax);
    this.#used = new Uint8Array(this.#slotsMax);
  }

  /** The block's bytes, at the start of a buffer that may be longer. `CORRUPT_CHECKPOINT`, `IO_FAILED`. */
  load(run: Run, block: number): Buffer {
    const held = run.slots[block]!;
    if (held !== NO_SLOT) {
      this.#used[held] = 1;
      return this.#slots[held]!;
    }
    const length = run.blockLength(block);
    if (length > this.#slotBytes) {
      if (this.#oversized.length < length) this.#oversized = Buffer.allocUnsafeSlow(length);
      run.readBlock(block, this.#oversized);
      return this.#oversized;
    }
    const slot = this.#claim();
    const buffer = this.#slots[slot]!;
    run.readBlock(block, buffer);
    this.#owners[slot] = run;
    this.#ownerBlocks[slot] = block;
    this.#used[slot] = 1;
    run.slots[block] = slot;
    return buffer;
  }

  /** Whether the block can be had without touching the disk. */
  holds(run: Run, block: number): boolean {
    return run.slots[block] !== NO_SLOT;
  }

  /** Gives up all blocks of a run that is no longer read. */
  forget(run: Run): void {
    for (const slot of run.slots) {
      if (slot === NO_SLOT) continue;
      this.#owners[slot] = undefined;
      this.#used[slot] = 0;
    }
    run.slots.fill(NO_SLOT);
  }

  /** A slot that belongs to no block. */
  #claim(): number {
    if (this.#filled < this.#slotsMax) {
      if (this.#filled === this.#slots.length) this.#grow();
      return this.#filled++;
    }
    while (this.#used[this.#hand] === 1) {
      this.#used[this.#hand] = 0;
      this.#hand = (this.#hand + 1) % this.#slotsMax;
    }
    const slot = this.#hand;
    this.#hand = (slot + 1) % this.#slotsMax;
    const owner = this.#owners[slot];
    if (owner !== undefined) owner.slots[this.#ownerBlocks[slot]!] = NO_SLOT;
    this.#owners[slot] = undefined;
    return slot;
  }

  #grow(): void {
    const count = Math.min(SLAB_SLOTS, this.#slotsMax - this.#slots.length);
    const slab = takeMemory(count * this.#slotBytes);
    for (let i = 0; i < count; i++)
      this.#slots.push(slab.subarray(i * this.#slotBytes, (i + 1) * this.#slotBytes));
  }
}
