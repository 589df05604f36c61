/**
 * Listing: the ordered merge of what the UFS holds and what the cache knows. Dirty objects appear, pending deletes do not.
 *
 * Each step takes one page of the UFS and then, in the same turn of the event loop, everything the cache has in that range, so
 * that a step shows a state that existed. What left the index between the UFS's answer and that turn is in the removal
 * journal: an object that was evicted meanwhile is still listed, one whose delete was persisted meanwhile is not.
 */
import { toByteString } from '../core/key.js';
import type { StoreListEntry, StoreListPage } from '../core/object-store.js';
import { commonPrefixOf, greatestKeyBelow } from '../core/store-listing.js';
import { objectKey, parseObjectKey, type IndexRecord, type ObjectRecord } from '../../projections/records.js';
import type { EngineCore } from './engine-core.js';
import { deletedBelow, earlier, objectEntry, placeOf } from './list-entries.js';
import type { ListEntry, ListObjectsRequest, ListObjectsResult } from './object-service.js';
import type { Removal } from './removal-journal.js';
import { UfsListing } from './ufs-listing.js';

const UFS_PAGE_MAX = 1000;

/** An entry with its place in the order. */
interface Placed {
  readonly place: string;
  readonly entry: ListEntry;
}

/** What the cache knows of a range of keys. */
interface CachedRange {
  readonly live: readonly Placed[];
  /** Index keys of objects that are deleted here but perhaps not in the UFS. */
  readonly deleted: ReadonlySet<string>;
  /** Common prefixes below which something is deleted and nothing live was found. */
  readonly doubtful: ReadonlySet<string>;
  /** Up to where (inclusive, as text) the range was searched; undefined for its end. */
  readonly searchedTo: string | undefined;
}

interface ListStep {
  readonly entries: readonly ListEntry[];
  /** Undefined at the end of the listing. */
  readonly nextStartAfter: string | undefined;
}

export class ListPath {
  readonly #core: EngineCore;
  readonly #ufs: UfsListing;

  constructor(core: EngineCore) {
    this.#core = core;
    this.#ufs = new UfsListing(core);
  }

  /** As `ObjectService.listObjects`; the bucket is known to exist. */
  async list(request: ListObjectsRequest): Promise<ListObjectsResult> {
    if (request.maxKeys === 0) return { entries: [], truncated: false };
    const wanted = request.maxKeys + 1;
    const found: ListEntry[] = [];
    let startAfter: string | undefined = request.startAfter;
    while (startAfter !== undefined && found.length < wanted) {
      const step: ListStep = await this.#step({ ...request, startAfter }, wanted - found.length);
      found.push(...step.entries);
      startAfter = step.nextStartAfter;
    }
    const entries = found.slice(0, request.maxKeys);
    const last = entries.at(-1);
    const truncated = found.length > request.maxKeys;
    return truncated && last !== undefined
      ? {
          entries,
          truncated,
          nextStartAfter: last.kind === 'object' ? last.key : greatestKeyBelow(last.prefix),
        }
      : { entries, truncated: false };
  }

  /** At most about `limit` entries, in an order that goes on where the step before ended. */
  async #step(request: ListObjectsRequest, limit: number): Promise<ListStep> {
    const watch = this.#core.removals.watch();
    try {
      const page = await this.#ufs.page(request, Math.min(limit, UFS_PAGE_MAX));
      const cached = this.#cachedRange(request, page.nextStartAfter, limit);
      const end = earlier(page.nextStartAfter, cached.searchedTo);
      const entries = await this.#merge(request, page.entries, cached, end, watch.removals);
      return { entries, nextStartAfter: end };
    } finally {
      watch.stop();
    }
  }

  async #merge(
    request: ListObjectsRequest,
    ufs: readonly StoreListEntry[],
    cached: CachedRange,
    end: string | undefined,
    removals: ReadonlyMap<string, Removal>,
  ): Promise<ListEntry[]> {
    const limit = end === undefined ? undefined : toByteString(end);
    const byPlace = new Map<string, ListEntry>();
    for (const entry of ufs) {
      const visible = await this.#visibleInUfs(request, entry, cached, removals);
      if (visible !== undefined) byPlace.set(placeOf(visible), visible);
    }
    // What was evicted since the UFS was asked is at least as new as its answer.
    for (const [indexKey, removal] of removals) {
      const placed = removal === 'deleted' ? undefined : this.#placeRecord(request, indexKey, removal);
      if (placed !== undefined) byPlace.set(placed.place, placed.entry);
    }
    for (const { place, entry } of cached.live) byPlace.set(place, entry);
    return [...byPlace]
      .filter(([place]) => limit === undefined || place <= limit)
      .toSorted(([a], [b]) => (a < b ? -1 : 1))
      .map(([, entry]) => entry);
  }

  /** A UFS entry as it is to be listed; undefined when the cache hides it. */
  async #visibleInUfs(
    request: ListObjectsRequest,
    entry: StoreListEntry,
    cached: CachedRange,
    removals: ReadonlyMap<string, Removal>,
  ): Promise<ListEntry | undefined> {
    const { bucket } = request;
    if (entry.kind === 'prefix') {
      const isDoubtful = cached.doubtful.has(entry.prefix) || deletedBelow(bucket, entry.prefix, removals);
      if (!isDoubtful) return entry;
      return (await this.#somethingBelow(request, entry.prefix, removals)) ? entry : undefined;
    }
    const indexKey = objectKey(bucket, entry.key);
    if (cached.deleted.has(indexKey) || removals.get(indexKey) === 'deleted') return undefined;
    if (this.#core.policies.hasTransient && this.#core.policies.modeOf(bucket, entry.key) === 'TRANSIENT') {
      return undefined;
    }
    return { ...entry, persisted: true };
  }

  /** Whether the UFS holds an object below the prefix, and behind where the listing starts, that is not deleted here. */
  async #somethingBelow(
    { bucket, startAfter: start }: ListObjectsRequest,
    prefix: string,
    removals: ReadonlyMap<string, Removal>,
  ): Promise<boolean> {
    let startAfter: string | undefined = start.startsWith(prefix) ? start : '';
    while (startAfter !== undefined) {
      const request = { bucket, prefix, delimiter: '', startAfter };
      const page: StoreListPage = await this.#ufs.page(request, UFS_PAGE_MAX);
      const visible = page.entries.some((entry) => {
        if (entry.kind !== 'object') return false;
        const indexKey = objectKey(bucket, entry.key);
        return this.#record(indexKey)?.kind !== 'deleting' && removals.get(indexKey) !== 'deleted';
      });
      if (visible) return true;
      startAfter = page.nextStartAfter;
    }
    return false;
  }

  /** What the cache has up to `end`, at most `limit` live entries of it. Runs in one turn. */
  #cachedRange(request: ListObjectsRequest, end: string | undefined, limit: number): CachedRange {
    const { bucket, prefix, delimiter, startAfter } = request;
    const first = objectKey(bucket, prefix);
    const after = `${objectKey(bucket, startAfter)}\0`;
    const to = end === undefined ? `o${bucket}\x01` : `${objectKey(bucket, end)}\0`;
    const live: Placed[] = [];
    const deleted = new Set<string>();
    const doubtful = new Set<string>();
    let from = after > first ? after : first;
    search: for (;;) {
      for (const [indexKey, record] of this.#scan(from, to)) {
        if (!indexKey.startsWith(first)) break search;
        const { key } = parseObjectKey(indexKey);
        const common = commonPrefixOf(key, prefix, delimiter);
        if (record.kind === 'deleting') {
          deleted.add(indexKey);
          if (common !== undefined) doubtful.add(common);
          continue;
        }
        const placed = this.#placeRecord(request, indexKey, record);
        if (placed === undefined) continue;
        live.push(placed);
        if (common !== undefined) doubtful.delete(common);
        if (live.length >= limit) {
          return {
            live,
            deleted,
            doubtful,
            searchedTo: common === undefined ? key : greatestKeyBelow(common),
          };
        }
        if (common !== undefined) {
          from = `${objectKey(bucket, greatestKeyBelow(common))}\0`;
          continue search;
        }
      }
      break;
    }
    return { live, deleted, doubtful, searchedTo: end };
  }

  /** A record as it is listed, when it is an object that the request covers. */
  #placeRecord(request: ListObjectsRequest, indexKey: string, record: IndexRecord): Placed | undefined {
    if (record.kind !== 'object') return undefined;
    const { bucket, key } = parseObjectKey(indexKey);
    const { prefix, delimiter } = request;
    if (bucket !== request.bucket || !key.startsWith(prefix)) return undefined;
    if (toByteString(key) <= toByteString(request.startAfter)) return undefined;
    const common = commonPrefixOf(key, prefix, delimiter);
    const entry: ListEntry =
      common === undefined ? objectEntry(key, record) : { kind: 'prefix', prefix: common };
    return { place: placeOf(entry), entry };
  }

  #record(indexKey: string): IndexRecord | undefined {
    for (const partition of this.#core.partitions) {
      const record = partition.index.get(indexKey);
      if (record !== undefined) return record;
    }
    return undefined;
  }

  /** Object records of all partitions, in order. */
  *#scan(
    from: string,
    to: string,
  ): IterableIterator<readonly [string, ObjectRecord | Extract<IndexRecord, { kind: 'deleting' }>]> {
    const heads = this.#core.partitions.map((partition) => {
      const iterator = partition.index.scan(from, to);
      return { iterator, step: iterator.next() };
    });
    for (;;) {
      let least: (typeof heads)[number] | undefined;
      for (const head of heads) {
        if (head.step.done === true) continue;
        if (least === undefined || least.step.done === true || head.step.value[0] < least.step.value[0])
          least = head;
      }
      if (least === undefined || least.step.done === true) return;
      const [indexKey, record] = least.step.value;
      least.step = least.iterator.next();
      if (record.kind === 'object' || record.kind === 'deleting') yield [indexKey, record];
    }
  }
}
