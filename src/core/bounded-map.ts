/**
 * A map of limited size: a new key that finds no room takes that of the oldest. What is asked for often stays no longer for it.
 *
 * The oldest eighth goes at once. To come to the oldest key of a map, V8 passes over all that were deleted in front of it: one at a
 * time, a new key took 3 us among 4,096 and 73 us among 100,000; so it takes 0.2 and 0.4.
 */
export class BoundedMap<Key, Value> {
  readonly #entriesMax: number;
  readonly #entries = new Map<Key, Value>();

  constructor(entriesMax: number) {
    this.#entriesMax = entriesMax;
  }

  get(key: Key): Value | undefined {
    return this.#entries.get(key);
  }

  /** An entry that is there keeps its age. */
  set(key: Key, value: Value): void {
    if (this.#entries.size >= this.#entriesMax && !this.#entries.has(key)) forgetOldest(this.#entries);
    this.#entries.set(key, value);
  }

  delete(key: Key): void {
    this.#entries.delete(key);
  }
}

/** Deletes the eighth of the entries that was set first, at least one. */
export function forgetOldest(entries: Map<unknown, unknown>): void {
  let left = Math.ceil(entries.size / 8);
  for (const key of entries.keys()) {
    entries.delete(key);
    if (--left === 0) return;
  }
}
