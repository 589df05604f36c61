/**
 * What has been decided but is not durable yet, laid over the durable index.
 *
 * Decisions see it, reads do not: a read shows only what a crash would keep. An entry goes when the event that set it is
 * applied to the index below.
 */
import type { IndexStore } from '../core/index-store.js';
import type { DataEvent } from '../../log/events.js';
import { foldMultipartUploads } from '../../projections/multipart-uploads.js';
import { foldObjectIndex } from '../../projections/object-index.js';
import type { IndexRecord, RecordMap } from '../../projections/records.js';
import { emptyUfsBases, foldUfsBases, type UfsBases } from '../../projections/ufs-bases.js';
import { OverlayEntries } from './overlay-entries.js';

export class Overlay implements RecordMap {
  readonly #index: IndexStore<IndexRecord>;
  readonly #entries = new OverlayEntries();
  /** Of what is durable and what is decided. */
  #bases: UfsBases = emptyUfsBases();
  /** Offset of the event that is being folded into the overlay. */
  #offset = 0;

  constructor(index: IndexStore<IndexRecord>) {
    this.#index = index;
  }

  get size(): number {
    return this.#entries.size;
  }

  /** Takes over what the queued events change; the first of them will have `firstOffset`. */
  fold(events: readonly DataEvent[], firstOffset: number): void {
    this.#offset = firstOffset;
    for (const event of events) {
      foldUfsBases(this, this.#bases, event);
      foldMultipartUploads(this, event);
      foldObjectIndex(this, event, this.#offset);
      this.#offset += 1;
    }
  }

  get(key: string): IndexRecord | undefined {
    const entry = this.#entries.get(key);
    return entry === undefined ? this.#index.get(key) : entry.record;
  }

  set(key: string, record: IndexRecord): void {
    this.#entries.set(key, record, this.#offset);
  }

  delete(key: string): void {
    this.#entries.set(key, undefined, this.#offset);
  }

  keys(from: string, to: string): string[] {
    const keys = new Set<string>();
    for (const [key] of this.#index.scan(from, to)) {
      if (this.#entries.get(key) === undefined) keys.add(key);
    }
    for (const [key, entry] of this.#entries) {
      if (key >= from && key < to && entry.record !== undefined) keys.add(key);
    }
    return [...keys];
  }

  /** The event at `offset` has been applied below: what it set here is no longer needed. */
  settle(key: string, offset: number): void {
    this.#entries.settle(key, offset);
  }

  /** Nothing is decided beyond what is durable, which has these bases. */
  clear(bases: UfsBases): void {
    this.#entries.clear();
    this.#bases = { ...bases };
  }
}

/** The durable index as the folds see it; every change settles the overlay above. */
export class DurableRecords implements RecordMap {
  readonly #index: IndexStore<IndexRecord>;
  readonly #overlay: Overlay | undefined;
  #offset = 0;

  constructor(index: IndexStore<IndexRecord>, overlay?: Overlay) {
    this.#index = index;
    this.#overlay = overlay;
  }

  begin(offset: number): void {
    this.#offset = offset;
  }

  get(key: string): IndexRecord | undefined {
    return this.#index.get(key);
  }

  set(key: string, record: IndexRecord): void {
    this.#index.set(key, record);
    this.#overlay?.settle(key, this.#offset);
  }

  delete(key: string): void {
    this.#index.delete(key);
    this.#overlay?.settle(key, this.#offset);
  }

  keys(from: string, to: string): string[] {
    return Array.from(this.#index.scan(from, to), ([key]) => key);
  }
}
