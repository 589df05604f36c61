/**
 * `ObjectService` in memory: small, complete, and meant to be read as what the interface promises.
 *
 * Every write decides its conditions and takes effect in one turn, once its body was read to the end, so that of two writers
 * with the same condition one wins. Nothing is stored by a write that fails.
 */
import { createHash } from 'node:crypto';
import { HeadraceError } from '../../src/core/errors.js';
import type { Clock } from '../../src/core/ports.js';
import type { ObjectHeaders, ObjectVersion } from '../../src/core/object.js';
import { KEY_BYTES_MAX } from '../../src/core/object.js';
import { withAccessList } from '../../src/engine/access-list.js';
import type { ObjectStatus } from '../../src/engine/object-status.js';
import type {
  AckReceipt,
  AckRequest,
  BucketSummary,
  CopyObjectRequest,
  CopySource,
  DeleteConditions,
  DeletedObjects,
  GetObjectRequest,
  GetObjectResult,
  ListEntry,
  ListObjectsRequest,
  ListObjectsResult,
  ObjectService,
  PutObjectRequest,
  RangeRequest,
  ReadBody,
  ReadConditions,
  WriteReceipt,
} from '../../src/engine/object-service.js';
import { BUCKET_LOCATION, SMALL_BODY_BYTES_MAX } from '../../src/engine/object-service.js';
import { rangeOfPart, resolveRange } from '../../src/http/s3/range.js';
import { checkDelete, checkRead, checkWrite, compare, readBody } from './memory-object-rules.js';
import type { StoredObject } from './memory-object-rules.js';
import { MemoryUploads, type NewObject } from './memory-uploads.js';

interface Bucket {
  readonly createdMs: number;
  readonly objects: Map<string, StoredObject>;
  readonly documents: Map<string, string>;
}

export interface MemoryObjectService extends ObjectService {
  /** Bodies handed out as `bytes` and not yet released. */
  readonly unreleased: number;
  /** Streams handed out and not yet at their end or closed. */
  readonly openStreams: number;
  /** What puts asked for, and what all writes are told that asked. */
  readonly acks: readonly (AckRequest | undefined)[];
  ack: AckReceipt;
  /** Laid over what `objectStatus` says. */
  status: Partial<ObjectStatus>;
}

export function createMemoryObjectService(clock: Clock): MemoryObjectService {
  return new MemoryObjects(clock);
}

export class MemoryObjects extends MemoryUploads implements MemoryObjectService {
  readonly #buckets = new Map<string, Bucket>();
  readonly #clock: Clock;
  #offset = 0;
  unreleased = 0;
  openStreams = 0;
  readonly acks: (AckRequest | undefined)[] = [];
  ack: AckReceipt = { level: 'persisted', state: 'PERSISTED' };
  status: Partial<ObjectStatus> = {};

  constructor(clock: Clock) {
    super();
    this.#clock = clock;
  }

  listBuckets(): Promise<BucketSummary[]> {
    return Promise.resolve(
      [...this.#buckets].map(([name, { createdMs, documents }]) => ({
        name,
        createdMs,
        location: documents.get(BUCKET_LOCATION),
      })),
    );
  }

  async createBucket(bucket: string): Promise<void> {
    if (!/^[a-z\d][a-z\d.-]{1,61}[a-z\d]$/.test(bucket) || bucket.includes('..'))
      throw new HeadraceError('INVALID_BUCKET_NAME', `"${bucket}" is not the name of a bucket`);
    if (this.#buckets.has(bucket)) throw new HeadraceError('BUCKET_EXISTS', `${bucket} exists`);
    this.#buckets.set(bucket, { createdMs: this.nowMs(), objects: new Map(), documents: new Map() });
  }

  async deleteBucket(bucket: string): Promise<void> {
    if (this.#bucket(bucket).objects.size > 0)
      throw new HeadraceError('BUCKET_NOT_EMPTY', `${bucket} is not empty`);
    this.#buckets.delete(bucket);
  }

  async headBucket(bucket: string): Promise<BucketSummary> {
    const { createdMs, documents } = this.#bucket(bucket);
    return { name: bucket, createdMs, location: documents.get(BUCKET_LOCATION) };
  }

  async bucketDocument(bucket: string, name: string): Promise<string | undefined> {
    return this.#bucket(bucket).documents.get(name);
  }

  async setBucketDocument(bucket: string, name: string, document: string): Promise<void> {
    const { documents } = this.#bucket(bucket);
    if (document === '') documents.delete(name);
    else documents.set(name, document);
  }

  async setObjectTags(
    bucket: string,
    key: string,
    tags: Readonly<Record<string, string>>,
  ): Promise<{ offset?: string }> {
    const { version, bytes } = this.read({ bucket, key }, undefined);
    const headers: ObjectHeaders = { ...version.headers, tags };
    this.#bucket(bucket).objects.set(key, { version: { ...version, headers }, bytes });
    return { offset: this.#nextOffset() };
  }

  async setObjectAcl(bucket: string, key: string, list: string): Promise<void> {
    const { version, bytes } = this.read({ bucket, key }, undefined);
    const headers = withAccessList(version.headers, list);
    this.#bucket(bucket).objects.set(key, { version: { ...version, headers }, bytes });
  }

  async putObject(request: PutObjectRequest): Promise<WriteReceipt> {
    this.acks.push(request.ack);
    const { bucket, key, headers, conditions } = request;
    this.checkAddress(bucket, key);
    const bytes = await readBody(request.body, request.md5);
    const checksum = request.checksum?.();
    const etag = createHash('md5').update(bytes).digest('hex');
    const receipt = this.commit(bucket, key, { bytes, etag, headers, checksum, conditions });
    return request.ack === undefined ? receipt : { ...receipt, ack: this.ack };
  }

  async getObject(request: GetObjectRequest): Promise<GetObjectResult> {
    const { version, bytes } = this.read(request, request.conditions);
    const range = rangeOf(request, version);
    const served = range === undefined ? bytes : bytes.subarray(range.first, range.last + 1);
    return { object: version, range, body: this.#body(served) };
  }

  async headObject(request: GetObjectRequest): Promise<ObjectVersion> {
    const { version } = this.read(request, request.conditions);
    rangeOf(request, version);
    return version;
  }

  objectStatus(_bucket: string, _key: string, object: ObjectVersion): ObjectStatus {
    const { policy, state, extents } = object;
    const persisted = state === 'PERSISTED';
    return {
      policy,
      state,
      ack: persisted ? 'persisted' : 'fsynced',
      attempt: 0,
      extents,
      inUfs: persisted,
      ...this.status,
    };
  }

  async deleteObject(
    bucket: string,
    key: string,
    conditions?: DeleteConditions,
  ): Promise<{ offset?: string }> {
    this.checkAddress(bucket, key);
    const { objects } = this.#bucket(bucket);
    checkDelete(conditions, objects.get(key));
    objects.delete(key);
    return { offset: this.#nextOffset() };
  }

  async deleteObjects(bucket: string, keys: readonly string[]): Promise<DeletedObjects> {
    const { objects } = this.#bucket(bucket);
    const errors = keys.map((key) => {
      if (Buffer.byteLength(key) > KEY_BYTES_MAX)
        return new HeadraceError('KEY_TOO_LONG', `a key of ${Buffer.byteLength(key)} bytes`);
      objects.delete(key);
      return undefined;
    });
    return { errors, offset: this.#nextOffset() };
  }

  async copyObject(request: CopyObjectRequest): Promise<WriteReceipt> {
    const { bucket, key, conditions } = request;
    this.checkAddress(bucket, key);
    const source = this.copySource(request.source);
    const tags = request.tags ?? source.version.headers.tags;
    const { system, user } = withAccessList(request.headers ?? source.version.headers, request.acl ?? '');
    const headers: ObjectHeaders = tags === undefined ? { system, user } : { system, user, tags };
    const { bytes } = source;
    const etag = createHash('md5').update(bytes).digest('hex');
    const receipt = this.commit(bucket, key, {
      bytes,
      etag,
      headers,
      conditions,
      checksum: source.version.checksum?.type === 'FULL_OBJECT' ? source.version.checksum : undefined,
    });
    return request.ack === undefined ? receipt : { ...receipt, ack: this.ack };
  }

  async listObjects(request: ListObjectsRequest): Promise<ListObjectsResult> {
    const { prefix, delimiter, startAfter, maxKeys } = request;
    const sorted = [...this.#bucket(request.bucket).objects]
      .filter(([key]) => key.startsWith(prefix))
      .toSorted(([a], [b]) => compare(a, b));
    const entries: ListEntry[] = [];
    let last = '';
    for (const [key, { version }] of sorted) {
      const entry = entryOf(key, version, prefix, delimiter);
      const name = entry.kind === 'prefix' ? entry.prefix : entry.key;
      // A common prefix counts by its own name: once listed or passed, nothing below it shows it again.
      if (name === last || compare(name, startAfter) <= 0) continue;
      if (entries.length === maxKeys) return { entries, truncated: true, nextStartAfter: last };
      entries.push(entry);
      last = name;
    }
    return { entries, truncated: false };
  }

  /** Any key of a bucket that is there and short enough. */
  checkAddress(bucket: string, key: string): void {
    this.#bucket(bucket);
    if (Buffer.byteLength(key) > KEY_BYTES_MAX)
      throw new HeadraceError('KEY_TOO_LONG', `a key of ${Buffer.byteLength(key)} bytes`);
  }

  nowMs(): number {
    return this.#clock.wallTimeMs();
  }

  read(
    source: { readonly bucket: string; readonly key: string },
    conditions: ReadConditions | undefined,
  ): StoredObject {
    const object = this.#bucket(source.bucket).objects.get(source.key);
    if (object === undefined) throw new HeadraceError('NO_SUCH_KEY', `${source.key} is not there`);
    checkRead(conditions, object.version);
    return object;
  }

  /** A copy's conditions fail as those of a write do: there is no 304 for them. */
  copySource(source: CopySource): StoredObject {
    try {
      return this.read(source, source.conditions);
    } catch (error) {
      if (error instanceof HeadraceError && error.code === 'NOT_MODIFIED')
        throw new HeadraceError('PRECONDITION_FAILED', 'the source is not modified');
      throw error;
    }
  }

  commit(bucket: string, key: string, object: NewObject): WriteReceipt {
    const { objects } = this.#bucket(bucket);
    checkWrite(object.conditions, objects.get(key));
    const { bytes, etag, headers, checksum, parts } = object;
    const lastModifiedMs = this.nowMs();
    const size = bytes.length;
    const version: ObjectVersion = {
      size,
      etag,
      lastModifiedMs,
      headers,
      checksum,
      parts,
      extents: [],
      policy: 'WRITE_BACK',
      state: 'PENDING',
    };
    objects.set(key, { version, bytes });
    return { etag, lastModifiedMs, size, checksum, offset: this.#nextOffset() };
  }

  #nextOffset(): string {
    return `0:${this.#offset++}`;
  }

  #bucket(name: string): Bucket {
    const bucket = this.#buckets.get(name);
    if (bucket === undefined) throw new HeadraceError('NO_SUCH_BUCKET', `there is no bucket "${name}"`);
    return bucket;
  }

  #body(bytes: Buffer): ReadBody {
    if (bytes.length <= SMALL_BODY_BYTES_MAX) {
      this.unreleased++;
      return { kind: 'bytes', bytes, release: () => void this.unreleased-- };
    }
    return { kind: 'stream', stream: this.#pieces(bytes), size: bytes.length };
  }

  /** One buffer is used for every piece, as the segment store does: it is valid until the next is asked for. */
  async *#pieces(bytes: Buffer): AsyncGenerator<Uint8Array> {
    this.openStreams++;
    try {
      const buffer = Buffer.alloc(64 * 1024);
      for (let from = 0; from < bytes.length; from += buffer.length) {
        const size = bytes.copy(buffer, 0, from, Math.min(bytes.length, from + buffer.length));
        yield buffer.subarray(0, size);
      }
    } finally {
      this.openStreams--;
    }
  }
}

function entryOf(key: string, version: ObjectVersion, prefix: string, delimiter: string): ListEntry {
  const at = delimiter === '' ? -1 : key.indexOf(delimiter, prefix.length);
  if (at >= 0) return { kind: 'prefix', prefix: key.slice(0, at + delimiter.length) };
  const { size, etag, lastModifiedMs } = version;
  return { kind: 'object', key, size, etag, lastModifiedMs, persisted: false };
}

function rangeOf(
  request: { readonly range?: RangeRequest | undefined; readonly partNumber?: number | undefined },
  version: ObjectVersion,
): { first: number; last: number } | undefined {
  const { range, partNumber } = request;
  if (range === undefined && partNumber === undefined) return undefined;
  const resolved =
    range === undefined ? rangeOfPart(version, partNumber ?? 1) : resolveRange(range, version.size);
  if (resolved !== undefined) return resolved;
  const part: Record<string, number> = partNumber === undefined ? {} : { partNumber };
  throw new HeadraceError('INVALID_RANGE', 'nothing is in that range', {
    details: { size: version.size, ...part },
  });
}
