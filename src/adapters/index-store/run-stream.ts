/**
 * Reads a run from its first entry to its last, in large pieces, for a merge.
 */
import { takeMemory } from '../../core/memory.js';
import { BlockCursor } from './block-cursor.js';
import { CHECKSUM_BYTES } from './checksum.js';
import type { MergeSource } from './merge-heap.js';
import type { Run } from './run.js';

export class RunStream implements MergeSource {
  key = '';
  readonly age: number;
  /** The current entry's value and whether it is a deletion. Valid until `fill`. */
  readonly cursor = new BlockCursor();
  readonly #run: Run;
  readonly #readBytes: number;
  #buffer = Buffer.alloc(0);
  /** Where the next block begins in the buffer. */
  #at = 0;
  #nextBlock = 0;
  /** Blocks before this one are in the buffer. */
  #filledBlocks = 0;

  constructor(run: Run, age: number, readBytes: number) {
    this.#run = run;
    this.age = age;
    this.#readBytes = readBytes;
  }

  /** Goes to the next entry; false when `fill` has to be called first. `CORRUPT_CHECKPOINT`. */
  advance(): boolean {
    while (!this.cursor.next()) {
      if (this.#nextBlock === this.#filledBlocks) return false;
      const end = this.#at + this.#run.blockLength(this.#nextBlock);
      this.#run.checkBlock(this.#nextBlock, this.#buffer.subarray(this.#at, end));
      this.cursor.open(this.#buffer, this.#at, end - CHECKSUM_BYTES);
      this.#at = end;
      this.#nextBlock++;
    }
    this.key = this.cursor.key();
    return true;
  }

  /** Reads the next blocks and goes to the first entry; false at the end. `CORRUPT_CHECKPOINT`, `IO_FAILED`. */
  async fill(): Promise<boolean> {
    const run = this.#run;
    const first = this.#filledBlocks;
    if (first === run.blocks) return false;
    let end = first + 1;
    let length = run.blockLength(first);
    while (end < run.blocks && length + run.blockLength(end) <= this.#readBytes)
      length += run.blockLength(end++);
    if (this.#buffer.length < length)
      this.#buffer = takeMemory(Math.max(length, Math.min(this.#readBytes, run.descriptor.dataBytes)));
    await run.readBlocks(first, end, this.#buffer);
    this.#filledBlocks = end;
    this.#at = 0;
    return this.advance();
  }
}
