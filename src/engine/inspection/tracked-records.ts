/**
 * Records that remember what they were at marked moments, so that states of several offsets can be looked at and compared after one
 * pass, at the price of what changed in between and not of a copy of everything.
 *
 * A mark keeps, for each key that changes behind it and before the next mark, the record that was there. What a record was at a mark is
 * in the first of the marks from it on that has the key, or is what it is now.
 */
import { assert } from '../../core/assert.js';
import type { IndexRecord, RecordMap } from '../../../projections/records.js';

/** What is asked of a state that nothing changes any more. */
export interface RecordView {
  get(key: string): IndexRecord | undefined;
  /** Entries with `from ≤ key < to`, ascending. */
  scan(from: string, to: string): Iterable<readonly [key: string, record: IndexRecord]>;
}

/** Above every key. */
export const RECORDS_END = '\xff';

/** What lies below: an index in memory, or a checkpoint of one on the disk with changes over it. */
export interface TrackedBase extends RecordView {
  set(key: string, record: IndexRecord): void;
  delete(key: string): void;
}

type Earlier = Map<string, IndexRecord | undefined>;

export class TrackedRecords implements RecordMap, RecordView {
  readonly #base: TrackedBase;
  readonly #marks: Earlier[] = [];
  #newest: Earlier | undefined;

  constructor(base: TrackedBase) {
    this.#base = base;
  }

  get(key: string): IndexRecord | undefined {
    return this.#base.get(key);
  }

  set(key: string, record: IndexRecord): void {
    if (this.#newest !== undefined) this.#remember(this.#newest, key);
    this.#base.set(key, record);
  }

  delete(key: string): void {
    if (this.#newest !== undefined) this.#remember(this.#newest, key);
    this.#base.delete(key);
  }

  keys(from: string, to: string): string[] {
    return Array.from(this.#base.scan(from, to), ([key]) => key);
  }

  scan(from: string, to: string): Iterable<readonly [key: string, record: IndexRecord]> {
    return this.#base.scan(from, to);
  }

  /** The records as they are at this moment, and stay. */
  mark(): MarkedRecords {
    this.#newest = new Map();
    this.#marks.push(this.#newest);
    return new MarkedRecords(this, this.#base, this.#marks, this.#marks.length - 1);
  }

  #remember(newest: Earlier, key: string): void {
    if (!newest.has(key)) newest.set(key, this.#base.get(key));
  }
}

/** The records of a moment, which nothing changes. */
export class MarkedRecords implements RecordMap, RecordView {
  readonly #owner: TrackedRecords;
  readonly #base: RecordView;
  readonly #marks: readonly Earlier[];
  readonly #at: number;

  constructor(owner: TrackedRecords, base: RecordView, marks: readonly Earlier[], at: number) {
    this.#owner = owner;
    this.#base = base;
    this.#marks = marks;
    this.#at = at;
  }

  get(key: string): IndexRecord | undefined {
    for (let at = this.#at; at < this.#marks.length; at++) {
      const earlier = this.#marks[at];
      if (earlier?.has(key) === true) return earlier.get(key);
    }
    return this.#base.get(key);
  }

  scan(from: string, to: string): Iterable<readonly [key: string, record: IndexRecord]> {
    const changed = this.#changed(this.#marks.length).filter((key) => key >= from && key < to);
    return changed.length === 0 ? this.#base.scan(from, to) : this.#scanOver(changed, from, to);
  }

  keys(from: string, to: string): string[] {
    return Array.from(this.scan(from, to), ([key]) => key);
  }

  set(key: string): void {
    assert(false, `${key} of a moment that is past is set`);
  }

  delete(key: string): void {
    assert(false, `${key} of a moment that is past is deleted`);
  }

  /** Keys that changed between this moment and a later one, ascending; undefined when the two have nothing in common. */
  changedUntil(later: RecordView): string[] | undefined {
    if (!(later instanceof MarkedRecords) || later.#owner !== this.#owner || later.#at < this.#at)
      return undefined;
    return this.#changed(later.#at);
  }

  /** The same in any order, without putting all in one: for those who take their time. */
  changesUntil(later: RecordView): Iterable<string> | undefined {
    if (!(later instanceof MarkedRecords) || later.#owner !== this.#owner || later.#at < this.#at)
      return undefined;
    const [only, ...more] = this.#marks.slice(this.#at, later.#at);
    if (more.length > 0) return this.#changed(later.#at);
    return only?.keys() ?? [];
  }

  #changed(end: number): string[] {
    const keys = new Set<string>();
    for (const earlier of this.#marks.slice(this.#at, end)) for (const key of earlier.keys()) keys.add(key);
    return [...keys].sort();
  }

  /** What is below, with what it was in the place of what changed. */
  *#scanOver(
    changed: readonly string[],
    from: string,
    to: string,
  ): Generator<readonly [key: string, record: IndexRecord], void, undefined> {
    const isChanged = new Set(changed);
    let at = 0;
    for (const entry of this.#base.scan(from, to)) {
      for (; at < changed.length && (changed[at] as string) < entry[0]; at++)
        yield* this.#entry(changed[at] as string);
      if (!isChanged.has(entry[0])) yield entry;
    }
    for (; at < changed.length; at++) yield* this.#entry(changed[at] as string);
  }

  #entry(key: string): [key: string, record: IndexRecord][] {
    const record = this.get(key);
    return record === undefined ? [] : [[key, record]];
  }
}
