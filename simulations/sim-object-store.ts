/**
 * `ObjectStore` in memory, with a model that is stricter than S3.
 *
 * A call is a request and an answer, each on its way for a while: calls overtake each other, an effect may come long after its
 * caller gave up, an answer may be lost. Every choice is drawn from one `SimRandom`. A put whose body, ETag or parts are not
 * what they claim is a programmer's mistake and stops the simulation.
 *
 * A process is one generation of the store: `kill` ends it and returns the next one. What was sent may still arrive; nothing
 * of a dead generation settles.
 */
import { HeadraceError } from '../src/core/errors.js';
import type {
  ByteRange,
  MultipartStore,
  ObjectStore,
  StoredBucket,
  StoredObject,
  StoreGetResult,
  StoreListPage,
  StoreListRequest,
  StoreCondition,
  StorePutRequest,
} from '../src/core/object-store.js';
import { takeMemory } from '../src/core/memory.js';
import { checkStoreCondition } from '../src/core/store-condition.js';
import { PART_BYTES_MIN } from '../src/core/object.js';
import { pageOf } from '../src/core/store-listing.js';
import { KIB } from '../src/core/units.js';
import { GatheredBody } from './content.js';
import type { Scheduler } from './scheduler.js';
import { WALL_ORIGIN_MS } from './sim-clock.js';
import { SimMultipart, SimUploads } from './sim-multipart.js';
import { checkClaims } from './sim-put-claims.js';
import type { SimRandom } from './sim-random.js';
import {
  aborted,
  type Call,
  lostAnswer,
  refusalOf,
  type StoreFault,
  StoreFaultPlan,
  type StoreFaults,
  type StoreFaultTarget,
  type StoreOperation,
} from './sim-store-faults.js';
import {
  failure,
  type HeldObject,
  rejected,
  SimStoredObjects,
  type StoreChange,
  withoutBytes,
} from './sim-stored-objects.js';

export interface SimObjectStoreOptions {
  /** One way; a call takes two. */
  readonly latencyMs?: { readonly min: number; readonly max: number };
  readonly lateEffectMs?: { readonly min: number; readonly max: number };
  readonly faults?: StoreFaults;
  /** The share of pages that are shorter than asked for, as a store may make them. */
  readonly shortPages?: number;
  /** Of all parts but the last; lower it to simulate with small bodies. */
  readonly partBytesMin?: number;
  /** Whether it takes uploads in parts. */
  readonly multipart?: boolean;
  /** What the network carries of bodies, each way; unlimited when undefined. */
  readonly bytesPerS?: number | undefined;
  /** Its wall time when the simulation begins. */
  readonly wallOriginMs?: number | undefined;
}

/** What outlives a process. */
interface World {
  readonly scheduler: Scheduler;
  readonly random: SimRandom;
  readonly options: SimObjectStoreOptions;
  readonly objects: SimStoredObjects;
  readonly faults: StoreFaultPlan;
  readonly uploads: SimUploads;
  generations: number;
  /** Requests that arrived, by operation. */
  readonly calls: Map<StoreOperation, number>;
  /** Bytes of bodies that were handed over to readers. */
  sentBytes: number;
  /** Until when the network is busy with bodies that go there, and with those that come. */
  readonly busyUntilMs: { up: number; down: number };
}

const CHUNK_BYTES = 64 * KIB;
/** How long one body has the network to itself while others wait. */
const TURN_MS_MAX = 500;
const WRITES: ReadonlySet<StoreOperation> = new Set([
  'createBucket',
  'deleteBucket',
  'put',
  'delete',
  'begin',
  'putPart',
  'complete',
  'abort',
]);

export class SimObjectStore implements ObjectStore {
  readonly description = 'simulated';
  readonly conditions = 'atomic';
  readonly multipart?: MultipartStore;
  readonly #world: World;
  readonly #generation: number;
  #alive = true;
  #closed = false;

  /** Makes an empty store, or with `world` the next generation of one. */
  constructor(scheduler: Scheduler, random: SimRandom, options: SimObjectStoreOptions = {}, world?: World) {
    this.#world = world ?? {
      scheduler,
      random,
      options,
      objects: new SimStoredObjects(() => scheduler.nowMs),
      faults: new StoreFaultPlan(random, options.faults ?? {}),
      uploads: new SimUploads(() => (options.wallOriginMs ?? WALL_ORIGIN_MS) + scheduler.nowMs),
      generations: 0,
      calls: new Map(),
      sentBytes: 0,
      busyUntilMs: { up: 0, down: 0 },
    };
    this.#generation = ++this.#world.generations;
    if (this.#world.options.multipart === true) this.multipart = this.#makeMultipart();
  }

  #makeMultipart(): MultipartStore {
    const { uploads, objects, options } = this.#world;
    return new SimMultipart({
      uploads,
      objects,
      generation: this.#generation,
      partBytesMin: options.partBytesMin ?? PART_BYTES_MIN,
      carry: (bytes) => this.#carry('up', bytes),
      exchange: (operation, bucket, key, signal, effect) =>
        this.#exchange(operation, bucket, key, signal, effect),
    });
  }

  /** Every change, in the order in which it took effect. */
  get history(): readonly StoreChange[] {
    return this.#world.objects.history;
  }

  /** Requests that arrived so far, over all generations. */
  calls(operation: StoreOperation): number {
    return this.#world.calls.get(operation) ?? 0;
  }

  get sentBytes(): number {
    return this.#world.sentBytes;
  }

  /** What a bucket holds, by key, in order: for checkers, without a call. */
  contents(bucket: string): ReadonlyMap<string, HeldObject> {
    const { objects } = this.#world;
    return new Map(objects.hasBucket(bucket) ? objects.entries(bucket) : []);
  }

  /** Multipart uploads, past and open: for checkers and for what others do to them, without a call. */
  get uploads(): SimUploads {
    return this.#world.uploads;
  }

  /** Replaces the shares of calls that fail; `{}` heals the store, except for calls that hang already. */
  setFaults(faults: StoreFaults): void {
    this.#world.faults.setShares(faults);
  }

  /** Lets a fault strike the next calls that it fits. */
  arm(fault: StoreFault, target: StoreFaultTarget = {}): void {
    this.#world.faults.arm(fault, target);
  }

  /**
   * Somebody else puts an object, in this instant; the bucket is made when it is not there. The ETag is that of a single put
   * unless given.
   */
  putOutOfBand(bucket: string, key: string, bytes: Uint8Array, etag?: string): HeldObject {
    const { objects, scheduler } = this.#world;
    objects.createBucket(bucket);
    const headers = { system: {}, user: {} };
    const lastModifiedMs = Math.floor(scheduler.nowMs);
    return objects.put({ bucket, key, bytes, headers, etag, lastModifiedMs, generation: 0 });
  }

  deleteOutOfBand(bucket: string, key: string): void {
    this.#world.objects.delete(bucket, key, 0);
  }

  /** Ends the process that uses this store, and returns the store for the next one. */
  kill(): SimObjectStore {
    this.#alive = false;
    const { scheduler, random, options } = this.#world;
    return new SimObjectStore(scheduler, random, options, this.#world);
  }

  check(signal?: AbortSignal): Promise<void> {
    return this.#exchange('check', '', '', signal, () => undefined);
  }

  listBuckets(signal?: AbortSignal): Promise<StoredBucket[]> {
    return this.#exchange('listBuckets', '', '', signal, () => this.#world.objects.bucketNames());
  }

  bucketExists(bucket: string, signal?: AbortSignal): Promise<boolean> {
    return this.#exchange('bucketExists', bucket, '', signal, () => this.#world.objects.hasBucket(bucket));
  }

  createBucket(bucket: string, signal?: AbortSignal): Promise<void> {
    return this.#exchange('createBucket', bucket, '', signal, () => this.#world.objects.createBucket(bucket));
  }

  deleteBucket(bucket: string, signal?: AbortSignal): Promise<void> {
    return this.#exchange('deleteBucket', bucket, '', signal, () => this.#world.objects.deleteBucket(bucket));
  }

  async put(request: StorePutRequest, signal?: AbortSignal): Promise<StoredObject> {
    const { bucket, key, headers, etag, lastModifiedMs, condition } = request;
    const generation = this.#generation;
    const bytes = await this.#receive(request, signal);
    return this.#exchange('put', bucket, key, signal, () => {
      const { objects } = this.#world;
      checkStoreCondition(condition, objects.get(bucket, key), `${bucket}/${key}`);
      return withoutBytes(objects.put({ bucket, key, bytes, headers, etag, lastModifiedMs, generation }));
    });
  }

  head(bucket: string, key: string, signal?: AbortSignal): Promise<StoredObject | undefined> {
    return this.#exchange('head', bucket, key, signal, () => {
      const object = this.#world.objects.get(bucket, key);
      return object === undefined ? undefined : withoutBytes(object);
    });
  }

  async get(
    bucket: string,
    key: string,
    range?: ByteRange,
    signal?: AbortSignal,
  ): Promise<StoreGetResult | undefined> {
    let broken = false;
    const object = await this.#exchange('get', bucket, key, signal, (fault) => {
      broken = fault === 'brokenBody';
      return this.#world.objects.get(bucket, key);
    });
    if (object === undefined) return undefined;
    const { first, last } = range ?? { first: 0, last: object.size - 1 };
    if (range !== undefined && (first < 0 || first >= object.size || last < first)) {
      throw rejected('InvalidRange', `there are no bytes ${first} to ${last} in ${object.size}`);
    }
    const bytes = object.bytes.subarray(first, Math.min(last, object.size - 1) + 1);
    const end = broken ? this.#world.random.below(bytes.length + 1) : bytes.length;
    return { object: withoutBytes(object), body: this.#send(bytes, end, signal) };
  }

  delete(bucket: string, key: string, signal?: AbortSignal, condition?: StoreCondition): Promise<void> {
    return this.#exchange('delete', bucket, key, signal, () => {
      const { objects } = this.#world;
      const found = objects.get(bucket, key);
      if (found !== undefined) checkStoreCondition(condition, found, `${bucket}/${key}`);
      objects.delete(bucket, key, this.#generation);
    });
  }

  list(request: StoreListRequest, signal?: AbortSignal): Promise<StoreListPage> {
    return this.#exchange('list', request.bucket, request.prefix, signal, () => {
      const { random, objects, options } = this.#world;
      const short = request.limit > 1 && random.chance(options.shortPages ?? 0.2);
      const limit = short ? 1 + random.below(request.limit) : request.limit;
      return pageOf(objects.list(request, limit + 1), limit);
    });
  }

  close(): Promise<void> {
    this.#closed = true;
    return Promise.resolve();
  }

  /** Sends a request, lets `effect` happen where it arrives, and brings the answer back, as far as no fault strikes. */
  #exchange<Value>(
    operation: StoreOperation,
    bucket: string,
    key: string,
    signal: AbortSignal | undefined,
    effect: (fault: StoreFault | undefined) => Value,
  ): Promise<Value> {
    const call: Call = { operation, bucket, key, write: WRITES.has(operation) };
    if (this.#closed) return Promise.reject(failure('CLOSED', `cannot ${operation}: the store is closed`));
    if (signal?.aborted === true) return Promise.reject(aborted(call, false, signal));
    return new Promise((resolve, reject) => {
      let settled = false;
      const settle = (action: () => void): void => {
        if (settled) return;
        settled = true;
        signal?.removeEventListener('abort', onAbort);
        if (this.#alive) action();
      };
      const answer = (action: () => void): void => {
        this.#after(this.#latencyMs(), () => settle(action));
      };
      const onAbort = (): void => settle(() => reject(aborted(call, call.write, signal)));
      signal?.addEventListener('abort', onAbort, { once: true });
      this.#after(this.#latencyMs(), () => {
        const { random } = this.#world;
        // Nobody waits any more: the request was cut on its way, or it was not.
        if ((settled || !this.#alive) && !(call.write && random.chance(0.5))) return;
        const { calls, faults } = this.#world;
        calls.set(operation, (calls.get(operation) ?? 0) + 1);
        const fault = faults.next(call);
        const lost = (): void => reject(lostAnswer(call));
        if (fault === 'hang') return;
        if (fault === 'reset') return answer(lost);
        if (fault === 'lateEffect' && call.write) {
          const { min, max } = this.#world.options.lateEffectMs ?? { min: 0, max: 5000 };
          this.#after(random.between(min, max), () => void attempt(() => effect(fault)));
          return answer(lost);
        }
        const refusal = refusalOf(fault, call);
        if (refusal !== undefined) return answer(() => reject(refusal));
        const outcome = attempt(() => effect(fault));
        if (fault === 'lostAnswer' || fault === 'lateEffect') return answer(lost);
        answer(() => ('value' in outcome ? resolve(outcome.value) : reject(outcome.error)));
      });
    });
  }

  #after(delayMs: number, callback: () => void): void {
    this.#world.scheduler.schedule(delayMs, callback);
  }

  #latencyMs(): number {
    const { min, max } = this.#world.options.latencyMs ?? { min: 1, max: 20 };
    return this.#world.random.between(min, max);
  }

  /** The time that bytes take on the network: in turns with other bodies, as connections share it. */
  #carry(way: 'up' | 'down', bytes: number): Promise<void> | undefined {
    const { options, scheduler, busyUntilMs } = this.#world;
    const { bytesPerS } = options;
    if (bytesPerS === undefined || bytes === 0) return undefined;
    return new Promise((resolve) => {
      const next = (leftMs: number): void => {
        if (!this.#alive) return;
        if (leftMs === 0) return resolve();
        const turnMs = Math.min(TURN_MS_MAX, leftMs);
        busyUntilMs[way] = Math.max(scheduler.nowMs, busyUntilMs[way]) + turnMs;
        this.#after(busyUntilMs[way] - scheduler.nowMs, () => next(leftMs - turnMs));
      };
      next((bytes / bytesPerS) * 1000);
    });
  }

  /** Takes the whole body before the request counts as sent. */
  async #receive(request: StorePutRequest, signal: AbortSignal | undefined): Promise<Uint8Array> {
    const { bucket, key } = request;
    const call: Call = { operation: 'put', bucket, key, write: true };
    const gathered = new GatheredBody(request.size);
    for await (const chunk of request.open()) {
      if (signal?.aborted === true) throw aborted(call, false, signal);
      gathered.add(chunk);
      await this.#carry('up', chunk.length);
    }
    const bytes = gathered.bytes();
    checkClaims(request, bytes, this.#world.options.partBytesMin ?? PART_BYTES_MIN);
    return bytes;
  }

  async *#send(bytes: Uint8Array, end: number, signal: AbortSignal | undefined): AsyncGenerator<Uint8Array> {
    for (let position = 0; position < end; position += CHUNK_BYTES) {
      await new Promise<void>((resolve) =>
        this.#after(this.#latencyMs() / 10, () => {
          if (this.#alive) resolve();
        }),
      );
      if (signal?.aborted === true) {
        throw aborted({ operation: 'get', bucket: '', key: '', write: false }, false, signal);
      }
      const piece = takeMemory(Math.min(CHUNK_BYTES, end - position));
      piece.set(bytes.subarray(position, position + piece.length));
      await this.#carry('down', piece.length);
      this.#world.sentBytes += piece.length;
      yield piece;
    }
    if (end < bytes.length) {
      throw failure('UFS_UNAVAILABLE', `the body broke off after ${end} of ${bytes.length} bytes`);
    }
  }
}

function attempt<Value>(work: () => Value): { value: Value } | { error: Error } {
  try {
    return { value: work() };
  } catch (error) {
    if (!(error instanceof HeadraceError)) throw error;
    return { error };
  }
}
