/**
 * Changes that are only in memory: the newest value, or the deletion, of each changed key.
 *
 * The latest few hundred values are held as the objects they are, which must not be changed by their owner afterwards: what is asked
 * for or changed again soon costs nothing, and is never encoded when it is deleted or replaced. An older value is encoded and held
 * as bytes (`packed-table.ts`), which has to be done once anyway. Keys are sorted a few thousand at a time, so that a set costs a
 * quarter of what an ordered tree takes, and no scan or checkpoint has to sort them all at once (bench/index-store.ts). A list of
 * sorted keys never changes once it is made, so that a cursor stays valid.
 */
import type { IndexCodec } from '../../core/index-store.js';
import { KeyHash } from './bloom-filter.js';
import { MemtableCursor } from './memtable-cursor.js';
import { PackedTable } from './packed-table.js';
import { sortedOrder } from './sort-keys.js';

/** The mark of a key that was deleted. */
export const DELETED = Symbol('deleted');
export type Deleted = typeof DELETED;

/** So many keys are sorted together: about a millisecond. */
const SORTED_KEYS_MAX = 4096;
/** Objects that live no longer than this many changes are gone before the garbage collector has moved most of them. */
const RECENT_VALUES = 256;
const NO_ENTRY = -1;

export class Memtable<Value> {
  readonly #codec: IndexCodec<Value>;
  readonly #hash = new KeyHash();
  /** The latest values, and whose they are; the oldest is replaced first. */
  readonly #recent: (Value | undefined)[] = [];
  readonly #recentEntries = new Int32Array(RECENT_VALUES).fill(NO_ENTRY);
  #nextRecent = 0;
  readonly #packed = new PackedTable();
  /** Entries of the table in the order of their keys, each in one of the lists. */
  #sorted: Uint32Array[] = [];
  /** Entries below this one are in a list. */
  #sortedEnd = 0;
  /** Calls of `set`, not distinct keys. */
  #changes = 0;

  constructor(codec: IndexCodec<Value>) {
    this.#codec = codec;
  }

  get changes(): number {
    return this.#changes;
  }

  /** Distinct keys. */
  get size(): number {
    return this.#packed.size;
  }

  /** `hash` is that of `key`. Undefined when the key was not changed. */
  get(key: string, hash: KeyHash): Value | Deleted | undefined {
    const entry = this.#packed.find(key, hash);
    return entry < 0 ? undefined : this.#valueOf(entry, key);
  }

  set(key: string, value: Value | Deleted): void {
    const packed = this.#packed;
    const entry = packed.entryOf(key, this.#hash.of(key));
    const recent = packed.newer(entry);
    this.#changes++;
    if (value === DELETED) {
      if (recent >= 0) this.#forget(recent, entry);
      packed.setValue(entry, undefined);
    } else if (recent >= 0) this.#recent[recent] = value;
    else this.#remember(entry, value);
    if (packed.size - this.#sortedEnd >= SORTED_KEYS_MAX) this.#sortRest();
  }

  /** Encodes every value that is not yet. */
  pack(): void {
    for (let recent = 0; recent < RECENT_VALUES; recent++) this.#pack(recent);
  }

  /** Cursors on the first key at or above `from` of each list that has one; together they have every key once. */
  cursors(from: string, age: number): MemtableCursor<Value | Deleted>[] {
    this.#sortRest();
    const cursors: MemtableCursor<Value | Deleted>[] = [];
    const decode = (entry: number, key: string): Value | Deleted => this.#valueOf(entry, key);
    for (const entries of this.#sorted) {
      const cursor = new MemtableCursor(this.#packed, entries, age, decode);
      if (cursor.seek(from)) cursors.push(cursor);
    }
    return cursors;
  }

  /** Lays the changes of a newer memtable over this one, all of whose own are packed. */
  absorb(newer: Memtable<Value>): void {
    newer.pack();
    const from = newer.#packed;
    for (let entry = 0; entry < from.size; entry++) {
      const key = from.key(entry);
      const value = from.isDeleted(entry)
        ? undefined
        : from.valueBytes(entry).subarray(from.valueStart(entry), from.valueEnd(entry));
      this.#packed.setValue(this.#packed.entryOf(key, this.#hash.of(key)), value);
    }
    this.#changes += newer.#changes;
  }

  /** Forgets everything but keeps the memory, for the next changes. */
  clear(): void {
    this.#recent.length = 0;
    this.#recentEntries.fill(NO_ENTRY);
    this.#nextRecent = 0;
    this.#packed.clear();
    this.#sorted = [];
    this.#sortedEnd = 0;
    this.#changes = 0;
  }

  #valueOf(entry: number, key: string): Value | Deleted {
    const packed = this.#packed;
    const recent = packed.newer(entry);
    if (recent >= 0) return this.#recent[recent]!;
    if (packed.isDeleted(entry)) return DELETED;
    const bytes = packed.valueBytes(entry).subarray(packed.valueStart(entry), packed.valueEnd(entry));
    return this.#codec.decode(key, bytes);
  }

  #remember(entry: number, value: Value): void {
    const recent = this.#nextRecent;
    this.#nextRecent = (recent + 1) % RECENT_VALUES;
    this.#pack(recent);
    this.#recent[recent] = value;
    this.#recentEntries[recent] = entry;
    this.#packed.setNewer(entry, recent);
  }

  #forget(recent: number, entry: number): void {
    this.#recent[recent] = undefined;
    this.#recentEntries[recent] = NO_ENTRY;
    this.#packed.setNewer(entry, -1);
  }

  /** Encodes the value in this place, if there is one, and frees the place. */
  #pack(recent: number): void {
    const entry = this.#recentEntries[recent]!;
    if (entry === NO_ENTRY) return;
    this.#packed.setValue(entry, this.#codec.encode(this.#recent[recent]!));
    this.#forget(recent, entry);
  }

  /** The newest list takes in what is short, so that many scans among few changes do not leave many lists. */
  #sortRest(): void {
    const first = this.#sortedEnd;
    const end = this.#packed.size;
    if (first === end) return;
    this.#sortedEnd = end;
    const keys: string[] = [];
    for (let entry = first; entry < end; entry++) keys.push(this.#packed.key(entry));
    const rest = sortedOrder(keys);
    for (let i = 0; i < rest.length; i++) rest[i]! += first;
    const newest = this.#sorted.at(-1);
    if (newest !== undefined && newest.length + rest.length <= SORTED_KEYS_MAX)
      this.#sorted[this.#sorted.length - 1] = merge(this.#packed, newest, rest, keys, first);
    else this.#sorted.push(rest);
  }
}

/** `b` has the entries from `first` on, whose keys are `keys`. */
function merge(
  table: PackedTable,
  a: Uint32Array,
  b: Uint32Array,
  keys: readonly string[],
  first: number,
): Uint32Array {
  const merged = new Uint32Array(a.length + b.length);
  let at = 0;
  let i = 0;
  for (const entry of b) {
    const key = keys[entry - first]!;
    while (i < a.length && table.compareWith(a[i]!, key) < 0) merged[at++] = a[i++]!;
    merged[at++] = entry;
  }
  merged.set(a.subarray(i), at);
  return merged;
}
