/**
 * Calls to the under-store: each with a deadline, so that a hung call never holds anything for ever; and what the engine
 * knows of objects that only the under-store holds.
 */
import { HeadraceError, isErrorCode } from '../core/errors.js';
import type { ByteRange, StoredObject, StoreGetResult } from '../core/object-store.js';
import type { PolicyMode } from '../core/object.js';
import { objectKey } from '../../projections/records.js';
import { durableRecord, type EngineCore } from './engine-core.js';
import type { UfsLocation } from './mount-table.js';
import type { DecisionView } from './decision.js';
import type { Question } from './ufs-metadata-cache.js';

/** A call that moves a whole object has a deadline that grows with its size, at this lowest useful rate. */
const SLOWEST_BYTES_PER_MS = 256;

/** How long a call may take that moves `bytes`. */
export function ufsTimeoutMs(core: Pick<EngineCore, 'options'>, bytes: number): number {
  return core.options.ufsTimeoutMs + bytes / SLOWEST_BYTES_PER_MS;
}

/** Cuts off every call that was begun with it, at once. One for all calls: an `AbortSignal` would collect their listeners. */
export class CutOff {
  readonly #calls = new Set<() => void>();
  #isCut = false;

  cut(): void {
    this.#isCut = true;
    for (const end of this.#calls) end();
  }

  /** `end` is called when it is cut, unless the result was called before. */
  add(end: () => void): () => void {
    if (this.#isCut) end();
    else this.#calls.add(end);
    return () => void this.#calls.delete(end);
  }
}

/**
 * Runs one call with a deadline, the configured one unless given. `UFS_UNAVAILABLE` when it passes: a write may still take effect
 * (`details.outcomeUnknown`). `CLOSED` when `cutOff` cuts first.
 */
export async function ufsCall<Result>(
  core: Pick<EngineCore, 'clock' | 'options'>,
  call: (signal: AbortSignal) => Promise<Result>,
  { timeoutMs = core.options.ufsTimeoutMs, cutOff }: { timeoutMs?: number; cutOff?: CutOff } = {},
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
  const cancel = core.clock.schedule(timeoutMs, () => giveUp(noAnswer(timeoutMs)));
  const forget = cutOff?.add(() => giveUp(new HeadraceError('CLOSED', 'the server is stopping')));
  try {
    const running = call(controller.signal);
    running.catch(() => undefined);
    return await Promise.race([running, deadline]);
  } finally {
    cancel();
    forget?.();
  }
}

/**
 * Asks the UFS for an object, with the configured deadline for the answer and again for each piece of its body: a body that stops in
 * the middle rejects with `UFS_UNAVAILABLE` and is ended.
 */
export async function ufsGet(
  core: Pick<EngineCore, 'clock' | 'options'>,
  get: (signal: AbortSignal) => Promise<StoreGetResult | undefined>,
): Promise<StoreGetResult | undefined> {
  const controller = new AbortController();
  const result = await ufsCall(core, (signal) => {
    signal.addEventListener('abort', () => controller.abort(signal.reason), { once: true });
    return get(controller.signal);
  });
  if (result === undefined) return undefined;
  return { object: result.object, body: withIdleDeadline(core, result.body, controller) };
}

function withIdleDeadline(
  { clock, options }: Pick<EngineCore, 'clock' | 'options'>,
  body: AsyncIterable<Uint8Array>,
  controller: AbortController,
): AsyncIterableIterator<Uint8Array> {
  const source = body[Symbol.asyncIterator]();
  let failure: HeadraceError | undefined;
  const iterator: AsyncIterableIterator<Uint8Array> = {
    [Symbol.asyncIterator]: () => iterator,
    next: () => {
      if (failure !== undefined) return Promise.reject(failure);
      return new Promise((resolve, reject) => {
        const cancel = clock.schedule(options.ufsTimeoutMs, () => {
          failure = noAnswer(options.ufsTimeoutMs);
          reject(failure);
          controller.abort(failure);
          // Not waited for: it ends behind the piece that does not come.
          source.return?.(undefined).catch(() => undefined);
        });
        source.next().then(resolve, reject).finally(cancel);
      });
    },
    return: async () => {
      if (failure === undefined) await source.return?.(undefined);
      return { done: true, value: undefined };
    },
  };
  return iterator;
}

function noAnswer(timeoutMs: number): HeadraceError {
  const message = `the UFS did not answer within ${Math.round(timeoutMs)} ms`;
  return new HeadraceError('UFS_UNAVAILABLE', message, { details: { outcomeUnknown: true } });
}

/** Runs a put; a bucket that was created here while the UFS was away comes into being there with its first object. */
export async function creatingBucket<Result>(
  located: Pick<UfsLocation, 'store' | 'bucket'>,
  put: (signal: AbortSignal) => Promise<Result>,
  signal: AbortSignal,
): Promise<Result> {
  try {
    return await put(signal);
  } catch (error) {
    if (!isErrorCode(error, 'NO_SUCH_BUCKET')) throw error;
    await located.store.createBucket(located.bucket, signal);
    return put(signal);
  }
}

const WITHOUT_EFFECT = [
  'UFS_UNAVAILABLE',
  'UFS_THROTTLED',
  'UFS_DENIED',
  'UFS_REJECTED',
  'UFS_CONFLICT',
  'NO_SUCH_BUCKET',
] as const;

/** Whether a write that ended with `error` certainly had no effect in the UFS. */
export function hadNoEffect(error: unknown): boolean {
  return (
    isErrorCode(error, ...WITHOUT_EFFECT) &&
    error.details['outcomeUnknown'] !== true &&
    error.details['aborted'] !== true
  );
}

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
export class StaleKnowledge extends Error {}

export interface KnownEtag {
  /** Of what only the UFS holds; undefined when it has none, or when the cache holds the object. */
  readonly etag: string | undefined;
  /**
   * To be called in the decision. Throws `StaleKnowledge` when the UFS is the truth for the object and may hold another version
   * than `etag` by now: ask again.
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
    if (policy === 'TRANSIENT') return { etag: undefined, stillTrue: () => undefined };
    const changes = this.#changes;
    const wasHeld = durableRecord(this.#core, bucket, key) !== undefined;
    const etag = wasHeld ? undefined : await this.headEtag(bucket, key);
    return {
      etag,
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
