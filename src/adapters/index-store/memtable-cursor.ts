/** A cursor over one sorted list of a memtable's entries. */
import type { MergeSource } from './merge-heap.js';
import type { PackedTable } from './packed-table.js';

export class MemtableCursor<Value> implements MergeSource {
  key = '';
  /** The current entry's number in `table`. */
  entry = 0;
  readonly age: number;
  readonly table: PackedTable;
  readonly #entries: Uint32Array;
  readonly #decode: (entry: number, key: string) => Value;
  #at = -1;

  constructor(
    table: PackedTable,
    entries: Uint32Array,
    age: number,
    decode: (entry: number, key: string) => Value,
  ) {
    this.table = table;
    this.#entries = entries;
    this.age = age;
    this.#decode = decode;
  }

  value(): Value {
    return this.#decode(this.entry, this.key);
  }

  /** Goes to the first key at or above `from`; false when there is none. */
  seek(from: string): boolean {
    let low = 0;
    let high = this.#entries.length;
    while (low < high) {
      const middle = (low + high) >>> 1;
      if (this.table.compareWith(this.#entries[middle]!, from) < 0) low = middle + 1;
      else high = middle;
    }
    this.#at = low - 1;
    return this.advance();
  }

  /** Goes to the next key; false behind the last. */
  advance(): boolean {
    const next = this.#entries[++this.#at];
    if (next === undefined) return false;
    this.entry = next;
    this.key = this.table.key(next);
    return true;
  }
}
