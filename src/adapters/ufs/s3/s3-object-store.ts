/**
 * `ObjectStore` on S3 or a store that speaks its protocol.
 *
 * A bucket is the store's bucket of the same name. With a mapping (`bucket`, `prefix`) there is one bucket, that one, and its
 * keys are those below the prefix: so a mount can stand for a part of a bucket. Buckets are not made or removed through a
 * mapping. `s3-upload.ts` has how bytes are kept whole, `s3-metadata.ts` what travels beside them, `s3-errors.ts` the codes.
 *
 * In a listing the time is the store's own, and so is the ETag, which is ours unless the store does not use MD5: S3 does not
 * list metadata.
 */
import { HeadraceError } from '../../../core/errors.js';
import { byteLength } from '../../../core/key.js';
import type {
  ByteRange,
  MultipartStore,
  ObjectStore,
  SmallPuts,
  StoredBucket,
  StoredObject,
  StoreGetResult,
  StoreListPage,
  StoreListRequest,
  StoreCondition,
  StorePutRequest,
} from '../../../core/object-store.js';
import { checkStoreCondition } from '../../../core/store-condition.js';
import { KEY_BYTES_MAX } from '../../../core/object.js';
import { AnswerBody } from '../answer-body.js';
import {
  bucketExists,
  checkBuckets,
  createBucket,
  deleteBucket,
  listBuckets,
  requireBucket,
} from './s3-buckets.js';
import { isS3Code, mappedError, s3Error } from './s3-errors.js';
import { listPage } from './s3-listing.js';
import { deleteObject, getObject, headObject } from './s3-requests.js';
import { headersFrom, ownMetadataFrom, type S3ObjectFields, storeEtagOf } from './s3-metadata.js';
import { type S3Connection, S3Session, type S3Settings } from './s3-session.js';
import { S3Multipart } from './s3-multipart.js';
import { S3Uploader, type S3Target } from './s3-upload.js';
import type { UploadLane, UploadThread } from './upload-thread.js';

export interface S3ObjectStoreOptions extends S3Settings {
  /** Maps the store to this one bucket. */
  readonly bucket?: string;
  /** With `bucket`: what stands before every key; ends with a slash, unless it is empty. */
  readonly prefix?: string;
  /** Whether an answer whose ETag looks like an MD5 and is not ours is a failure. Default true. */
  readonly verifyEtag?: boolean;
  /** Larger objects are sent in parts. Default 5 GiB, which is what S3 takes. */
  readonly requestBytesMax?: number;
}

export interface S3ObjectStoreParts {
  /** Uploads small objects; absent: they are uploaded by the thread that calls. */
  readonly uploads?: UploadThread | undefined;
}

export class S3ObjectStore implements ObjectStore {
  readonly description: string;
  readonly conditions = 'atomic';
  readonly multipart: MultipartStore;
  readonly smallPuts?: SmallPuts;
  readonly #session: S3Session;
  readonly #uploader: S3Uploader;
  readonly #mapped: string | undefined;
  readonly #prefix: string;
  readonly #region: string | undefined;
  readonly #lane: UploadLane | undefined;
  #closed = false;

  /** Connects to nothing. */
  constructor(options: S3ObjectStoreOptions, { uploads }: S3ObjectStoreParts = {}) {
    const { bucket, prefix = '', endpoint = 'aws', verifyEtag = true, requestBytesMax } = options;
    this.description = `s3 ${endpoint}${bucket === undefined ? '' : `/${bucket}/${prefix}`}`;
    this.#session = new S3Session(options);
    this.#uploader = new S3Uploader({
      verifyEtag,
      ...(requestBytesMax === undefined ? {} : { requestBytesMax }),
    });
    this.multipart = new S3Multipart({
      verifyEtag,
      target: (of, key) => this.#target(of, key),
      perform: (what, write, signal, work) => this.#perform(what, write, signal, work),
    });
    this.#mapped = bucket;
    this.#prefix = bucket === undefined ? '' : prefix;
    this.#region = options.region;
    this.#lane = uploads?.open(options);
    if (this.#lane !== undefined) this.smallPuts = this.#lane;
  }

  check(signal?: AbortSignal): Promise<void> {
    return this.#read(`reach ${this.description}`, signal, (connection) =>
      checkBuckets(connection, this.#mapped, signal),
    );
  }

  listBuckets(signal?: AbortSignal): Promise<StoredBucket[]> {
    return this.#read(`list the buckets of ${this.description}`, signal, async (connection) =>
      this.#mapped === undefined ? listBuckets(connection, signal) : [{ name: this.#mapped, createdMs: 0 }],
    );
  }

  bucketExists(bucket: string, signal?: AbortSignal): Promise<boolean> {
    return this.#read(`look for the bucket ${bucket}`, signal, async (connection) =>
      this.#has(bucket) ? bucketExists(connection, bucket, signal) : false,
    );
  }

  createBucket(bucket: string, signal?: AbortSignal): Promise<void> {
    return this.#write(`create the bucket ${bucket}`, signal, async (connection) => {
      if (this.#mapped === undefined) return createBucket(connection, bucket, this.#region, signal);
      if (bucket !== this.#mapped) throw mappedError(`create the bucket ${bucket}`, this.description);
      await requireBucket(connection, bucket, signal);
    });
  }

  deleteBucket(bucket: string, signal?: AbortSignal): Promise<void> {
    return this.#write(`delete the bucket ${bucket}`, signal, async (connection) => {
      if (this.#mapped !== undefined) throw mappedError(`delete the bucket ${bucket}`, this.description);
      await deleteBucket(connection, bucket, signal);
    });
  }

  async put(request: StorePutRequest, signal?: AbortSignal): Promise<StoredObject> {
    const target = this.#target(request.bucket, request.key);
    const keyBytes = byteLength(target.Key);
    if (request.key === '' || keyBytes > KEY_BYTES_MAX) {
      throw new HeadraceError('UFS_REJECTED', `a key has 1 to ${KEY_BYTES_MAX} bytes, not ${keyBytes}`);
    }
    const elsewhere = this.#closed || signal?.aborted === true ? undefined : this.#lane?.put(request, signal);
    if (elsewhere !== undefined) return elsewhere;
    return this.#write(`put ${request.bucket}/${request.key}`, signal, (connection) =>
      this.#uploader.put(connection, target, request, signal),
    );
  }

  head(bucket: string, key: string, signal?: AbortSignal): Promise<StoredObject | undefined> {
    return this.#read(`head ${bucket}/${key}`, signal, async (connection) => {
      if (!this.#has(bucket)) return undefined;
      const target = this.#target(bucket, key);
      try {
        const answer = await headObject(connection, target, signal);
        const object = objectFrom(answer, answer.ContentLength ?? 0);
        return await this.#withTags(connection, target, object, answer.TagCount, signal);
      } catch (error) {
        if (isAbsent(error)) return undefined;
        throw error;
      }
    });
  }

  get(
    bucket: string,
    key: string,
    range?: ByteRange,
    signal?: AbortSignal,
  ): Promise<StoreGetResult | undefined> {
    return this.#read(`get ${bucket}/${key}`, signal, async (connection) => {
      if (!this.#has(bucket)) return undefined;
      const target = this.#target(bucket, key);
      try {
        const { fields: answer, stream } = await getObject(connection, target, range, signal);
        const length = answer.ContentLength ?? 0;
        const body = new AnswerBody(`${bucket}/${key}`, stream, length, signal);
        try {
          const size = range === undefined ? length : sizeFromRange(answer.ContentRange, `${bucket}/${key}`);
          const object = objectFrom(answer, size);
          return {
            object: await this.#withTags(connection, target, object, answer.TagCount, signal),
            body,
          };
        } catch (error) {
          body.destroy();
          throw error;
        }
      } catch (error) {
        if (isAbsent(error)) return undefined;
        throw error;
      }
    });
  }

  /** Not every S3 takes conditions for a delete: the object is compared before. */
  async delete(bucket: string, key: string, signal?: AbortSignal, condition?: StoreCondition): Promise<void> {
    if (condition !== undefined) {
      const found = await this.head(bucket, key, signal);
      if (found === undefined) return;
      checkStoreCondition(condition, found, `${bucket}/${key}`);
    }
    return this.#write(`delete ${bucket}/${key}`, signal, async (connection) => {
      if (!this.#has(bucket)) return;
      try {
        await deleteObject(connection, this.#target(bucket, key), signal);
      } catch (error) {
        if (!isAbsent(error)) throw error;
      }
    });
  }

  list(request: StoreListRequest, signal?: AbortSignal): Promise<StoreListPage> {
    return this.#read(`list ${request.bucket}`, signal, (connection) => {
      const { Bucket } = this.#target(request.bucket, '');
      const { prefix, startAfter, delimiter, limit } = request;
      const base = this.#prefix;
      return listPage(connection, { Bucket, base, prefix, startAfter, delimiter, limit }, signal);
    });
  }

  async close(): Promise<void> {
    this.#closed = true;
    await Promise.all([this.#session.close(), this.#lane?.close()]);
  }

  #read<Value>(
    what: string,
    signal: AbortSignal | undefined,
    work: (connection: S3Connection) => Promise<Value>,
  ): Promise<Value> {
    return this.#perform(what, false, signal, work);
  }

  #write<Value>(
    what: string,
    signal: AbortSignal | undefined,
    work: (connection: S3Connection) => Promise<Value>,
  ): Promise<Value> {
    return this.#perform(what, true, signal, work);
  }

  async #perform<Value>(
    what: string,
    write: boolean,
    signal: AbortSignal | undefined,
    work: (connection: S3Connection) => Promise<Value>,
  ): Promise<Value> {
    if (this.#closed) throw new HeadraceError('CLOSED', `cannot ${what}: ${this.description} is closed`);
    // What was aborted before it began changed nothing.
    if (signal?.aborted === true) throw s3Error(what, signal.reason, false, signal);
    try {
      return await work(await this.#session.connection());
    } catch (error) {
      throw s3Error(what, error, write, signal);
    }
  }

  #has(bucket: string): boolean {
    return this.#mapped === undefined || bucket === this.#mapped;
  }

  #target(bucket: string, key: string): S3Target {
    if (!this.#has(bucket)) {
      throw new HeadraceError('NO_SUCH_BUCKET', `${this.description} has no bucket "${bucket}"`);
    }
    return { Bucket: bucket, Key: this.#prefix + key };
  }

  /** The tags cost a second request, made only where the first says that there are any. */
  async #withTags(
    { sdk, client }: S3Connection,
    target: S3Target,
    object: StoredObject,
    count: number | undefined,
    signal: AbortSignal | undefined,
  ): Promise<StoredObject> {
    if (count === undefined || count === 0) return object;
    const answer = await client.send(new sdk.GetObjectTaggingCommand(target), { abortSignal: signal });
    const pairs = (answer.TagSet ?? []).map(({ Key = '', Value = '' }) => [Key, Value] as const);
    return { ...object, headers: { ...object.headers, tags: Object.fromEntries(pairs) } };
  }
}

function objectFrom(fields: S3ObjectFields, size: number): StoredObject {
  const storeEtag = storeEtagOf(fields);
  const own = ownMetadataFrom(fields, size);
  return {
    size,
    etag: own.etag ?? storeEtag,
    storeEtag,
    lastModifiedMs: own.lastModifiedMs ?? fields.LastModified?.getTime() ?? 0,
    headers: headersFrom(fields),
  };
}

function isAbsent(error: unknown): boolean {
  return isS3Code(error, 404, 'NotFound', 'NoSuchKey', 'NoSuchBucket');
}

/** The size of the whole object from `bytes 0-9/1234`. */
function sizeFromRange(range: string | undefined, what: string): number {
  const size = Number(/\/(\d+)$/.exec(range ?? '')?.[1]);
  if (Number.isSafeInteger(size)) return size;
  throw new HeadraceError(
    'UFS_REJECTED',
    `the store answered a request for a part of ${what} without saying which part it sends (Content-Range: ${range ?? 'none'})`,
  );
}
