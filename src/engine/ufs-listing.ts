/**
 * Pages of the under-stores as one bucket: a bucket with mounts inside is the ordered merge of their stores, in which each key
 * belongs to the mount with the longest path that contains it.
 *
 * What a store has below a path that is mounted elsewhere is hidden. A directory is listed only where something in it is
 * visible, so an empty mount does not show. Pages of stores are kept for a while (`ufs-metadata-cache.ts`).
 */
import { isErrorCode } from '../core/errors.js';
import { toByteString } from '../core/key.js';
import type { StoreListEntry, StoreListPage } from '../core/object-store.js';
import { commonPrefixOf, greatestKeyBelow, pageOf } from '../core/store-listing.js';
import type { EngineCore } from './engine-core.js';
import { earlier, placeOf } from './list-entries.js';
import { keyInStore, ROOT_MOUNT, type MountSource } from './mount-table.js';
import { throwAsOutage, ufsCall } from './ufs-calls.js';

export interface UfsListRequest {
  readonly bucket: string;
  readonly prefix: string;
  readonly delimiter: string;
  readonly startAfter: string;
}

const EMPTY: StoreListPage = { entries: [], nextStartAfter: undefined };
/** Keys that are looked at to find one that is visible. */
const PROBE_KEYS = 100;

export class UfsListing {
  readonly #core: EngineCore;

  constructor(core: EngineCore) {
    this.#core = core;
  }

  /** At most `limit` entries, in UTF-8 order; empty for a bucket that the store does not have. `UFS_*`. */
  async page(request: UfsListRequest, limit: number): Promise<StoreListPage> {
    const sources = this.#core.mounts.sources(request.bucket, request.prefix);
    const [only] = sources;
    if (sources.length === 1 && only !== undefined) return this.#storePage(only, request, limit);
    const pages = await Promise.all(
      sources.map((source) => this.#visiblePage(source, sources, request, limit)),
    );
    return merged(pages, limit);
  }

  /** What is visible of one of several stores. */
  async #visiblePage(
    source: MountSource,
    sources: readonly MountSource[],
    request: UfsListRequest,
    limit: number,
  ): Promise<StoreListPage> {
    const hidden = hiddenIn(source, sources);
    const { prefix, delimiter, startAfter } = request;
    if (source.keyPrefix.length > prefix.length) {
      const common = commonPrefixOf(source.keyPrefix, prefix, delimiter);
      const inside = { ...request, prefix: source.keyPrefix };
      if (common === undefined) return this.#cutPage(source, hidden, inside, limit);
      const isThere = await this.#isAnythingVisible(source, hidden, { ...inside, startAfter });
      return isThere ? { entries: [{ kind: 'prefix', prefix: common }], nextStartAfter: undefined } : EMPTY;
    }
    return this.#cutPage(source, hidden, request, limit);
  }

  /** A page that ends where something hidden begins. */
  async #cutPage(
    source: MountSource,
    hidden: readonly string[],
    request: UfsListRequest,
    limit: number,
  ): Promise<StoreListPage> {
    const page = await this.#storePage(source, request, limit);
    const entries: StoreListEntry[] = [];
    for (const entry of page.entries) {
      const name = entry.kind === 'object' ? entry.key : entry.prefix;
      const hiding = hidden.find((keyPrefix) => name.startsWith(keyPrefix));
      // The rest of what is hidden is not even asked for.
      if (hiding !== undefined) return { entries, nextStartAfter: greatestKeyBelow(hiding) };
      const isPartlyHidden =
        entry.kind === 'prefix' && hidden.some((keyPrefix) => keyPrefix.startsWith(name));
      if (isPartlyHidden && !(await this.#isAnythingVisible(source, hidden, { ...request, prefix: name })))
        continue;
      entries.push(entry);
    }
    return { entries, nextStartAfter: page.nextStartAfter };
  }

  async #isAnythingVisible(
    source: MountSource,
    hidden: readonly string[],
    { bucket, prefix, startAfter }: Omit<UfsListRequest, 'delimiter'>,
  ): Promise<boolean> {
    let next: string | undefined = toByteString(startAfter) > toByteString(prefix) ? startAfter : '';
    while (next !== undefined) {
      const request: UfsListRequest = { bucket, prefix, delimiter: '', startAfter: next };
      const page: StoreListPage = await this.#cutPage(source, hidden, request, PROBE_KEYS);
      if (page.entries.length > 0) return true;
      next = page.nextStartAfter;
    }
    return false;
  }

  /** A page of one store, in the keys of the bucket. */
  async #storePage(source: MountSource, request: UfsListRequest, limit: number): Promise<StoreListPage> {
    const startAfter = startInStore(source, request.startAfter);
    if (startAfter === undefined) return EMPTY;
    const { known } = this.#core;
    const { bucket, prefix, delimiter } = request;
    const name = `${source.path}\0${delimiter}\0${startAfter}\0${limit}`;
    const held = known.page(bucket, prefix, name);
    if (held !== undefined) return held;
    const question = known.askPage(bucket, prefix);
    let page: StoreListPage | undefined;
    try {
      const found = await ufsCall(this.#core, (signal) =>
        source.store.list(
          { bucket: source.bucket, prefix: keyInStore(source, prefix), delimiter, startAfter, limit },
          signal,
        ),
      );
      page = inBucket(source, found);
    } catch (error) {
      if (!isErrorCode(error, 'NO_SUCH_BUCKET')) throw error;
      await this.#confirmAbsence(source);
    } finally {
      known.endPage(bucket, prefix, question, page === undefined ? undefined : { name, page });
    }
    return page ?? EMPTY;
  }

  /**
   * A store without the bucket is empty: one that was created while the UFS was away, or that holds TRANSIENT data only. A mount's
   * bucket that went is an outage, or tools that compare listings would take all that is in it for deleted.
   */
  async #confirmAbsence({ path, store }: MountSource): Promise<void> {
    if (path !== ROOT_MOUNT) await ufsCall(this.#core, (signal) => store.check(signal)).catch(throwAsOutage);
  }
}

/** Where a listing starts in the store; undefined when it starts behind all that the source has. */
function startInStore(source: MountSource, startAfter: string): string | undefined {
  if (startAfter.startsWith(source.keyPrefix)) return startAfter === '' ? '' : keyInStore(source, startAfter);
  return toByteString(startAfter) < toByteString(source.keyPrefix) ? '' : undefined;
}

/** The page with the store's prefix taken off and the mount's put in front. */
function inBucket(source: MountSource, page: StoreListPage): StoreListPage {
  const { keyPrefix, prefix } = source;
  if (keyPrefix === prefix) return page;
  const rename = (name: string): string => keyPrefix + name.slice(prefix.length);
  return {
    entries: page.entries.map((entry) =>
      entry.kind === 'object'
        ? { ...entry, key: rename(entry.key) }
        : { kind: 'prefix', prefix: rename(entry.prefix) },
    ),
    nextStartAfter: page.nextStartAfter === undefined ? undefined : rename(page.nextStartAfter),
  };
}

/** What of the source's keys belongs to mounts inside it. */
function hiddenIn(source: MountSource, sources: readonly MountSource[]): string[] {
  return sources
    .map(({ keyPrefix }) => keyPrefix)
    .filter(
      (keyPrefix) => keyPrefix.length > source.keyPrefix.length && keyPrefix.startsWith(source.keyPrefix),
    );
}

/** In order, up to where the first of the pages ends. */
function merged(pages: readonly StoreListPage[], limit: number): StoreListPage {
  let end: string | undefined;
  const byPlace = new Map<string, StoreListEntry>();
  for (const page of pages) {
    end = earlier(end, page.nextStartAfter);
    for (const entry of page.entries) byPlace.set(placeOf(entry), entry);
  }
  const last = end === undefined ? undefined : toByteString(end);
  const entries = [...byPlace]
    .filter(([place]) => last === undefined || place <= last)
    .toSorted(([a], [b]) => (a < b ? -1 : 1))
    .map(([, entry]) => entry);
  return entries.length > limit ? pageOf(entries, limit) : { entries, nextStartAfter: end };
}
