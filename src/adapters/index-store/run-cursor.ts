/**
 * A cursor over one run, for scans (`layers.ts`).
 *
 * The first block of a run comes through the block cache, since short scans near each other share it; the blocks behind are read
 * past the cache, so that a long scan does not empty it, and more of them at once the further the scan goes.
 */
import type { IndexCodec } from '../../core/index-store.js';
import { takeMemory } from '../../core/memory.js';
import { KIB } from '../../core/units.js';
import type { BlockCache } from './block-cache.js';
import { BlockCursor } from './block-cursor.js';
import { CHECKSUM_BYTES } from './checksum.js';
import { DELETED, type Deleted } from './memtable.js';
import type { MergeSource } from './merge-heap.js';
import type { Run } from './run.js';

/** A scan reads no more than this of a run at once, unless a block is larger. */
const READ_BYTES_MAX = 32 * KIB;
const SPARE_BUFFERS_MAX = 32;

/** Memory that scans have used, for the next ones. */
export class ScanBuffers {
  readonly #spare: Buffer[] = [];

  take(lengthMin: number): Buffer {
    if (lengthMin > READ_BYTES_MAX) return takeMemory(lengthMin);
    return this.#spare.pop() ?? takeMemory(READ_BYTES_MAX);
  }

  give(buffer: Buffer): void {
    if (buffer.length === READ_BYTES_MAX && this.#spare.length < SPARE_BUFFERS_MAX) this.#spare.push(buffer);
  }
}

export class RunCursor<Value> implements MergeSource {
  key = '';
  readonly age: number;
  readonly #run: Run;
  readonly #codec: IndexCodec<Value>;
  readonly #cache: BlockCache;
  readonly #buffers: ScanBuffers;
  readonly #cursor = new BlockCursor();
  #block = 0;
  /** Own copies of blocks: the cache may use the slot for another one at any time. */
  #buffer: Buffer;
  /** The blocks from the current one to this one (exclusive) are in the buffer, … */
  #heldEnd = 0;
  /** … and the next of them begins here. */
  #at = 0;
  #readAhead = 1;

  constructor(run: Run, age: number, codec: IndexCodec<Value>, cache: BlockCache, buffers: ScanBuffers) {
    this.#run = run;
    this.age = age;
    this.#codec = codec;
    this.#cache = cache;
    this.#buffers = buffers;
    this.#buffer = buffers.take(0);
  }

  /** Goes to the first entry at or above `from`; false when there is none. */
  seek(from: string): boolean {
    this.#block = this.#run.blockOf(from);
    this.#openCached();
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
    return this.#cursor.isDeleted ? DELETED : this.#codec.decode(this.key, this.#cursor.value());
  }

  /** Gives its memory back: the cursor stands nowhere afterwards. */
  release(): void {
    this.#cursor.open(this.#buffer, 0, 0);
    this.#buffers.give(this.#buffer);
    this.#buffer = Buffer.alloc(0);
  }

  #nextBlock(): boolean {
    this.#block++;
    if (this.#block === this.#run.blocks) return false;
    if (this.#block === this.#heldEnd) {
      if (this.#cache.holds(this.#run, this.#block)) {
        this.#openCached();
        return this.advance();
      }
      this.#read();
    }
    const end = this.#at + this.#run.blockLength(this.#block);
    this.#run.checkBlock(this.#block, this.#buffer.subarray(this.#at, end));
    this.#cursor.open(this.#buffer, this.#at, end - CHECKSUM_BYTES);
    this.#at = end;
    return this.advance();
  }

  #openCached(): void {
    const run = this.#run;
    const length = run.blockLength(this.#block);
    this.#makeRoom(length);
    this.#cache.load(run, this.#block).copy(this.#buffer, 0, 0, length);
    this.#cursor.open(this.#buffer, 0, run.entriesEnd(this.#block));
    this.#heldEnd = this.#block + 1;
  }

  /** Reads the current block and those behind it, twice as many as the last time. */
  #read(): void {
    const run = this.#run;
    this.#readAhead *= 2;
    let end = this.#block + 1;
    let length = run.blockLength(this.#block);
    while (
      end < run.blocks &&
      end - this.#block < this.#readAhead &&
      length + run.blockLength(end) <= READ_BYTES_MAX
    )
      length += run.blockLength(end++);
    this.#makeRoom(length);
    run.readBlocksSync(this.#block, end, this.#buffer);
    this.#heldEnd = end;
    this.#at = 0;
  }

  #makeRoom(length: number): void {
    if (this.#buffer.length >= length) return;
    this.#buffers.give(this.#buffer);
    this.#buffer = this.#buffers.take(length);
  }
}
