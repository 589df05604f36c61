/**
 * The fetches under way: whoever reads an object that is being fetched joins instead of fetching it again.
 *
 * Invariant: a read joins only a fetch of what is still the truth. Whatever is changed here spoils the fetch for those who come
 * later (`UfsKnowledge`), so that a read after a write never gets what was there before it.
 */
import type { HeadraceError } from '../core/errors.js';
import type { ByteRange, StoreGetResult } from '../core/object-store.js';
import { MIB } from '../core/units.js';
import { objectKey } from '../../projections/records.js';
import { durableRecord, type EngineCore } from './engine-core.js';
import { FillFlight } from './fill-flight.js';
import { changedMeanwhile, fromStored, noSuchKey, sameOrNone } from './stored-objects.js';
import { ufsGet } from './ufs-calls.js';
import type { Fill, UfsKnowledge } from './ufs-knowledge.js';

/** Memory of all windows together, and of one. A few fetches may get the larger window. */
const WINDOWS_BYTES = 64 * MIB;
const WINDOW_BYTES_MAX = 4 * MIB;
/** Twice what the segment writer collects before it writes: else it would wait for the fetch, and the fetch for it. */
const WINDOW_BYTES_MIN = 2 * MIB;

export type LoadOutcome = 'loaded' | 'held' | 'noRoom' | 'absent' | 'dropped';

interface Entry {
  readonly fill: Fill;
  readonly opened: Promise<FillFlight>;
  /** Those who wait for `opened`. */
  waiting: number;
}

export class FillFlights {
  readonly #core: EngineCore;
  readonly #ufs: UfsKnowledge;
  readonly #entries = new Map<string, Entry>();
  readonly #running = new Map<FillFlight, Promise<void>>();
  #isClosed = false;
  /** Fetches of whole objects that were begun, for metrics. */
  fetches = 0;
  /** Reads that joined one. */
  joined = 0;

  constructor(core: EngineCore, ufs: UfsKnowledge) {
    this.#core = core;
    this.#ufs = ufs;
  }

  /** How many are under way. */
  get size(): number {
    return this.#running.size;
  }

  /**
   * Runs `use` on a fetch from which the object can be read from its start; it takes a reader, or keeps it, before it returns.
   * `NO_SUCH_KEY`, `UFS_*`, and what `use` throws.
   */
  async with<Result>(bucket: string, key: string, use: (flight: FillFlight) => Result): Promise<Result> {
    const indexKey = objectKey(bucket, key);
    const found = this.#entries.get(indexKey);
    if (found !== undefined && !found.fill.stale) {
      const result = await this.#join(found, (flight) =>
        flight.canServe(0) ? { used: use(flight) } : undefined,
      );
      if (result !== undefined) {
        this.joined += 1;
        return result.used;
      }
    }
    return this.#join(this.#begin(bucket, key), use);
  }

  /** A fetch under way from which `position` can be read now. */
  covering(bucket: string, key: string, position: number): FillFlight | undefined {
    if (this.#running.size === 0) return undefined;
    for (const flight of this.#running.keys()) {
      if (flight.bucket === bucket && flight.key === key && !flight.isStale && flight.canServe(position))
        return flight;
    }
    return undefined;
  }

  /** Takes an object into the cache. `UFS_*`. */
  async load(bucket: string, key: string): Promise<LoadOutcome> {
    if (durableRecord(this.#core, bucket, key) !== undefined) return 'held';
    const { flight, release } = await this.with(bucket, key, (found) => ({
      flight: found,
      release: found.keep(),
    }));
    try {
      await this.#running.get(flight);
    } finally {
      release();
    }
    if (flight.phase === 'broken') throw flight.failure as HeadraceError;
    return flight.outcome === 'kept' ? 'loaded' : flight.outcome;
  }

  /** Ends all fetches; resolves when nothing is written any more. */
  async close(): Promise<void> {
    this.#isClosed = true;
    for (const flight of this.#running.keys()) flight.abandon();
    await Promise.all(this.#running.values());
  }

  async #join<Result>(entry: Entry, use: (flight: FillFlight) => Result): Promise<Result> {
    entry.waiting += 1;
    let flight: FillFlight | undefined;
    try {
      flight = await entry.opened;
      return use(flight);
    } finally {
      entry.waiting -= 1;
      // Perhaps nobody took it.
      if (entry.waiting === 0) flight?.keep()();
    }
  }

  #begin(bucket: string, key: string): Entry {
    const indexKey = objectKey(bucket, key);
    const begun = this.#ufs.beginFill(bucket, key);
    const fill = begun?.fill ?? { stale: true };
    const entry: Entry = {
      fill,
      waiting: 0,
      opened: this.#open(bucket, key, begun?.fill).then((flight) => {
        const running = flight.run().then(() => {
          this.#running.delete(flight);
          this.#forget(indexKey, entry);
          begun?.end();
        });
        this.#running.set(flight, running);
        if (this.#isClosed) flight.abandon();
        return flight;
      }),
    };
    entry.opened.catch(() => {
      this.#forget(indexKey, entry);
      begun?.end();
    });
    if (begun !== undefined) this.#entries.set(indexKey, entry);
    return entry;
  }

  #forget(indexKey: string, entry: Entry): void {
    if (this.#entries.get(indexKey) === entry) this.#entries.delete(indexKey);
  }

  async #open(bucket: string, key: string, fill: Fill | undefined): Promise<FillFlight> {
    this.fetches += 1;
    const result = await this.#ufs.get(bucket, key);
    if (result === undefined) throw noSuchKey(key);
    const { object: stored, body } = result;
    const isUnchanged = async (): Promise<boolean> =>
      (await this.#ufs.head(bucket, key))?.storeEtag === stored.storeEtag;
    return new FillFlight(this.#core, {
      bucket,
      key,
      object: fromStored(stored),
      body,
      caching: fill === undefined ? undefined : { fill, isUnchanged },
      windowBytes: () =>
        Math.max(
          WINDOW_BYTES_MIN,
          Math.min(WINDOW_BYTES_MAX, WINDOWS_BYTES / Math.max(this.#running.size, 1)),
        ),
      fetch: (range) => this.#fetchRest(bucket, key, range, stored.storeEtag),
    });
  }

  async #fetchRest(
    bucket: string,
    key: string,
    range: ByteRange,
    storeEtag: string,
  ): Promise<AsyncIterable<Uint8Array>> {
    const located = this.#core.mounts.locate(bucket, key);
    const get = (): Promise<StoreGetResult | undefined> =>
      ufsGet(this.#core, (signal) => located.store.get(located.bucket, located.key, range, signal));
    const result = await sameOrNone(get, { storeEtag });
    if (result !== undefined) return result.body;
    throw changedMeanwhile(key);
  }
}
