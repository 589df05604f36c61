/**
 * Blocks of objects that are only in the UFS, in memory: what reads of ranges have fetched, or are fetching, so that readers of
 * the same place share one fetch.
 *
 * A block is known by its object, the UFS's ETag of the version, and its number; so a version never mixes with another. Bounded:
 * the least recently used blocks that nobody reads go first, and when all are being read there is no new one.
 */
import { KIB } from '../core/units.js';

export const BLOCK_BYTES = 256 * KIB;

export class FillBlock {
  readonly id: string;
  readonly bytes: Buffer;
  /** Bytes that have come, from the start. */
  filled = 0;
  /** Why the rest will never come. */
  failure: Error | undefined;
  /** Readers and the fetch; only what has none is given up. */
  users = 0;
  #waiting: (() => void)[] = [];

  constructor(id: string, size: number) {
    this.id = id;
    this.bytes = Buffer.allocUnsafeSlow(size);
  }

  get isWhole(): boolean {
    return this.filled === this.bytes.length;
  }

  changed(): Promise<void> {
    return new Promise((resolve) => this.#waiting.push(resolve));
  }

  wake(): void {
    for (const resolve of this.#waiting.splice(0)) resolve();
  }
}

export class FillBlocks {
  readonly #bytesMax: number;
  readonly #blocks = new Map<string, FillBlock>();
  #bytes = 0;

  constructor(bytesMax: number) {
    this.#bytesMax = bytesMax;
  }

  get bytes(): number {
    return this.#bytes;
  }

  has(id: string): boolean {
    return this.#blocks.has(id);
  }

  /** Found blocks count as used now. */
  find(id: string): FillBlock | undefined {
    const block = this.#blocks.get(id);
    if (block === undefined) return undefined;
    this.#blocks.delete(id);
    this.#blocks.set(id, block);
    return block;
  }

  /** A new block, to be filled; undefined when there is no memory for it. */
  allocate(id: string, size: number): FillBlock | undefined {
    if (this.#bytes + size > this.#bytesMax) this.#giveUp(this.#bytes + size - this.#bytesMax);
    if (this.#bytes + size > this.#bytesMax) return undefined;
    const block = new FillBlock(id, size);
    this.#blocks.set(id, block);
    this.#bytes += size;
    return block;
  }

  /** A block that cannot be filled. Its readers are woken. */
  fail(block: FillBlock, error: Error): void {
    block.failure = error;
    this.#drop(block);
    block.wake();
  }

  #giveUp(bytes: number): void {
    const target = this.#bytes - bytes;
    for (const block of this.#blocks.values()) {
      if (this.#bytes <= target) return;
      if (block.users === 0) this.#drop(block);
    }
  }

  #drop(block: FillBlock): void {
    if (this.#blocks.get(block.id) !== block) return;
    this.#blocks.delete(block.id);
    this.#bytes -= block.bytes.length;
  }
}
