/**
 * The entries of the overlay, which live for about a millisecond each.
 *
 * They are not deleted from a map but left behind with it, and those since are in the next one: a map that loses entries as fast as
 * it gets them is copied again and again, and V8 links each copy to the next, so that one that was moved to the old generation keeps
 * all that follow, with their records, from being collected as young. That was half of the garbage collector's work per write.
 */
import type { IndexRecord } from '../../projections/records.js';

export interface OverlayEntry {
  record: IndexRecord | undefined;
  /** Of the event that set it; `SETTLED` once that was applied. */
  offset: number;
}

const SETTLED = -1;
/** Keys of one generation, before the next begins. */
const GENERATION_KEYS = 256;

export class OverlayEntries {
  #current = new Map<string, OverlayEntry>();
  #previous = new Map<string, OverlayEntry>();
  /** Entries that are not settled. */
  #currentLeft = 0;
  #previousLeft = 0;

  get size(): number {
    return this.#currentLeft + this.#previousLeft;
  }

  get(key: string): OverlayEntry | undefined {
    const entry = this.#current.get(key) ?? (this.#previousLeft > 0 ? this.#previous.get(key) : undefined);
    return entry === undefined || entry.offset === SETTLED ? undefined : entry;
  }

  set(key: string, record: IndexRecord | undefined, offset: number): void {
    const entry = this.#current.get(key);
    if (entry !== undefined) {
      if (entry.offset === SETTLED) this.#currentLeft++;
      entry.record = record;
      entry.offset = offset;
      return;
    }
    if (this.#previousLeft === 0 && this.#current.size >= GENERATION_KEYS) this.#begin();
    else this.#settlePrevious(key);
    this.#current.set(key, { record, offset });
    this.#currentLeft++;
  }

  /** What the event at `offset` set is no longer needed. */
  settle(key: string, offset: number): void {
    const entry = this.#current.get(key);
    if (entry === undefined) this.#settlePrevious(key, offset);
    else if (entry.offset === offset) {
      settle(entry);
      this.#currentLeft--;
    }
    // The keys of a burst are not kept until the next one either.
    if (this.size === 0 && this.#current.size >= GENERATION_KEYS) this.clear();
  }

  *[Symbol.iterator](): IterableIterator<readonly [key: string, entry: OverlayEntry]> {
    for (const entries of [this.#previous, this.#current])
      for (const [key, entry] of entries) if (entry.offset !== SETTLED) yield [key, entry];
  }

  clear(): void {
    this.#current = new Map();
    this.#previous = new Map();
    this.#currentLeft = 0;
    this.#previousLeft = 0;
  }

  /** The previous generation has no entry any more. */
  #begin(): void {
    if (this.#currentLeft > 0) this.#previous = this.#current;
    this.#previousLeft = this.#currentLeft;
    this.#current = new Map();
    this.#currentLeft = 0;
  }

  #settlePrevious(key: string, offset?: number): void {
    if (this.#previousLeft === 0) return;
    const entry = this.#previous.get(key);
    if (entry === undefined || entry.offset === SETTLED || entry.offset !== (offset ?? entry.offset)) return;
    settle(entry);
    this.#previousLeft--;
    // Its keys are not kept until the next generation, which may be long in coming.
    if (this.#previousLeft === 0) this.#previous = new Map();
  }
}

function settle(entry: OverlayEntry): void {
  entry.record = undefined;
  entry.offset = SETTLED;
}
