/**
 * Reading an object: from the cache, or from the UFS, caching it on the way.
 *
 * Only durable state is read. What the cache holds is the truth, also when it says that the object is being deleted;
 * otherwise the UFS is. A persisted object whose local bytes turn out damaged is given up here and read from the UFS.
 */
import { isErrorCode } from '../core/errors.js';
import type { ByteRange, StoredObject, StoreGetResult } from '../core/object-store.js';
import type { ObjectVersion } from '../core/object.js';
import { KIB, MIB } from '../core/units.js';
import type { IndexRecord, ObjectRecord } from '../../projections/records.js';
import { decideEvict, evictable, sameExtent } from './decide.js';
import { durableRecord, partitionOf, type EngineCore } from './engine-core.js';
import type { FillFlight } from './fill-flight.js';
import type { FillFlights } from './fill-flights.js';
import { fitsBesideWriters } from './fill-writer.js';
import { healingRead } from './healing-read.js';
import { holdExtents, readObject } from './object-bytes.js';
import {
  SMALL_BODY_BYTES_MAX,
  type GetObjectRequest,
  type GetObjectResult,
  type RangeRequest,
  type ReadBody,
} from './object-service.js';
import { checkReadConditions, resolvePart, resolveRange } from './read-conditions.js';
import type { RangeReads } from './range-reads.js';
import { Revalidator } from './revalidator.js';
import { changedMeanwhile, discard, fromStored, isNoSuchRange, noSuchKey } from './stored-objects.js';
import { ufsGet } from './ufs-calls.js';
import type { UfsKnowledge } from './ufs-knowledge.js';

/** Smaller objects are answered in one piece. */
const AT_ONCE_BYTES_MAX = 64 * KIB;
/** A range of a smaller object fetches and caches all of it. */
const WHOLE_BYTES_MAX = MIB;
/** An object is loaded as a whole when ranges of this share of its size were read. */
const LOAD_SHARE = 0.5;

const EMPTY: ReadBody = { kind: 'bytes', bytes: new Uint8Array(0), release: () => undefined };

export class ReadPath {
  readonly #core: EngineCore;
  readonly #ufs: UfsKnowledge;
  readonly #flights: FillFlights;
  readonly #ranges: RangeReads;
  readonly #revalidator: Revalidator;

  constructor(core: EngineCore, parts: { ufs: UfsKnowledge; flights: FillFlights; ranges: RangeReads }) {
    this.#core = core;
    this.#ufs = parts.ufs;
    this.#flights = parts.flights;
    this.#ranges = parts.ranges;
    this.#revalidator = new Revalidator(core, parts.ufs);
  }

  /** As `ObjectService.headObject`. */
  async head(request: GetObjectRequest): Promise<ObjectVersion> {
    const record = this.#cached(request);
    if (record !== undefined) this.#revalidator.hit(request.bucket, request.key, record);
    const object = record ?? fromStored(await this.#headUfs(request));
    checkReadConditions(request.conditions, object);
    return object;
  }

  /** As `ObjectService.getObject`. What the kernel has in memory is answered without a turn in between. */
  get(request: GetObjectRequest): Promise<GetObjectResult> {
    try {
      const atOnce = this.#getAtOnce(request);
      return atOnce === undefined ? this.#get(request) : Promise.resolve(atOnce);
    } catch (error) {
      return Promise.reject(error);
    }
  }

  /** A small object that is here as a whole; undefined for any other, or when its bytes are not at hand. */
  #getAtOnce(request: GetObjectRequest): GetObjectResult | undefined {
    const record = durableRecord(this.#core, request.bucket, request.key);
    if (record?.kind !== 'object' || record.extents.length !== 1) return undefined;
    const [only] = record.extents;
    if (only === undefined || only.size > AT_ONCE_BYTES_MAX) return undefined;
    checkReadConditions(request.conditions, record);
    const range = rangeOf(request, record);
    if (range !== undefined && range.last < range.first) return undefined;
    const read = this.#core.segments.tryReadSmall(only);
    if (read === undefined) return undefined;
    this.#core.counters.cacheHits++;
    this.#core.recency.touch(only);
    this.#revalidator.hit(request.bucket, request.key, record);
    const { bytes, release } = read;
    const served = range === undefined ? bytes : bytes.subarray(range.first, range.last + 1);
    return { object: record, range, body: { kind: 'bytes', bytes: served, release } };
  }

  async #get(request: GetObjectRequest): Promise<GetObjectResult> {
    const record = this.#cached(request);
    if (record === undefined) {
      this.#core.counters.cacheMisses++;
      return this.#getFromUfs(request);
    }
    this.#core.counters.cacheHits++;
    this.#revalidator.hit(request.bucket, request.key, record);
    checkReadConditions(request.conditions, record);
    const range = rangeOf(request, record);
    try {
      return { object: record, range, body: await this.#cachedBody(request, record, range) };
    } catch (error) {
      // It was overwritten, deleted or moved meanwhile: what is there now is as good an answer.
      if (!isSame(durableRecord(this.#core, request.bucket, request.key), record)) return this.get(request);
      if (!(await this.#gaveUp(request, record, error))) throw error;
      return this.#getFromUfs(request);
    }
  }

  /** Undefined when the UFS is to be asked. `NO_SUCH_KEY` when it need not be. */
  #cached(request: GetObjectRequest): ObjectRecord | undefined {
    const { bucket, key } = request;
    const record = durableRecord(this.#core, bucket, key);
    if (record?.kind === 'object') return record;
    if (record?.kind === 'deleting' || this.#core.policies.modeOf(bucket, key) === 'TRANSIENT')
      throw noSuchKey(key);
    return undefined;
  }

  async #cachedBody(
    request: GetObjectRequest,
    record: ObjectRecord,
    range: ByteRange | undefined,
  ): Promise<ReadBody> {
    const first = range?.first ?? 0;
    const last = range?.last ?? record.size - 1;
    if (record.size === 0 || last < first) return EMPTY;
    for (const extent of record.extents) this.#core.recency.touch(extent);
    const only = record.extents.length === 1 ? record.extents[0] : undefined;
    if (only !== undefined && only.size <= SMALL_BODY_BYTES_MAX) {
      const held = holdExtents(this.#core, record.extents);
      try {
        const { bytes, release } = await this.#core.segments.readSmall(only);
        return { kind: 'bytes', bytes: bytes.subarray(first, last + 1), release };
      } finally {
        held();
      }
    }
    const stream = healingRead(first, {
      local: readObject(this.#core, record.extents, first, last),
      giveUp: (error) => this.#gaveUp(request, record, error),
      fetch: (position) => this.#fetchRest(request, record, { first: position, last }),
    });
    return { kind: 'stream', stream, size: last - first + 1 };
  }

  /** `SLOW_DOWN` when the UFS holds another version by now. */
  async #fetchRest(
    { bucket, key }: GetObjectRequest,
    record: ObjectRecord,
    range: ByteRange,
  ): Promise<AsyncIterable<Uint8Array>> {
    const result = await this.#fetch(bucket, key, range).catch((error: unknown) => {
      throw isNoSuchRange(error) ? changedMeanwhile(key) : error;
    });
    if (result.object.etag === record.etag) return result.body;
    await discard(result.body);
    throw changedMeanwhile(key);
  }

  /** Evicts a damaged local copy that the UFS can replace; false when there is nothing else to read. */
  async #gaveUp(request: GetObjectRequest, record: ObjectRecord, error: unknown): Promise<boolean> {
    const { bucket, key } = request;
    const lost = isErrorCode(error, 'CORRUPT_EXTENT', 'IO_FAILED');
    if (lost) this.#core.logger.error({ bucket, key, error }, 'the local copy of an object cannot be read');
    if (!lost || !evictable(record)) return false;
    await partitionOf(this.#core, bucket, key).submit((view) =>
      decideEvict(view, [{ bucket, key, version: record.version }], 'CHANGED'),
    );
    return true;
  }

  async #headUfs({ bucket, key }: GetObjectRequest): Promise<StoredObject> {
    const isCached = this.#core.policies.modeOf(bucket, key) !== 'NO_CACHE';
    const stored = await (isCached ? this.#ufs.headForRead(bucket, key) : this.#ufs.head(bucket, key));
    if (stored === undefined) throw noSuchKey(key);
    return stored;
  }

  #getFromUfs(request: GetObjectRequest): Promise<GetObjectResult> {
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
    if (object.size === 0 || last < first) return { object, range, body: EMPTY };
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
    if (range === undefined || object.size === 0) return { object, range, body: EMPTY };
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
    const expected = isPartial ? await this.#headUfs(request) : undefined;
    if (expected !== undefined) checkReadConditions(request.conditions, expected);
    const range = expected === undefined ? undefined : rangeOf(request, fromStored(expected));
    if (expected !== undefined && (range === undefined || expected.size === 0))
      return { object: fromStored(expected), range, body: EMPTY };
    const result = await this.#fetch(bucket, key, range).catch((error: unknown) => {
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

  async #fetch(bucket: string, key: string, range?: ByteRange): Promise<StoreGetResult> {
    const located = this.#core.mounts.locate(bucket, key);
    const result = await ufsGet(this.#core, (signal) =>
      located.store.get(located.bucket, located.key, range, signal),
    );
    if (result === undefined) throw noSuchKey(key);
    return result;
  }
}

/** Whether a record says the same of the same version; records are decoded anew each time they are asked for. */
function isSame(current: IndexRecord | undefined, record: ObjectRecord): boolean {
  return (
    current?.kind === 'object' &&
    current.version === record.version &&
    record.extents.every((extent, at) => {
      const now = current.extents[at];
      return now !== undefined && sameExtent(now, extent);
    })
  );
}

function rangeOf(request: GetObjectRequest, object: ObjectVersion): ByteRange | undefined {
  if (request.partNumber !== undefined) return resolvePart(request.partNumber, object);
  return request.range === undefined ? undefined : resolveRange(request.range, object.size);
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
