/** A cursor over one sorted list of a memtable's keys. */
import type { MergeSource } from './merge-heap.js';

export class MemtableCursor<Value> implements MergeSource {
  key = '';
  readonly age: number;
  readonly #values: ReadonlyMap<string, Value>;
  readonly #keys: readonly string[];
  #at = -1;

  constructor(values: ReadonlyMap<string, Value>, keys: readonly string[], age: number) {
    this.#values = values;
    this.#keys = keys;
    this.age = age;
  }

  /** The newest value of the key, which every listed key has. */
  value(): Value {
    return this.#values.get(this.key) as Value;
  }

  /** Goes to the first key at or above `from`; false when there is none. */
  seek(from: string): boolean {
    let low = 0;
    let high = this.#keys.length;
    while (low < high) {
      const middle = (low + high) >>> 1;
      if ((this.#keys[middle] ?? '') < from) low = middle + 1;
      else high = middle;
    }
    this.#at = low - 1;
    return this.advance();
  }

  /** Goes to the next key; false behind the last. */
  advance(): boolean {
    const next = this.#keys[++this.#at];
    if (next === undefined) return false;
    this.key = next;
    return true;
  }
}
