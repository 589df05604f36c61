/**
 * Changes that are only in memory: the newest value, or the deletion, of each changed key, in order.
 *
 * Values are held as the objects they are and must not be changed by their owner afterwards. Besides the values an entry
 * takes about 25 bytes and its key. One ordered tree serves lookups and scans alike: a hash map beside it would make lookups
 * four times as fast and cost more than it saves once every key has to be sorted for the checkpoint (bench/index-store.ts).
 */
import sortedBtree from 'sorted-btree';

/** The mark of a key that was deleted. */
export const DELETED = Symbol('deleted');
export type Deleted = typeof DELETED;

const NODE_ENTRIES_MAX = 64;

export class Memtable<Value> {
  readonly #tree = new sortedBtree.default<string, Value | Deleted>(undefined, compare, NODE_ENTRIES_MAX);
  /** Calls of `set`, not distinct keys. */
  #changes = 0;

  /** Distinct keys. */
  get size(): number {
    return this.#tree.size;
  }

  get changes(): number {
    return this.#changes;
  }

  /** Undefined when the key was not changed. */
  get(key: string): Value | Deleted | undefined {
    return this.#tree.get(key);
  }

  set(key: string, value: Value | Deleted): void {
    this.#tree.set(key, value);
    this.#changes++;
  }

  /** Entries from `from` on, ascending. The pair is the same array each time. */
  from(from: string): Iterator<[string, Value | Deleted]> {
    return this.#tree.entries(from, []);
  }

  /** Lays the changes of a newer memtable over this one. */
  absorb(newer: Memtable<Value>): void {
    newer.#tree.forEachPair((key, value) => {
      this.#tree.set(key, value);
    });
    this.#changes += newer.#changes;
  }
}

function compare(a: string, b: string): number {
  return a < b ? -1 : a > b ? 1 : 0;
}
