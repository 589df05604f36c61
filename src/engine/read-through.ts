/**
 * Reads of what only the UFS holds: of all of an object by the one fetch that fills the cache, of a part of a large one by
 * blocks, and on NO_CACHE paths by a request of its own.
 */
import { isErrorCode } from '../core/errors.js';
import type { ByteRange, StoredObject, StoreGetResult } from '../core/object-store.js';
import { KIB, MIB } from '../core/units.js';
import type { EngineCore } from './engine-core.js';
import type { FillFlight } from './fill-flight.js';
import type { FillFlights } from './fill-flights.js';
import { fitsBesideWriters } from './fill-writer.js';
import type { GetObjectRequest, GetObjectResult, RangeRequest, ReadBody } from './object-service.js';
import { checkReadConditions, rangeOf } from './read-conditions.js';
import type { RangeReads } from './range-reads.js';
import { changedMeanwhile, discard, fromStored, isNoSuchRange, noSuchKey } from './stored-objects.js';
import { ufsGet } from './ufs-calls.js';
import type { UfsKnowledge } from './ufs-knowledge.js';

/** Smaller objects are answered in one piece. */
export const AT_ONCE_BYTES_MAX = 64 * KIB;
/** A range of a smaller object fetches and caches all of it. */
const WHOLE_BYTES_MAX = MIB;
/** An object is loaded as a whole when ranges of this share of its size were read. */
const LOAD_SHARE = 0.5;

export const EMPTY_BODY: ReadBody = { kind: 'bytes', bytes: new Uint8Array(0), release: () => undefined };

export class ReadThrough {
  readonly #core: EngineCore;
  readonly #ufs: UfsKnowledge;
  readonly #flights: FillFlights;
  readonly #ranges: RangeReads;

  constructor(core: EngineCore, parts: { ufs: UfsKnowledge; flights: FillFlights; ranges: RangeReads }) {
    this.#core = core;
    this.#ufs = parts.ufs;
    this.#flights = parts.flights;
    this.#ranges = parts.ranges;
  }

  /** `NO_SUCH_KEY`, `UFS_*`. */
  async head({ bucket, key }: GetObjectRequest): Promise<StoredObject> {
    const isCached = this.#core.policies.modeOf(bucket, key) !== 'NO_CACHE';
    const stored = await (isCached ? this.#ufs.headForRead(bucket, key) : this.#ufs.head(bucket, key));
    if (stored === undefined) throw noSuchKey(key);
    return stored;
  }

  /** `NO_SUCH_KEY`, `UFS_*`. */
  get(request: GetObjectRequest): Promise<GetObjectResult> {
    const { bucket, key, range, partNumber } = request;
    if (this.#core.policies.modeOf(bucket, key) === 'NO_CACHE') return this.#getDirectly(request);
    const isWhole = partNumber === undefined && (range === undefined || isFromStart(range));
    return isWhole ? this.#getWhole(request) : this.#getRange(request);
  }

  /** All of it, or all from its start: by the fetch that fills the cache. */
  async #getWhole(request: GetObjectRequest): Promise<GetObjectResult> {
    const known = this.#core.known.object(request.bucket, request.key);
    if (known !== undefined) {
      if (known.object === undefined) throw noSuchKey(request.key);
      // A client that has it already does not make the UFS send it.
      checkReadConditions(request.conditions, known.object);
    }
    return this.#flights.with(request.bucket, request.key, (flight) => this.#serve(request, flight));
  }

  #serve(request: GetObjectRequest, flight: FillFlight): Promise<GetObjectResult> | GetObjectResult {
    const { object } = flight;
    checkReadConditions(request.conditions, object);
    const range = rangeOf(request, object);
    const first = range?.first ?? 0;
    const last = range?.last ?? object.size - 1;
    if (object.size === 0 || last < first) return { object, range, body: EMPTY_BODY };
    if (object.size > AT_ONCE_BYTES_MAX)
      return {
        object,
        range,
        body: { kind: 'stream', stream: flight.reader({ first, last }), size: last - first + 1 },
      };
    return flight.bytes().then((bytes) => ({
      object,
      range,
      body: { kind: 'bytes', bytes: bytes.subarray(first, last + 1), release: () => undefined },
    }));
  }

  /** A part of it: from a fetch under way that has come so far, by blocks, or, of a small object, by fetching all of it. */
  async #getRange(request: GetObjectRequest, isRepeated = false): Promise<GetObjectResult> {
    const { bucket, key } = request;
    const running = this.#flights.covering(bucket, key, startOf(request));
    if (running !== undefined && request.partNumber === undefined) return this.#serve(request, running);
    const stored = await this.#describe(request);
    const object = fromStored(stored);
    checkReadConditions(request.conditions, object);
    const range = rangeOf(request, object);
    if (range === undefined || object.size === 0) return { object, range, body: EMPTY_BODY };
    if (object.size <= WHOLE_BYTES_MAX) return this.#getWhole(request);
    const { stream, readBytes } = this.#ranges.read(request, stored, range);
    if (readBytes >= object.size * LOAD_SHARE) this.#loadWhole(request, stored);
    let piece: IteratorResult<Uint8Array>;
    try {
      piece = await stream.next();
    } catch (error) {
      // What was known of the object is out of date; nothing was sent yet.
      if (isRepeated || !isErrorCode(error, 'SLOW_DOWN')) throw error;
      return this.#getRange(request, true);
    }
    const body: ReadBody = {
      kind: 'stream',
      stream: startingWith(piece, stream),
      size: range.last - range.first + 1,
    };
    return { object, range, body };
  }

  async #describe(request: GetObjectRequest): Promise<StoredObject> {
    const { bucket, key, range } = request;
    const isPlaced = range !== undefined && 'first' in range;
    const stored = await (isPlaced
      ? this.#ranges.describe({ bucket, key }, range)
      : this.#ufs.headForRead(bucket, key));
    if (stored === undefined) throw noSuchKey(key);
    return stored;
  }

  /** An object most of which was read by ranges is worth having here. */
  #loadWhole({ bucket, key }: GetObjectRequest, stored: StoredObject): void {
    this.#ranges.forget({ bucket, key }, stored);
    if (!fitsBesideWriters(this.#core, stored.size)) return;
    this.#flights.load(bucket, key).catch((error: unknown) => {
      this.#core.logger.debug({ bucket, key, error }, 'an object that is read by ranges could not be cached');
    });
  }

  /** NO_CACHE: the UFS answers each read itself. */
  async #getDirectly(request: GetObjectRequest): Promise<GetObjectResult> {
    const { bucket, key } = request;
    const isPartial = request.range !== undefined || request.partNumber !== undefined;
    const expected = isPartial ? await this.head(request) : undefined;
    if (expected !== undefined) checkReadConditions(request.conditions, expected);
    const range = expected === undefined ? undefined : rangeOf(request, fromStored(expected));
    if (expected !== undefined && (range === undefined || expected.size === 0))
      return { object: fromStored(expected), range, body: EMPTY_BODY };
    const result = await this.fetch(bucket, key, range).catch((error: unknown) => {
      throw isNoSuchRange(error) ? changedMeanwhile(key) : error;
    });
    const object = fromStored(result.object);
    try {
      if (expected !== undefined && expected.storeEtag !== result.object.storeEtag)
        throw changedMeanwhile(key);
      checkReadConditions(request.conditions, object);
    } catch (error) {
      await discard(result.body);
      throw error;
    }
    const size = range === undefined ? object.size : range.last - range.first + 1;
    return { object, range, body: { kind: 'stream', stream: result.body, size } };
  }

  /** Straight from the UFS, past the cache. `NO_SUCH_KEY`, `UFS_*`. */
  async fetch(bucket: string, key: string, range?: ByteRange): Promise<StoreGetResult> {
    const located = this.#core.mounts.locate(bucket, key);
    const result = await ufsGet(this.#core, (signal) =>
      located.store.get(located.bucket, located.key, range, signal),
    );
    if (result === undefined) throw noSuchKey(key);
    return result;
  }
}

/** A range that is the whole object, however large that is. */
function isFromStart(range: RangeRequest): boolean {
  return 'first' in range && range.first === 0 && range.last === undefined;
}

/** Where a read begins, as far as that is known without the object's size. */
function startOf({ range }: GetObjectRequest): number {
  return range !== undefined && 'first' in range ? range.first : 0;
}

async function* startingWith(
  first: IteratorResult<Uint8Array>,
  rest: AsyncIterableIterator<Uint8Array>,
): AsyncGenerator<Uint8Array, undefined, undefined> {
  try {
    if (first.done !== true) yield first.value;
    yield* rest;
  } finally {
    await rest.return?.(undefined);
  }
  return undefined;
}
