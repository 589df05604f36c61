/** `ObjectService`: checks the bucket, then hands each call to the part of the engine that owns it. */
import { createHash } from 'node:crypto';
import { isErrorCode } from '../core/errors.js';
import type { ObjectVersion } from '../core/object.js';
import type { AckPath } from './ack-path.js';
import type { Buckets } from './buckets.js';
import { CopyPath } from './copy-path.js';
import type { DeletePath } from './delete-path.js';
import type { ListPath } from './list-path.js';
import type {
  BucketSummary,
  CopyObjectRequest,
  DeleteConditions,
  DeletedObjects,
  GetObjectRequest,
  GetObjectResult,
  ListObjectsRequest,
  ListObjectsResult,
  ObjectService,
  PutObjectRequest,
  WriteReceipt,
} from './object-service.js';
import type {
  CompleteUploadRequest,
  CopyPartRequest,
  CreateUploadRequest,
  ListPartsRequest,
  ListPartsResult,
  ListUploadsRequest,
  ListUploadsResult,
  PartReceipt,
  PutPartRequest,
} from './upload-requests.js';
import type { ObjectStatus } from './object-status.js';
import type { ReadPath } from './read-path.js';
import type { SafePersist } from './safe-persist.js';
import type { TagPath } from './tag-path.js';
import type { Uploads } from './uploads.js';
import type { WritePath } from './write-path.js';

export interface ObjectsParts {
  readonly buckets: Buckets;
  readonly writes: WritePath;
  readonly reads: ReadPath;
  readonly deletes: DeletePath;
  readonly lists: ListPath;
  readonly uploads: Uploads;
  readonly tags: TagPath;
  readonly acks: AckPath;
  readonly safe: SafePersist;
  readonly status: ObjectService['objectStatus'];
}

export class Objects implements ObjectService {
  readonly #parts: ObjectsParts;
  readonly #copies: CopyPath;

  constructor(parts: ObjectsParts) {
    this.#parts = parts;
    this.#copies = new CopyPath(parts, (request) => this.getObject(request));
  }

  listBuckets(): Promise<BucketSummary[]> {
    return this.#parts.buckets.list();
  }

  createBucket(bucket: string, owner?: string): Promise<void> {
    return this.#parts.buckets.create(bucket, owner);
  }

  deleteBucket(bucket: string): Promise<void> {
    return this.#parts.buckets.delete(bucket);
  }

  headBucket(bucket: string): Promise<BucketSummary> {
    return this.#parts.buckets.head(bucket);
  }

  async bucketDocument(bucket: string, name: string): Promise<string | undefined> {
    await this.#parts.buckets.require(bucket);
    return this.#parts.buckets.document(bucket, name);
  }

  async setBucketDocument(bucket: string, name: string, document: string): Promise<void> {
    await this.#parts.buckets.require(bucket);
    return this.#parts.buckets.configure(bucket, name, document);
  }

  async setObjectTags(
    bucket: string,
    key: string,
    tags: Readonly<Record<string, string>>,
  ): Promise<{ offset?: string }> {
    return this.#writing(bucket, () =>
      this.#safely({ bucket, key }, () => this.#parts.tags.set(bucket, key, tags)),
    );
  }

  async setObjectAcl(bucket: string, key: string, list: string): Promise<void> {
    return this.#writing(bucket, () =>
      this.#safely({ bucket, key }, () => this.#parts.tags.setAcl(bucket, key, list)),
    );
  }

  putObject(request: PutObjectRequest): Promise<WriteReceipt> {
    // The usual write waits for nothing else.
    if (request.ack === undefined) return this.#put(request);
    return this.#parts.acks.run(request, () => this.#put(request));
  }

  #put(request: PutObjectRequest): Promise<WriteReceipt> {
    return this.#writing(request.bucket, () =>
      this.#parts.safe.isNeeded
        ? this.#safely(request, () => this.#parts.writes.put(request))
        : this.#parts.writes.put(request),
    );
  }

  getObject(request: GetObjectRequest): Promise<GetObjectResult> {
    const { buckets, reads } = this.#parts;
    const checked = buckets.require(request.bucket);
    return checked === undefined ? reads.get(request) : checked.then(() => reads.get(request));
  }

  async headObject(request: GetObjectRequest): Promise<ObjectVersion> {
    const checked = this.#parts.buckets.require(request.bucket);
    if (checked !== undefined) await checked;
    return this.#parts.reads.head(request);
  }

  objectStatus(bucket: string, key: string, object: ObjectVersion): ObjectStatus {
    return this.#parts.status(bucket, key, object);
  }

  async deleteObject(
    bucket: string,
    key: string,
    conditions?: DeleteConditions,
  ): Promise<{ offset?: string }> {
    try {
      return await this.#writing(bucket, () =>
        this.#safely({ bucket, key }, () => this.#parts.deletes.delete(bucket, key, conditions)),
      );
    } catch (error) {
      // Deleting what is not there succeeds, whatever it should have matched.
      if (conditions !== undefined && isErrorCode(error, 'NO_SUCH_KEY')) return {};
      throw error;
    }
  }

  async deleteObjects(bucket: string, keys: readonly string[]): Promise<DeletedObjects> {
    return this.#writing(bucket, () =>
      this.#parts.safe.writing(bucket, keys, () => this.#parts.deletes.deleteMany(bucket, keys)),
    );
  }

  copyObject(request: CopyObjectRequest): Promise<WriteReceipt> {
    return this.#parts.acks.run(request, () =>
      this.#writing(request.bucket, () => this.#safely(request, () => this.#copies.copyObject(request))),
    );
  }

  listObjects(request: ListObjectsRequest): Promise<ListObjectsResult> {
    const checked = this.#parts.buckets.require(request.bucket);
    return checked === undefined
      ? this.#parts.lists.list(request)
      : checked.then(() => this.#parts.lists.list(request));
  }

  async createUpload(request: CreateUploadRequest): Promise<{ uploadId: string }> {
    return this.#writing(request.bucket, () => this.#parts.uploads.create(request));
  }

  async putPart(request: PutPartRequest): Promise<PartReceipt> {
    return this.#writing(request.bucket, () => this.#parts.uploads.putPart(request));
  }

  copyPart(request: CopyPartRequest): Promise<PartReceipt> {
    return this.#writing(request.bucket, () => this.#copies.copyPart(request));
  }

  completeUpload(request: CompleteUploadRequest): Promise<WriteReceipt> {
    return this.#parts.acks.run(request, () => this.#completeUpload(request));
  }

  async #completeUpload(request: CompleteUploadRequest): Promise<WriteReceipt> {
    try {
      return await this.#writing(request.bucket, () =>
        this.#safely(request, () => this.#parts.uploads.complete(request)),
      );
    } catch (error) {
      const done = isErrorCode(error, 'NO_SUCH_UPLOAD') ? await this.#completedBefore(request) : undefined;
      if (done === undefined) throw error;
      return done;
    }
  }

  /**
   * A client that lost the answer of a completion asks again, and the upload is gone. If the object is what these parts make,
   * the completion succeeded: the ETag is a hash over the parts.
   */
  async #completedBefore(request: CompleteUploadRequest): Promise<WriteReceipt | undefined> {
    const { bucket, key, parts } = request;
    if (parts.length === 0 || !parts.every(({ etag }) => /^[\da-f]{32}$/.test(etag))) return undefined;
    const md5 = createHash('md5');
    for (const { etag } of parts) md5.update(Buffer.from(etag, 'hex'));
    const expected = `${md5.digest('hex')}-${parts.length}`;
    const object = await this.headObject({ bucket, key }).catch((error: unknown) => {
      if (isErrorCode(error, 'NO_SUCH_KEY')) return undefined;
      throw error;
    });
    if (object?.etag !== expected) return undefined;
    const { etag, lastModifiedMs, size, checksum } = object;
    return { etag, lastModifiedMs, size, checksum };
  }

  /** Where persists are conditional, what the UFS holds is noted before the write, and stays noted until its end. */
  #safely<Result>(
    { bucket, key }: { readonly bucket: string; readonly key: string },
    write: () => Promise<Result>,
  ): Promise<Result> {
    return this.#parts.safe.writing(bucket, [key], write);
  }

  async abortUpload(bucket: string, key: string, uploadId: string): Promise<void> {
    await this.#parts.buckets.require(bucket);
    return this.#parts.uploads.abort(bucket, key, uploadId, 'CLIENT');
  }

  async listParts(request: ListPartsRequest): Promise<ListPartsResult> {
    await this.#parts.buckets.require(request.bucket);
    return this.#parts.uploads.listParts(request);
  }

  async listUploads(request: ListUploadsRequest): Promise<ListUploadsResult> {
    await this.#parts.buckets.require(request.bucket);
    return this.#parts.uploads.listUploads(request);
  }

  /** Runs a write to a bucket that exists and, meanwhile, cannot be deleted. Without `async`: it is on the way of every PUT. */
  #writing<Result>(bucket: string, write: () => Promise<Result>): Promise<Result> {
    const { buckets } = this.#parts;
    let running: Promise<Result>;
    try {
      buckets.beginWrite(bucket);
    } catch (error) {
      return Promise.reject(error);
    }
    const end = (): void => buckets.endWrite(bucket);
    try {
      const checked = buckets.require(bucket);
      running = checked === undefined ? write() : checked.then(write);
    } catch (error) {
      end();
      return Promise.reject(error);
    }
    running.then(end, end);
    return running;
  }
}
