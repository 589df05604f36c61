/**
 * Calls to the under-store: each with a deadline, so that a hung call never holds anything for ever; and what the engine
 * knows of objects that only the under-store holds.
 */
import { HeadraceError } from '../core/errors.js';
import type { StoredObject } from '../core/object-store.js';
import type { PolicyMode } from '../core/object.js';
import { objectKey } from '../../projections/records.js';
import { durableRecord, type EngineCore } from './engine-core.js';

/** Runs one call with the configured deadline. `UFS_UNAVAILABLE` when it passes, `CLOSED` when `stop` aborts first. */
export async function ufsCall<Result>(
  core: Pick<EngineCore, 'clock' | 'options'>,
  call: (signal: AbortSignal) => Promise<Result>,
  { timeoutMs = core.options.ufsTimeoutMs, stop }: { timeoutMs?: number; stop?: AbortSignal } = {},
): Promise<Result> {
  const controller = new AbortController();
  let late: (error: Error) => void = () => undefined;
  const deadline = new Promise<never>((_resolve, reject) => {
    late = reject;
  });
  const giveUp = (error: HeadraceError): void => {
    late(error);
    controller.abort(error);
  };
  const cancel = core.clock.schedule(timeoutMs, () =>
    giveUp(new HeadraceError('UFS_UNAVAILABLE', `the UFS did not answer within ${Math.round(timeoutMs)} ms`)),
  );
  const onStop = (): void => giveUp(new HeadraceError('CLOSED', 'the server is stopping'));
  stop?.addEventListener('abort', onStop);
  try {
    const running = call(controller.signal);
    running.catch(() => undefined);
    return await Promise.race([running, deadline]);
  } finally {
    cancel();
    stop?.removeEventListener('abort', onStop);
  }
}

/** A fetch that puts what it reads into the cache, unless the object changes meanwhile. */
export interface Fill {
  stale: boolean;
}

const DECISIONS_MAX = 10;

/** The UFS was asked, but its answer may be out of date. Never leaves the engine. */
export class StaleKnowledge extends Error {}

export interface KnownEtag {
  readonly etag: string | undefined;
  /** Throws `StaleKnowledge` when the UFS may hold another version by now: ask again. */
  readonly stillTrue: () => void;
}

export class UfsKnowledge {
  readonly #core: EngineCore;
  readonly #fills = new Map<string, Set<Fill>>();
  /** Counts everything that can make the UFS the truth for an object: evictions and direct writes. */
  #changes = 0;

  constructor(core: EngineCore) {
    this.#core = core;
    for (const partition of core.partitions) {
      partition.events$.subscribe(({ event }) => {
        if (event.type === 'ObjectEvicted' || event.type === 'DeletePersisted') this.#changes += 1;
        if (this.#fills.size > 0) this.#spoilFills(event.bucket, event.key);
      });
    }
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
   * Runs a decision that needs the ETag of an object which perhaps only the UFS holds, again while the answer proves to be out of
   * date. `SLOW_DOWN` when the object changes all the time.
   */
  async decideKnowing<Result>(
    bucket: string,
    key: string,
    policy: PolicyMode,
    decide: (known: KnownEtag) => Promise<Result>,
  ): Promise<Result> {
    for (let attempt = 0; attempt < DECISIONS_MAX; attempt++) {
      try {
        return await decide(await this.#etagFor(bucket, key, policy));
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

  async #etagFor(bucket: string, key: string, policy: PolicyMode): Promise<KnownEtag> {
    const changes = this.#changes;
    const held = policy === 'TRANSIENT' || durableRecord(this.#core, bucket, key) !== undefined;
    const etag = held ? undefined : await this.headEtag(bucket, key);
    return {
      etag,
      stillTrue: () => {
        if (changes === this.#changes || policy === 'TRANSIENT') return;
        if (durableRecord(this.#core, bucket, key) !== undefined) return;
        throw new StaleKnowledge();
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
    this.#spoilFills(bucket, key);
  }

  #spoilFills(bucket: string, key: string): void {
    for (const fill of this.#fills.get(objectKey(bucket, key)) ?? []) fill.stale = true;
  }
}
