/**
 * Reading an object: from the cache, or from the UFS, caching it on the way.
 *
 * Only durable state is read. What the cache holds is the truth, also when it says that the object is being deleted; otherwise
 * the UFS is (`read-through.ts`). A persisted object whose local bytes turn out damaged is given up here and read from the UFS.
 */
import { isErrorCode } from '../core/errors.js';
import type { ByteRange } from '../core/object-store.js';
import type { ObjectVersion } from '../core/object.js';
import type { IndexRecord, ObjectRecord } from '../../projections/records.js';
import { decideEvict, evictable, sameExtent } from './decide.js';
import { durableRecord, partitionOf, type EngineCore } from './engine-core.js';
import type { FillFlights } from './fill-flights.js';
import { healingRead } from './healing-read.js';
import { holdExtents, readObject } from './object-bytes.js';
import {
  SMALL_BODY_BYTES_MAX,
  type GetObjectRequest,
  type GetObjectResult,
  type ReadBody,
} from './object-service.js';
import { checkReadConditions, rangeOf } from './read-conditions.js';
import type { RangeReads } from './range-reads.js';
import { AT_ONCE_BYTES_MAX, EMPTY_BODY, ReadThrough } from './read-through.js';
import { Revalidator } from './revalidator.js';
import { changedMeanwhile, discard, fromStored, isNoSuchRange, noSuchKey } from './stored-objects.js';
import type { UfsKnowledge } from './ufs-knowledge.js';

export class ReadPath {
  readonly #core: EngineCore;
  readonly #through: ReadThrough;
  readonly #revalidator: Revalidator;

  constructor(core: EngineCore, parts: { ufs: UfsKnowledge; flights: FillFlights; ranges: RangeReads }) {
    this.#core = core;
    this.#through = new ReadThrough(core, parts);
    this.#revalidator = new Revalidator(core, parts.ufs);
  }

  /** As `ObjectService.headObject`. */
  async head(request: GetObjectRequest): Promise<ObjectVersion> {
    const record = this.#cached(request);
    if (record !== undefined) this.#revalidator.hit(request.bucket, request.key, record);
    const object = record ?? fromStored(await this.#through.head(request));
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
      return this.#through.get(request);
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
      return this.#through.get(request);
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
    if (record.size === 0 || last < first) return EMPTY_BODY;
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
    const result = await this.#through.fetch(bucket, key, range).catch((error: unknown) => {
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
