/**
 * A cursor over one run, for scans (`layers.ts`).
 *
 * The first block of a run comes through the block cache, since short scans near each other share it; the blocks behind are read
 * past the cache, so that a long scan does not empty it.
 */
import type { IndexCodec } from '../../core/index-store.js';
import type { BlockCache } from './block-cache.js';
import { BlockCursor } from './block-cursor.js';
import { DELETED, type Deleted } from './memtable.js';
import type { MergeSource } from './merge-heap.js';
import type { Run } from './run.js';

export class RunCursor<Value> implements MergeSource {
  key = '';
  readonly age: number;
  readonly #run: Run;
  readonly #codec: IndexCodec<Value>;
  readonly #cache: BlockCache;
  readonly #cursor = new BlockCursor();
  #block = 0;
  /** The cursor's own copy of its block: the cache may use the slot for another one at any time. */
  #buffer = Buffer.alloc(0);

  constructor(run: Run, age: number, codec: IndexCodec<Value>, cache: BlockCache) {
    this.#run = run;
    this.age = age;
    this.#codec = codec;
    this.#cache = cache;
  }

  /** Goes to the first entry at or above `from`; false when there is none. */
  seek(from: string): boolean {
    this.#block = this.#run.blockOf(from);
    this.#open(true);
    if (!this.#cursor.seek(from)) return this.#nextBlock();
    this.key = this.#cursor.key();
    return true;
  }

  /** Goes to the next entry; false behind the last. */
  advance(): boolean {
    if (!this.#cursor.next()) return this.#nextBlock();
    this.key = this.#cursor.key();
    return true;
  }

  value(): Value | Deleted {
    return this.#cursor.isDeleted ? DELETED : this.#codec.decode(this.key, this.#cursor.copyValue());
  }

  #nextBlock(): boolean {
    this.#block++;
    if (this.#block === this.#run.blocks) return false;
    this.#open(false);
    return this.advance();
  }

  #open(throughCache: boolean): void {
    const run = this.#run;
    const length = run.blockLength(this.#block);
    if (this.#buffer.length < length) this.#buffer = Buffer.allocUnsafeSlow(length);
    if (throughCache || this.#cache.holds(run, this.#block))
      this.#cache.load(run, this.#block).copy(this.#buffer, 0, 0, length);
    else run.readBlock(this.#block, this.#buffer);
    this.#cursor.open(this.#buffer, 0, run.entriesEnd(this.#block));
  }
}
