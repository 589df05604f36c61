/**
 * What the engine knows of objects that only the under-store holds: answers that may still be believed, fetches under way,
 * and whether a decision may rest on what was asked.
 *
 * Invariant: what changes an object in the under-store, or makes the under-store the truth for it, spoils the answers and
 * fetches that were begun before.
 */
import { HeadraceError } from '../core/errors.js';
import type { ByteRange, StoredObject, StoreGetResult } from '../core/object-store.js';
import type { PolicyMode } from '../core/object.js';
import { objectKey } from '../../projections/records.js';
import type { DecisionView } from './decision.js';
import { durableRecord, type EngineCore } from './engine-core.js';
import { ufsCall, ufsGet } from './ufs-calls.js';
import type { Question } from './ufs-metadata-cache.js';

/** A fetch that puts what it reads into the cache, unless the object changes meanwhile. */
export interface Fill {
  stale: boolean;
}

const DECISIONS_MAX = 10;
/** After these the UFS is what says whether the object exists. */
const UFS_BECOMES_TRUTH: ReadonlySet<string> = new Set([
  'ObjectEvicted',
  'DeletePersisted',
  'PersistDiscarded',
]);

/** The UFS was asked, but its answer may be out of date. Never leaves the engine. */
class StaleKnowledge extends Error {}

export interface KnownObject {
  /** What only the UFS holds; undefined when it has none, or when the cache holds the object. */
  readonly object: StoredObject | undefined;
  /** Of `object`. */
  readonly etag: string | undefined;
  /**
   * To be called in the decision. Throws `StaleKnowledge` when the UFS is the truth for the object and may hold another version
   * than `object` by now: ask again.
   */
  readonly stillTrue: (view: Pick<DecisionView, 'records'>) => void;
}

export class UfsKnowledge {
  readonly #core: EngineCore;
  readonly #fills = new Map<string, Set<Fill>>();
  readonly #asked = new Map<string, { question: Question; answer: Promise<StoredObject | undefined> }>();
  /** Counts everything that can make the UFS the truth for an object: evictions and direct writes. */
  #changes = 0;

  constructor(core: EngineCore) {
    this.#core = core;
    core.known.listen(() => {
      for (const fills of this.#fills.values()) for (const fill of fills) fill.stale = true;
    });
    for (const partition of core.partitions) {
      partition.events$.subscribe(({ event }) => {
        const isTruth = UFS_BECOMES_TRUTH.has(event.type);
        if (isTruth) this.#changes += 1;
        if (isTruth || event.type === 'ObjectPersisted') core.known.forget(event.bucket, event.key);
        if (this.#fills.size > 0) this.#spoilFills(event.bucket, event.key);
      });
    }
  }

  /**
   * What the UFS said lately, or says now; readers that ask at the same time share one answer. For reads: decisions take `head`.
   * `UFS_*`.
   */
  async headForRead(bucket: string, key: string): Promise<StoredObject | undefined> {
    const known = this.#core.known.object(bucket, key);
    if (known !== undefined) return known.object;
    const indexKey = objectKey(bucket, key);
    const asked = this.#asked.get(indexKey);
    if (asked !== undefined && !asked.question.stale) return asked.answer;
    const question = this.#core.known.askObject(bucket, key);
    const answer = this.head(bucket, key);
    const entry = { question, answer };
    this.#asked.set(indexKey, entry);
    try {
      const object = await answer;
      this.#endQuestion(bucket, key, question, { object });
      return object;
    } catch (error) {
      this.#endQuestion(bucket, key, question);
      throw error;
    } finally {
      if (this.#asked.get(indexKey) === entry) this.#asked.delete(indexKey);
    }
  }

  /** The object with its body, for reads: what it is like is kept for those who ask later. Undefined, `UFS_*` as `head`. */
  async get(bucket: string, key: string, range?: ByteRange): Promise<StoreGetResult | undefined> {
    const located = this.#core.mounts.locate(bucket, key);
    const question = this.#core.known.askObject(bucket, key);
    try {
      const result = await ufsGet(this.#core, (signal) =>
        located.store.get(located.bucket, located.key, range, signal),
      );
      this.#endQuestion(bucket, key, question, { object: result?.object });
      return result;
    } catch (error) {
      this.#endQuestion(bucket, key, question);
      throw error;
    }
  }

  #endQuestion(
    bucket: string,
    key: string,
    question: Question,
    answer?: { object: StoredObject | undefined },
  ): void {
    // Whoever holds the lock may be changing it just now.
    const isChanging = this.#core.locks.isHeld(objectKey(bucket, key));
    this.#core.known.endObject(bucket, key, question, isChanging ? undefined : answer);
  }

  /** Undefined when the UFS has no such object. `UFS_*`. */
  async head(bucket: string, key: string): Promise<StoredObject | undefined> {
    const located = this.#core.mounts.locate(bucket, key);
    return ufsCall(this.#core, (signal) => located.store.head(located.bucket, located.key, signal));
  }

  async headEtag(bucket: string, key: string): Promise<string | undefined> {
    return (await this.head(bucket, key))?.etag;
  }

  /**
   * Runs a decision that needs to know an object which perhaps only the UFS holds, again while the answer proves to be out of
   * date. `SLOW_DOWN` when the object changes all the time.
   */
  async decideKnowing<Result>(
    bucket: string,
    key: string,
    policy: PolicyMode,
    decide: (known: KnownObject) => Promise<Result>,
  ): Promise<Result> {
    for (let attempt = 0; attempt < DECISIONS_MAX; attempt++) {
      try {
        return await decide(await this.#knownOf(bucket, key, policy));
      } catch (error) {
        if (!(error instanceof StaleKnowledge)) throw error;
      }
    }
    throw new HeadraceError(
      'SLOW_DOWN',
      `the object "${key}" changes faster than its condition can be checked`,
      {
        details: { retryAfterMs: 1000 },
      },
    );
  }

  async #knownOf(bucket: string, key: string, policy: PolicyMode): Promise<KnownObject> {
    if (policy === 'TRANSIENT') return { object: undefined, etag: undefined, stillTrue: () => undefined };
    const changes = this.#changes;
    const wasHeld = durableRecord(this.#core, bucket, key) !== undefined;
    const object = wasHeld ? undefined : await this.head(bucket, key);
    return {
      object,
      etag: object?.etag,
      stillTrue: ({ records }) => {
        // What the cache holds decides; that includes what is queued, such as an eviction that is not durable yet.
        if (records.get(objectKey(bucket, key)) !== undefined) return;
        const isHeld = durableRecord(this.#core, bucket, key) !== undefined;
        if (wasHeld || isHeld || changes !== this.#changes) throw new StaleKnowledge();
      },
    };
  }

  /** Begins a fill; `end` must be called. Undefined while somebody changes the object in the UFS. */
  beginFill(bucket: string, key: string): { fill: Fill; end: () => void } | undefined {
    const indexKey = objectKey(bucket, key);
    if (this.#core.locks.isHeld(indexKey)) return undefined;
    const fill: Fill = { stale: false };
    const fills = this.#fills.get(indexKey) ?? new Set();
    this.#fills.set(indexKey, fills);
    fills.add(fill);
    return {
      fill,
      end: () => {
        fills.delete(fill);
        if (fills.size === 0) this.#fills.delete(indexKey);
      },
    };
  }

  /** The object is about to change, or did: what is being fetched must not be kept. */
  forgetFills(bucket: string, key: string): void {
    this.#changes += 1;
    this.#core.known.forget(bucket, key);
    this.#spoilFills(bucket, key);
  }

  #spoilFills(bucket: string, key: string): void {
    for (const fill of this.#fills.get(objectKey(bucket, key)) ?? []) fill.stale = true;
  }
}
