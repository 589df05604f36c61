/**
 * Reading an object: from the cache, or from the UFS, caching it on the way.
 *
 * Only durable state is read. What the cache holds is the truth, also when it says that the object is being deleted;
 * otherwise the UFS is. A persisted object whose local bytes turn out damaged is given up here and read from the UFS.
 */
import { HeadraceError, isErrorCode } from '../core/errors.js';
import type { ByteRange, StoredObject, StoreGetResult } from '../core/object-store.js';
import type { ObjectVersion } from '../core/object.js';
import type { IndexRecord, ObjectRecord } from '../../projections/records.js';
import { decideEvict, evictable, sameExtent } from './decide.js';
import { durableRecord, partitionOf, type EngineCore } from './engine-core.js';
import type { FillWriter } from './fill-writer.js';
import { healingRead } from './healing-read.js';
import { holdExtents, readObject } from './object-bytes.js';
import {
  SMALL_BODY_BYTES_MAX,
  type GetObjectRequest,
  type GetObjectResult,
  type ReadBody,
} from './object-service.js';
import { checkReadConditions, resolvePart, resolveRange } from './read-conditions.js';
import { ufsGet, type UfsKnowledge } from './ufs-calls.js';

const EMPTY: ReadBody = { kind: 'bytes', bytes: new Uint8Array(0), release: () => undefined };

export class ReadPath {
  readonly #core: EngineCore;
  readonly #ufs: UfsKnowledge;
  readonly #fills: FillWriter;

  constructor(core: EngineCore, parts: { ufs: UfsKnowledge; fills: FillWriter }) {
    this.#core = core;
    this.#ufs = parts.ufs;
    this.#fills = parts.fills;
  }

  /** As `ObjectService.headObject`. */
  async head(request: GetObjectRequest): Promise<ObjectVersion> {
    const record = this.#cached(request);
    const object = record ?? fromStored(await this.#headUfs(request));
    checkReadConditions(request.conditions, object);
    return object;
  }

  /** As `ObjectService.getObject`. */
  async get(request: GetObjectRequest): Promise<GetObjectResult> {
    const record = this.#cached(request);
    if (record === undefined) {
      this.#core.counters.cacheMisses++;
      return this.#getFromUfs(request);
    }
    this.#core.counters.cacheHits++;
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
    const result = await this.#fetch(bucket, key, range);
    if (result.object.etag === record.etag) return result.body;
    await discard(result);
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

  async #headUfs(request: GetObjectRequest): Promise<StoredObject> {
    const stored = await this.#ufs.head(request.bucket, request.key);
    if (stored === undefined) throw noSuchKey(request.key);
    return stored;
  }

  async #getFromUfs(request: GetObjectRequest): Promise<GetObjectResult> {
    const { bucket, key } = request;
    const partial = request.range !== undefined || request.partNumber !== undefined;
    if (partial) return this.#getRangeFromUfs(request);
    const fill =
      this.#core.policies.modeOf(bucket, key) === 'NO_CACHE' ? undefined : this.#ufs.beginFill(bucket, key);
    try {
      const result = await this.#fetch(bucket, key);
      const object = fromStored(result.object);
      try {
        checkReadConditions(request.conditions, object);
      } catch (error) {
        await discard(result);
        throw error;
      }
      if (fill !== undefined) return await this.#fills.fill({ bucket, key, object, body: result.body, fill });
      return { object, body: { kind: 'stream', stream: result.body, size: object.size } };
    } catch (error) {
      fill?.end();
      throw error;
    }
  }

  async #getRangeFromUfs(request: GetObjectRequest): Promise<GetObjectResult> {
    const object = fromStored(await this.#headUfs(request));
    checkReadConditions(request.conditions, object);
    const range = rangeOf(request, object);
    if (range === undefined || object.size === 0) return { object, range, body: EMPTY };
    const result = await this.#fetch(request.bucket, request.key, range);
    if (result.object.etag !== object.etag) {
      await discard(result);
      throw changedMeanwhile(request.key);
    }
    return {
      object,
      range,
      body: { kind: 'stream', stream: result.body, size: range.last - range.first + 1 },
    };
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

/** What the UFS holds, as an object version without local bytes. */
export function fromStored(stored: StoredObject): ObjectVersion {
  return {
    size: stored.size,
    etag: stored.etag,
    lastModifiedMs: stored.lastModifiedMs,
    extents: [],
    headers: stored.headers,
    policy: 'WRITE_THROUGH',
    state: 'PERSISTED',
    ufsEtag: stored.storeEtag,
  };
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

/** Ends a body that nobody will read. */
async function discard(result: StoreGetResult): Promise<void> {
  await result.body[Symbol.asyncIterator]().return?.(undefined);
}

function changedMeanwhile(key: string): HeadraceError {
  return new HeadraceError('SLOW_DOWN', `the object "${key}" changed in the UFS while it was read`);
}

function noSuchKey(key: string): HeadraceError {
  return new HeadraceError('NO_SUCH_KEY', `there is no object "${key}"`);
}
