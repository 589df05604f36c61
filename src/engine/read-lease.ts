/**
 * That a server which another one may have succeeded neither answers from memory nor writes to an under-store: where others can reach the log,
 * what was read counts only if the lease was valid behind the reading.
 *
 * | what happened                                          | while the lease is not valid                                       |
 * |--------------------------------------------------------|--------------------------------------------------------------------|
 * | a read found something, or that there is nothing       | `LEASE_EXPIRED`: it may have been so at another time               |
 * | a write begins                                         | `LEASE_EXPIRED`: it may go to the under-store before the log       |
 * | a write was refused by the state (412, no such upload) | `LEASE_EXPIRED`, as its reason was read from memory                |
 * | a write found nothing to change, and logged nothing    | `LEASE_EXPIRED`, likewise                                          |
 * | a write was logged                                     | its receipt: the log's epoch says that nobody else was the owner   |
 * | an error of the disk, the log or the under-store       | that error: it claims nothing about objects                        |
 * | an object is due to be persisted                       | it waits (`persister.ts`)                                          |
 *
 * Invariant: the lease is looked at after the state. The other way round a process that is stopped between the two, by its kernel or
 * its garbage collector, answers with what was true before somebody else's writes. What an answer rests on was true at some moment
 * of the call, so its body may be sent for as long as that takes.
 *
 * Without a lease (the embedded log, which the data directory's lock keeps to one process) the engine has none of this in its way.
 *
 * Source of the idea: C. Gray, D. Cheriton, "Leases", SOSP 1989.
 */
import type { Lease } from '../core/coordinator.js';
import { HeadraceError } from '../core/errors.js';
import type { ObjectVersion } from '../core/object.js';
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
  Offset,
  PutObjectRequest,
  ReadBody,
  WriteReceipt,
} from './object-service.js';
import type { ObjectStatus } from './object-status.js';
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

export type ReadLease = Pick<Lease, 'isValid'>;

const RETRY_AFTER_MS = 1000;

/** To be called after the state was read. `LEASE_EXPIRED`; never without a lease. */
export function checkLease({ lease }: { readonly lease?: ReadLease | undefined }): void {
  if (lease !== undefined && !lease.isValid) throw leaseExpired();
}

function leaseExpired(cause?: unknown): HeadraceError {
  return new HeadraceError(
    'LEASE_EXPIRED',
    'this server has not renewed its lease of the log in time, so that another one may own the log by now: try again',
    { details: { retryAfterMs: RETRY_AFTER_MS }, ...(cause === undefined ? {} : { cause }) },
  );
}

/** An object service whose answers count only under a lease. */
export class LeasedObjects implements ObjectService {
  readonly #objects: ObjectService;
  readonly #lease: ReadLease;

  constructor(objects: ObjectService, lease: ReadLease) {
    this.#objects = objects;
    this.#lease = lease;
  }

  listBuckets(): Promise<BucketSummary[]> {
    return this.#read(this.#objects.listBuckets());
  }

  createBucket(bucket: string, owner?: string): Promise<void> {
    return this.#write(() => this.#objects.createBucket(bucket, owner));
  }

  deleteBucket(bucket: string): Promise<void> {
    return this.#write(() => this.#objects.deleteBucket(bucket));
  }

  headBucket(bucket: string): Promise<BucketSummary> {
    return this.#read(this.#objects.headBucket(bucket));
  }

  bucketDocument(bucket: string, name: string): Promise<string | undefined> {
    return this.#read(this.#objects.bucketDocument(bucket, name));
  }

  setBucketDocument(bucket: string, name: string, document: string): Promise<void> {
    return this.#write(() => this.#objects.setBucketDocument(bucket, name, document));
  }

  putObject(request: PutObjectRequest): Promise<WriteReceipt> {
    return this.#logged(() => this.#objects.putObject(request));
  }

  getObject(request: GetObjectRequest): Promise<GetObjectResult> {
    return this.#read(this.#objects.getObject(request), ({ body }) => drop(body));
  }

  headObject(request: GetObjectRequest): Promise<ObjectVersion> {
    return this.#read(this.#objects.headObject(request));
  }

  /** Of a version that a read under the lease has just found: how far a version has come never goes back. */
  objectStatus(bucket: string, key: string, object: ObjectVersion): ObjectStatus {
    return this.#objects.objectStatus(bucket, key, object);
  }

  deleteObject(bucket: string, key: string, conditions?: DeleteConditions): Promise<{ offset?: Offset }> {
    return this.#logged(() => this.#objects.deleteObject(bucket, key, conditions));
  }

  deleteObjects(bucket: string, keys: readonly string[]): Promise<DeletedObjects> {
    return this.#logged(() => this.#objects.deleteObjects(bucket, keys));
  }

  copyObject(request: CopyObjectRequest): Promise<WriteReceipt> {
    return this.#logged(() => this.#objects.copyObject(request));
  }

  setObjectTags(
    bucket: string,
    key: string,
    tags: Readonly<Record<string, string>>,
  ): Promise<{ offset?: Offset }> {
    return this.#logged(() => this.#objects.setObjectTags(bucket, key, tags));
  }

  setObjectAcl(bucket: string, key: string, list: string): Promise<void> {
    return this.#write(() => this.#objects.setObjectAcl(bucket, key, list));
  }

  listObjects(request: ListObjectsRequest): Promise<ListObjectsResult> {
    return this.#read(this.#objects.listObjects(request));
  }

  createUpload(request: CreateUploadRequest): Promise<{ uploadId: string }> {
    return this.#write(() => this.#objects.createUpload(request));
  }

  putPart(request: PutPartRequest): Promise<PartReceipt> {
    return this.#write(() => this.#objects.putPart(request));
  }

  copyPart(request: CopyPartRequest): Promise<PartReceipt> {
    return this.#write(() => this.#objects.copyPart(request));
  }

  completeUpload(request: CompleteUploadRequest): Promise<WriteReceipt> {
    return this.#logged(() => this.#objects.completeUpload(request));
  }

  abortUpload(bucket: string, key: string, uploadId: string): Promise<void> {
    return this.#write(() => this.#objects.abortUpload(bucket, key, uploadId));
  }

  listParts(request: ListPartsRequest): Promise<ListPartsResult> {
    return this.#read(this.#objects.listParts(request));
  }

  listUploads(request: ListUploadsRequest): Promise<ListUploadsResult> {
    return this.#read(this.#objects.listUploads(request));
  }

  /** `dropped` is given what is not answered. */
  #read<Value>(reading: Promise<Value>, dropped?: (value: Value) => void): Promise<Value> {
    return reading.then((value) => {
      if (this.#lease.isValid) return value;
      dropped?.(value);
      throw leaseExpired();
    }, this.#refused);
  }

  /** One whose success is an event. */
  #write<Value>(write: () => Promise<Value>): Promise<Value> {
    if (!this.#lease.isValid) return Promise.reject(leaseExpired());
    return write().catch(this.#refused);
  }

  /** One that says where its event stands, and may find that there is nothing to do. */
  #logged<Receipt extends { readonly offset?: Offset | undefined }>(
    write: () => Promise<Receipt>,
  ): Promise<Receipt> {
    if (!this.#lease.isValid) return Promise.reject(leaseExpired());
    return write().then((receipt) => {
      if (receipt.offset === undefined) checkLease({ lease: this.#lease });
      return receipt;
    }, this.#refused);
  }

  readonly #refused = (error: unknown): never => {
    const isClaim = error instanceof HeadraceError && error.kind === 'INVALID';
    throw isClaim && !this.#lease.isValid ? leaseExpired(error) : error;
  };
}

/** A stream that cannot even be closed has nothing to tell anybody. */
function drop(body: ReadBody): void {
  if (body.kind === 'bytes') body.release();
  else
    body.stream[Symbol.asyncIterator]()
      .return?.()
      .catch(() => undefined);
}
