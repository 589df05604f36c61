/**
 * What a simulated under-store holds, on its side of the network: buckets, objects, and everything that was ever done to them.
 *
 * It outlives the processes that use it. Each change happens in one instant of virtual time, and is in `history` in the order in
 * which it happened, so that a checker can tell whether an older version ever took a newer one's place.
 */
import { byteLength, fromByteString, toByteString } from '../src/core/key.js';
import type { StoredObject, StoreListEntry, StoreListRequest } from '../src/core/object-store.js';
import { type ErrorCode, HeadraceError } from '../src/core/errors.js';
import { hexOf, md5 } from '../src/core/hashing.js';
import { KEY_BYTES_MAX, type ObjectHeaders } from '../src/core/object.js';
import { commonPrefixOf } from '../src/core/store-listing.js';

/** User metadata, names and values together (S3 user guide, "User-defined object metadata"). */
const USER_METADATA_BYTES_MAX = 2048;
const BUCKET_NAME = /^[a-z0-9][a-z0-9.-]{1,61}[a-z0-9]$/;

export interface StoreChange {
  readonly atMs: number;
  readonly kind: 'put' | 'delete';
  readonly bucket: string;
  readonly key: string;
  /** Of the object that is there afterwards; undefined after a delete. */
  readonly etag: string | undefined;
  readonly size: number;
  /** Which process did it, counted from 1; 0 for somebody who is none of ours. */
  readonly generation: number;
}

export interface HeldObject extends StoredObject {
  readonly bytes: Uint8Array;
}

/** What becomes an object. */
export interface NewObject {
  readonly bucket: string;
  readonly key: string;
  readonly bytes: Uint8Array;
  readonly headers: ObjectHeaders;
  readonly etag: string | undefined;
  readonly lastModifiedMs: number;
  readonly generation: number;
}

interface Bucket {
  readonly createdMs: number;
  /** By key as a byte string. */
  readonly objects: Map<string, HeldObject>;
  /** Ordered, until the next change of the set of keys. */
  sorted: readonly string[] | undefined;
}

export class SimStoredObjects {
  readonly history: StoreChange[] = [];
  readonly #buckets = new Map<string, Bucket>();
  readonly #nowMs: () => number;
  #versions = 0;

  constructor(nowMs: () => number) {
    this.#nowMs = nowMs;
  }

  bucketNames(): { name: string; createdMs: number }[] {
    return Array.from(this.#buckets, ([name, { createdMs }]) => ({ name, createdMs })).sort((a, b) =>
      a.name < b.name ? -1 : 1,
    );
  }

  hasBucket(bucket: string): boolean {
    return this.#buckets.has(bucket);
  }

  createBucket(bucket: string): void {
    if (!BUCKET_NAME.test(bucket)) throw rejected('InvalidBucketName', `"${bucket}" is no name for a bucket`);
    if (this.#buckets.has(bucket)) return;
    this.#buckets.set(bucket, { createdMs: this.#nowMs(), objects: new Map(), sorted: undefined });
  }

  deleteBucket(bucket: string): void {
    const found = this.#buckets.get(bucket);
    if (found !== undefined && found.objects.size > 0) {
      throw failure('BUCKET_NOT_EMPTY', `the bucket "${bucket}" is not empty`);
    }
    this.#buckets.delete(bucket);
  }

  put(object: NewObject): HeldObject {
    const { bucket, key, bytes, headers, lastModifiedMs, generation } = object;
    const found = this.#bucket(bucket);
    checkKey(key);
    checkUserMetadata(headers);
    const etag = object.etag ?? hexOf(md5([bytes]));
    // Nobody may take it for ours: a store need not use MD5.
    const storeEtag = `sim-version-${++this.#versions}`;
    const held = { bytes, size: bytes.length, etag, storeEtag, lastModifiedMs, headers };
    const name = toByteString(key);
    if (!found.objects.has(name)) found.sorted = undefined;
    found.objects.set(name, held);
    this.history.push({
      atMs: this.#nowMs(),
      kind: 'put',
      bucket,
      key,
      etag,
      size: bytes.length,
      generation,
    });
    return held;
  }

  delete(bucket: string, key: string, generation: number): void {
    const found = this.#buckets.get(bucket);
    if (found === undefined || !found.objects.delete(toByteString(key))) return;
    found.sorted = undefined;
    this.history.push({
      atMs: this.#nowMs(),
      kind: 'delete',
      bucket,
      key,
      etag: undefined,
      size: 0,
      generation,
    });
  }

  get(bucket: string, key: string): HeldObject | undefined {
    return this.#buckets.get(bucket)?.objects.get(toByteString(key));
  }

  /** Everything in a bucket, in order. */
  entries(bucket: string): (readonly [key: string, object: HeldObject])[] {
    const { objects } = this.#bucket(bucket);
    return this.#sorted(bucket).map(
      (name) => [fromByteString(name), objects.get(name) as HeldObject] as const,
    );
  }

  /** The first `count` entries of a listing. */
  list({ bucket, prefix, startAfter, delimiter }: StoreListRequest, count: number): StoreListEntry[] {
    const { objects } = this.#bucket(bucket);
    const entries: StoreListEntry[] = [];
    const [after, start] = [toByteString(startAfter), toByteString(prefix)];
    let skipped: string | undefined;
    for (const name of this.#sorted(bucket)) {
      if (entries.length === count) break;
      if (name <= after || !name.startsWith(start)) continue;
      if (skipped !== undefined && name.startsWith(skipped)) continue;
      const key = fromByteString(name);
      const common = commonPrefixOf(key, prefix, delimiter);
      if (common === undefined) {
        const { size, etag, lastModifiedMs } = objects.get(name) as HeldObject;
        entries.push({ kind: 'object', key, size, etag, lastModifiedMs });
      } else {
        skipped = toByteString(common);
        entries.push({ kind: 'prefix', prefix: common });
      }
    }
    return entries;
  }

  #bucket(bucket: string): Bucket {
    const found = this.#buckets.get(bucket);
    if (found === undefined) throw failure('NO_SUCH_BUCKET', `there is no bucket "${bucket}"`);
    return found;
  }

  #sorted(bucket: string): readonly string[] {
    const found = this.#bucket(bucket);
    return (found.sorted ??= [...found.objects.keys()].sort());
  }
}

export function failure(code: ErrorCode, message: string): HeadraceError {
  return new HeadraceError(code, message);
}

export function rejected(s3Code: string, message: string): HeadraceError {
  return new HeadraceError('UFS_REJECTED', message, { details: { s3Code } });
}

function checkKey(key: string): void {
  const bytes = byteLength(key);
  if (bytes === 0 || bytes > KEY_BYTES_MAX) {
    throw rejected('KeyTooLongError', `a key has 1 to ${KEY_BYTES_MAX} bytes, not ${bytes}`);
  }
  if (Buffer.from(key).toString() !== key) throw rejected('InvalidURI', 'a key must be Unicode');
}

function checkUserMetadata({ user }: ObjectHeaders): void {
  let bytes = 0;
  for (const [name, value] of Object.entries(user)) {
    if (name !== name.toLowerCase())
      throw rejected('InvalidArgument', `the metadata name ${name} has capitals`);
    bytes += byteLength(name) + byteLength(value);
  }
  if (bytes > USER_METADATA_BYTES_MAX) {
    throw rejected(
      'MetadataTooLarge',
      `${bytes} bytes of user metadata are more than ${USER_METADATA_BYTES_MAX}`,
    );
  }
}

export function withoutBytes({ size, etag, storeEtag, lastModifiedMs, headers }: HeldObject): StoredObject {
  return { size, etag, storeEtag, lastModifiedMs, headers };
}
