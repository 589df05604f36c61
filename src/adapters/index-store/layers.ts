/**
 * What a reader sees: the current memtable over the one being written, if any, over the runs, the newest first.
 *
 * The newest layer that knows a key decides; a deletion hides what is below it.
 */
import { assert } from '../../core/assert.js';
import type { IndexCodec } from '../../core/index-store.js';
import type { BlockCache } from './block-cache.js';
import { BlockCursor } from './block-cursor.js';
import { KeyHash } from './bloom-filter.js';
import { DELETED, type Deleted, Memtable } from './memtable.js';
import { MergeHeap } from './merge-heap.js';
import type { Run } from './run.js';
import type { MemtableCursor } from './memtable-cursor.js';
import { RunCursor, ScanBuffers } from './run-cursor.js';

export class Layers<Value> {
  readonly #codec: IndexCodec<Value>;
  readonly #cache: BlockCache;
  readonly #hash = new KeyHash();
  readonly #cursor = new BlockCursor();
  readonly #buffers = new ScanBuffers();
  #current: Memtable<Value>;
  #frozen: Memtable<Value> | undefined;
  /** One that was written: its memory serves the next changes. */
  #spare: Memtable<Value> | undefined;
  #runs: readonly Run[];
  /** Goes up with each change, so that a scan can see that it is no longer valid. */
  #generation = 0;
  /** The last answer that came from the runs: a decision asks several times for the record that it is about. */
  readonly #last: { key: string; value: Value | undefined; generation: number } = {
    key: '',
    value: undefined,
    generation: -1,
  };

  constructor(codec: IndexCodec<Value>, cache: BlockCache, runs: readonly Run[]) {
    this.#codec = codec;
    this.#current = new Memtable(codec);
    this.#cache = cache;
    this.#runs = runs;
  }

  /** Newest first. */
  get runs(): readonly Run[] {
    return this.#runs;
  }

  set runs(runs: readonly Run[]) {
    this.#runs = runs;
    this.#generation++;
  }

  get changes(): number {
    return this.#current.changes;
  }

  /** `CORRUPT_CHECKPOINT`, `IO_FAILED`. */
  get(key: string): Value | undefined {
    const last = this.#last;
    if (last.generation === this.#generation && last.key === key) return last.value;
    const hash = this.#hash.of(key);
    let value = this.#current.get(key, hash);
    if (value === undefined && this.#frozen !== undefined) value = this.#frozen.get(key, hash);
    if (value !== undefined) return value === DELETED ? undefined : value;
    if (this.#runs.length > 0) value = this.#getFromRuns(key, hash);
    last.key = key;
    last.value = value === DELETED ? undefined : value;
    last.generation = this.#generation;
    return last.value;
  }

  set(key: string, value: Value | Deleted): void {
    assert(value !== undefined, 'undefined cannot be stored in the index: it means that there is nothing');
    this.#current.set(key, value);
    this.#generation++;
  }

  /** See `IndexStore.scan`. Asserts that nothing was changed since the scan began. */
  *scan(from: string, to: string): IterableIterator<readonly [key: string, value: Value]> {
    const generation = this.#generation;
    const cursors = this.#openCursors(from, to);
    try {
      const heap = new MergeHeap([...cursors]);
      let lastKey: string | undefined;
      for (let top = heap.top; top !== undefined && top.key < to; top = heap.top) {
        const { key } = top;
        if (key !== lastKey) {
          lastKey = key;
          const value = top.value();
          if (value !== DELETED) yield [key, value];
          assert(
            generation === this.#generation,
            'the index was changed during a scan: take a page, then scan again',
          );
        }
        if (top.advance()) heap.sink();
        else heap.pop();
      }
    } finally {
      for (const cursor of cursors) if (cursor instanceof RunCursor) cursor.release();
    }
  }

  /** Puts the current changes aside and returns them; new ones go to a fresh memtable. */
  freeze(): Memtable<Value> {
    assert(this.#frozen === undefined, 'a memtable is already frozen');
    this.#current.pack();
    this.#frozen = this.#current;
    this.#current = this.#spare ?? new Memtable(this.#codec);
    this.#spare = undefined;
    this.#generation++;
    return this.#frozen;
  }

  /** The frozen changes are in the runs now. */
  dropFrozen(): void {
    this.#frozen?.clear();
    this.#spare = this.#frozen;
    this.#frozen = undefined;
    this.#generation++;
  }

  /** The frozen changes could not be written: they become current again, under those made since. */
  thaw(): void {
    assert(this.#frozen !== undefined, 'no memtable is frozen');
    this.#frozen.absorb(this.#current);
    this.#current.clear();
    this.#spare = this.#current;
    this.#current = this.#frozen;
    this.#frozen = undefined;
    this.#generation++;
  }

  #getFromRuns(key: string, hash: KeyHash): Value | Deleted | undefined {
    const cursor = this.#cursor;
    for (const run of this.#runs) {
      if (!run.mayContain(hash)) continue;
      const block = run.blockOf(key);
      cursor.open(this.#cache.load(run, block), 0, run.entriesEnd(block));
      if (!cursor.find(key)) continue;
      return cursor.isDeleted ? DELETED : this.#codec.decode(key, cursor.value());
    }
    return undefined;
  }

  /** A cursor on the first entry in range of each layer that has one. */
  #openCursors(from: string, to: string): (MemtableCursor<Value | Deleted> | RunCursor<Value>)[] {
    const cursors: (MemtableCursor<Value | Deleted> | RunCursor<Value>)[] = [];
    if (from >= to) return cursors;
    let age = 0;
    for (const memtable of [this.#current, this.#frozen]) {
      if (memtable !== undefined) cursors.push(...memtable.cursors(from, age++));
    }
    for (const run of this.#runs) {
      if (run.lastKey < from) continue;
      const cursor = new RunCursor(run, age++, this.#codec, this.#cache, this.#buffers);
      if (cursor.seek(from)) cursors.push(cursor);
      else cursor.release();
    }
    return cursors;
  }
}
