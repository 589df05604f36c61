/**
 * Changes that are only in memory: the newest value, or the deletion, of each changed key.
 *
 * Values are held as the objects they are and must not be changed by their owner afterwards. A hash map answers lookups; the
 * keys are sorted a few thousand at a time, so that a set costs a quarter of what an ordered tree takes, and no scan or
 * checkpoint has to sort them all at once (bench/index-store.ts). A list of sorted keys never changes once it is made, so that a
 * cursor stays valid.
 */
import { MemtableCursor } from './memtable-cursor.js';
import { sortKeys } from './sort-keys.js';

/** The mark of a key that was deleted. */
export const DELETED = Symbol('deleted');
export type Deleted = typeof DELETED;

/** So many keys are sorted together: a fraction of a millisecond. */
const SORTED_KEYS_MAX = 4096;

export class Memtable<Value> {
  readonly #values = new Map<string, Value | Deleted>();
  /** Sorted, and each key in one of them. */
  readonly #sorted: (readonly string[])[] = [];
  /** Keys that are in no sorted list yet. */
  #unsorted: string[] = [];
  /** Calls of `set`, not distinct keys. */
  #changes = 0;

  /** Distinct keys. */
  get size(): number {
    return this.#values.size;
  }

  get changes(): number {
    return this.#changes;
  }

  /** Undefined when the key was not changed. */
  get(key: string): Value | Deleted | undefined {
    return this.#values.get(key);
  }

  set(key: string, value: Value | Deleted): void {
    this.#put(key, value);
    this.#changes++;
  }

  /** Cursors on the first key at or above `from` of each list that has one; together they have every key once. */
  cursors(from: string, age: number): MemtableCursor<Value | Deleted>[] {
    this.#sortRest();
    const cursors: MemtableCursor<Value | Deleted>[] = [];
    for (const keys of this.#sorted) {
      const cursor = new MemtableCursor(this.#values, keys, age);
      if (cursor.seek(from)) cursors.push(cursor);
    }
    return cursors;
  }

  /** Lays the changes of a newer memtable over this one. */
  absorb(newer: Memtable<Value>): void {
    for (const [key, value] of newer.#values) this.#put(key, value);
    this.#changes += newer.#changes;
  }

  #put(key: string, value: Value | Deleted): void {
    const { size } = this.#values;
    this.#values.set(key, value);
    if (this.#values.size === size) return;
    this.#unsorted.push(key);
    if (this.#unsorted.length >= SORTED_KEYS_MAX) this.#sortRest();
  }

  /** The newest list takes in what is short, so that many scans among few changes do not leave many lists. */
  #sortRest(): void {
    if (this.#unsorted.length === 0) return;
    const newest = this.#sorted.at(-1);
    const rest = this.#unsorted;
    this.#unsorted = [];
    if (newest !== undefined && newest.length + rest.length <= SORTED_KEYS_MAX)
      this.#sorted[this.#sorted.length - 1] = merge(newest, sortKeys(rest));
    else this.#sorted.push(sortKeys(rest));
  }
}

function merge(a: readonly string[], b: readonly string[]): string[] {
  const merged: string[] = [];
  let i = 0;
  for (const key of b) {
    for (let next = a[i]; next !== undefined && next < key; next = a[++i]) merged.push(next);
    merged.push(key);
  }
  for (let next = a[i]; next !== undefined; next = a[++i]) merged.push(next);
  return merged;
}
