/**
 * The index of a simulated process, with counts of its records that are kept by adding what comes and taking away what goes: what a
 * recount of all records gives, at the cost of the records that change. Checkers compare the engine's counts with them after each
 * event, and with those of a scan now and then.
 */
import type { IndexCheckpoint, IndexStore } from '../src/core/index-store.js';
import type { Extent } from '../src/core/object.js';
import type { IndexRecord } from '../projections/records.js';

export interface SegmentTally {
  liveBytes: number;
  pinnedBytes: number;
  extents: number;
}

/** Counts by the names of the projections that keep them. */
export class Tally {
  readonly pinned = { pendingBytes: 0, transientBytes: 0, partBytes: 0 };
  readonly cache = { objects: 0, objectBytes: 0 };
  readonly uploads = { pending: 0, pendingBytes: 0, quarantined: 0 };
  /** Those that records lie in. */
  readonly segments = new Map<number, SegmentTally>();

  /** `sign` is 1 for a record that came, -1 for one that is gone. */
  count(record: IndexRecord, sign: 1 | -1): void {
    switch (record.kind) {
      case 'queued':
        this.uploads.pending += sign;
        this.uploads.pendingBytes += sign * record.size;
        if (record.quarantined) this.uploads.quarantined += sign;
        return;
      case 'part':
        this.pinned.partBytes += sign * record.size;
        return this.#countExtents(record.extents, true, sign);
      case 'object':
        this.cache.objects += sign;
        this.cache.objectBytes += sign * record.size;
        if (record.state === 'TRANSIENT') this.pinned.transientBytes += sign * record.size;
        else if (record.state !== 'PERSISTED') this.pinned.pendingBytes += sign * record.size;
        return this.#countExtents(record.extents, record.state !== 'PERSISTED', sign);
      default:
        return;
    }
  }

  #countExtents(extents: readonly Extent[], isPinned: boolean, sign: 1 | -1): void {
    for (const { segment, size } of extents) {
      let tally = this.segments.get(segment);
      if (tally === undefined) {
        tally = { liveBytes: 0, pinnedBytes: 0, extents: 0 };
        this.segments.set(segment, tally);
      }
      tally.liveBytes += sign * size;
      tally.extents += sign;
      if (isPinned) tally.pinnedBytes += sign * size;
      if (tally.extents === 0) this.segments.delete(segment);
    }
  }
}

const FIRST_KEY = '';
const LAST_KEY = '\xff';

export class TalliedIndex implements IndexStore<IndexRecord> {
  readonly #store: IndexStore<IndexRecord>;
  readonly #records = new Map<string, IndexRecord>();
  #tally: Tally | undefined;

  constructor(store: IndexStore<IndexRecord>) {
    this.#store = store;
  }

  /** How many records there are, as far as they are counted. */
  get size(): number {
    return this.#records.size;
  }

  /** The counts; the first call begins them with a scan. */
  get tally(): Tally {
    if (this.#tally === undefined) {
      this.#tally = new Tally();
      for (const [key, record] of this.#store.scan(FIRST_KEY, LAST_KEY))
        this.#learn(this.#tally, key, record);
    }
    return this.#tally;
  }

  get(key: string): IndexRecord | undefined {
    return this.#store.get(key);
  }

  set(key: string, record: IndexRecord): void {
    if (this.#tally !== undefined) {
      this.#forget(this.#tally, key);
      this.#learn(this.#tally, key, record);
    }
    this.#store.set(key, record);
  }

  delete(key: string): void {
    if (this.#tally !== undefined) this.#forget(this.#tally, key);
    this.#store.delete(key);
  }

  scan(from: string, to: string): IterableIterator<readonly [key: string, value: IndexRecord]> {
    return this.#store.scan(from, to);
  }

  get changes(): number {
    return this.#store.changes;
  }

  checkpoint(offset: number, meta: Uint8Array): Promise<void> {
    return this.#store.checkpoint(offset, meta);
  }

  get checkpoints(): readonly IndexCheckpoint[] {
    return this.#store.checkpoints;
  }

  openAt(checkpoint: IndexCheckpoint): Promise<IndexStore<IndexRecord>> {
    return this.#store.openAt(checkpoint);
  }

  close(): Promise<void> {
    return this.#store.close();
  }

  #learn(tally: Tally, key: string, record: IndexRecord): void {
    this.#records.set(key, record);
    tally.count(record, 1);
  }

  #forget(tally: Tally, key: string): void {
    const record = this.#records.get(key);
    if (record === undefined) return;
    this.#records.delete(key);
    tally.count(record, -1);
  }
}
