/**
 * What the engine offers to the S3 routes: objects, buckets and multipart uploads, without HTTP.
 *
 * Every write is durable, in the sense of its path's policy, when its promise resolves. Errors are `HeadraceError`s;
 * the codes a method adds to the common ones (`NO_SUCH_BUCKET`, `UFS_*`, `IO_FAILED`, `CLOSED`) are named with it.
 */
import type { ByteRange } from '../core/object-store.js';
import type { ObjectChecksum, ObjectHeaders, ObjectVersion, PersistState } from '../core/object.js';
import type { ObjectStatus } from './object-status.js';
import type {
  CreateUploadRequest,
  PutPartRequest,
  PartReceipt,
  CopyPartRequest,
  CompleteUploadRequest,
  ListPartsRequest,
  ListPartsResult,
  ListUploadsRequest,
  ListUploadsResult,
} from './upload-requests.js';

export interface ObjectService {
  listBuckets(): Promise<BucketSummary[]>;
  /** `owner`: the user who creates it. `INVALID_BUCKET_NAME`, `BUCKET_EXISTS`. */
  createBucket(bucket: string, owner?: string): Promise<void>;
  /** `BUCKET_NOT_EMPTY`. */
  deleteBucket(bucket: string): Promise<void>;
  headBucket(bucket: string): Promise<BucketSummary>;
  /** A document of the bucket's configuration, by name (cors, tagging); undefined when there is none. */
  bucketDocument(bucket: string, name: string): Promise<string | undefined>;
  /** Sets one, or removes it when `document` is empty. Durable on return. */
  setBucketDocument(bucket: string, name: string, document: string): Promise<void>;

  /**
   * Stores an object. `BAD_DIGEST` when `md5` differs from the body's, `INCOMPLETE_BODY` when the body is shorter or longer than
   * `size`, `PRECONDITION_FAILED`, `READ_ONLY_PATH`, `KEY_TOO_LONG`, `OUT_OF_SPACE`, `SLOW_DOWN`, `DISK_FULL`.
   */
  putObject(request: PutObjectRequest): Promise<WriteReceipt>;
  /** `NO_SUCH_KEY`, `INVALID_RANGE`, `PRECONDITION_FAILED`, `NOT_MODIFIED`, `CORRUPT_EXTENT`. */
  getObject(request: GetObjectRequest): Promise<GetObjectResult>;
  /** As `getObject`, without a body. */
  headObject(request: GetObjectRequest): Promise<ObjectVersion>;
  /** How far the version that a read just found has come on its way to the UFS. */
  objectStatus(bucket: string, key: string, object: ObjectVersion): ObjectStatus;
  /** Deleting what is not there succeeds. `PRECONDITION_FAILED`, `READ_ONLY_PATH`. */
  deleteObject(bucket: string, key: string, conditions?: DeleteConditions): Promise<{ offset?: Offset }>;
  /** One append for all. */
  deleteObjects(bucket: string, keys: readonly string[]): Promise<DeletedObjects>;
  copyObject(request: CopyObjectRequest): Promise<WriteReceipt>;
  /** Gives the current version other tags; its bytes, ETag and time stay. As `putObject`, and `NO_SUCH_KEY`. */
  setObjectTags(
    bucket: string,
    key: string,
    tags: Readonly<Record<string, string>>,
  ): Promise<{ offset?: Offset }>;
  /**
   * Gives the current version another access control list (`formatAccessList`; '' for none); its bytes, ETag and time stay. As
   * `setObjectTags`.
   */
  setObjectAcl(bucket: string, key: string, list: string): Promise<void>;
  listObjects(request: ListObjectsRequest): Promise<ListObjectsResult>;

  createUpload(request: CreateUploadRequest): Promise<{ uploadId: string }>;
  /** As `putObject`, and `NO_SUCH_UPLOAD`. */
  putPart(request: PutPartRequest): Promise<PartReceipt>;
  copyPart(request: CopyPartRequest): Promise<PartReceipt>;
  /** `NO_SUCH_UPLOAD`, `INVALID_PART`, `INVALID_PART_ORDER`, `PART_TOO_SMALL`, `PRECONDITION_FAILED`. */
  completeUpload(request: CompleteUploadRequest): Promise<WriteReceipt>;
  /** `NO_SUCH_UPLOAD`. */
  abortUpload(bucket: string, key: string, uploadId: string): Promise<void>;
  listParts(request: ListPartsRequest): Promise<ListPartsResult>;
  listUploads(request: ListUploadsRequest): Promise<ListUploadsResult>;
}

/** Where an event stands: `<partition>:<offset>`. */
export type Offset = string;

export interface DeletedObjects {
  /** One entry per key, in order; undefined for success. */
  readonly errors: readonly (Error | undefined)[];
  /** The newest of the deletes; with several partitions that of each, with commas between them. */
  readonly offset?: Offset | undefined;
}

/** The name of a bucket's document: the region that was named when it was created. */
export const BUCKET_LOCATION = 'location';

export interface BucketSummary {
  readonly name: string;
  readonly createdMs: number;
  /** What `BUCKET_LOCATION` says; undefined without it. */
  readonly location: string | undefined;
}

/**
 * A body, in the form that costs least. `chunks`: it is small and already here, and is copied once. The bytes stay as they are
 * until the call that got them succeeds, and for ever when it fails. `stream`: it is read as it is stored; an iterator that
 * throws means the client went away or a checksum failed, and nothing is stored.
 */
export type Body =
  | { readonly kind: 'chunks'; readonly chunks: readonly Uint8Array[]; readonly size: number }
  | {
      readonly kind: 'stream';
      readonly stream: AsyncIterable<Uint8Array>;
      readonly size: number | undefined;
    };

/** Largest body that comes as `chunks`. */
export const SMALL_BODY_BYTES_MAX = 256 * 1024;

/** All must hold, decided atomically with the write. ETags are unquoted; `*` means any. */
export interface WriteConditions {
  readonly ifMatch?: readonly string[];
  readonly ifNoneMatch?: readonly string[];
}

/** Size and time are those of the object that is to be deleted; they hold where there is none. */
export interface DeleteConditions extends WriteConditions {
  readonly ifSize?: number;
  /** Compared to the second. */
  readonly ifModifiedAtMs?: number;
}

export interface ReadConditions extends WriteConditions {
  readonly ifModifiedSinceMs?: number;
  readonly ifUnmodifiedSinceMs?: number;
}

export interface PutObjectRequest {
  readonly bucket: string;
  readonly key: string;
  readonly body: Body;
  readonly headers: ObjectHeaders;
  /** What the client says the MD5 is: 16 bytes. */
  readonly md5?: Uint8Array;
  /** The verified checksum to keep; asked for once the body was read to its end. */
  readonly checksum?: () => ObjectChecksum | undefined;
  readonly conditions?: WriteConditions;
  readonly ack?: AckRequest;
}

/** How much has to be certain before a write is answered (docs/s3-api.md). */
export type AckLevel = 'fsynced' | 'persisted';

export interface AckRequest {
  readonly level: AckLevel;
  /** How long to wait for the level, after the write itself. */
  readonly timeoutMs: number;
}

export interface AckReceipt {
  /** What is certain now: less than what was asked for when its deadline passed, or when it cannot be had. */
  readonly level: AckLevel;
  /** SUPERSEDED: a newer write took the version's place before the UFS had it. Absent where nothing was asked of the UFS. */
  readonly state?: PersistState | 'SUPERSEDED';
  /** Why the UFS did not take it yet: the code of the last attempt's error. */
  readonly cause?: string;
}

export interface WriteReceipt {
  readonly etag: string;
  readonly lastModifiedMs: number;
  readonly size: number;
  readonly checksum?: ObjectChecksum;
  /** Absent where nothing was logged (NO_CACHE). */
  readonly offset?: Offset;
  /** Present when the request asked for a level. */
  readonly ack?: AckReceipt;
}

/** As in the Range header: `last` undefined reads to the end; a `suffix` counts from the end. */
export type RangeRequest = { readonly first: number; readonly last?: number } | { readonly suffix: number };

export interface GetObjectRequest {
  readonly bucket: string;
  readonly key: string;
  readonly range?: RangeRequest;
  readonly partNumber?: number;
  readonly conditions?: ReadConditions;
}

export interface GetObjectResult {
  readonly object: ObjectVersion;
  /** Set when a range or a part was asked for. */
  readonly range?: ByteRange;
  readonly body: ReadBody;
}

/**
 * `bytes` stays valid until `release` is called, which must happen exactly once. A stream that is left early is closed with
 * `return`.
 */
export type ReadBody =
  | { readonly kind: 'bytes'; readonly bytes: Uint8Array; readonly release: () => void }
  | { readonly kind: 'stream'; readonly stream: AsyncIterable<Uint8Array>; readonly size: number };

export interface CopySource {
  readonly bucket: string;
  readonly key: string;
  readonly conditions?: ReadConditions;
}

export interface CopyObjectRequest {
  readonly bucket: string;
  readonly key: string;
  readonly source: CopySource;
  /** Undefined keeps the source's headers (COPY); tags inside follow `tags`. */
  readonly headers?: ObjectHeaders;
  /** The list of the copy, which never has that of its source; absent for a private one. */
  readonly acl?: string;
  /** Undefined keeps the source's tags. */
  readonly tags?: Readonly<Record<string, string>>;
  readonly conditions?: WriteConditions;
  readonly ack?: AckRequest;
}

export interface ListObjectsRequest {
  readonly bucket: string;
  readonly prefix: string;
  readonly delimiter: string;
  /** Only keys (and common prefixes) after this, in UTF-8 byte order; '' for the start. */
  readonly startAfter: string;
  readonly maxKeys: number;
}

export interface ListObjectsResult {
  /** Objects and common prefixes, merged, in UTF-8 byte order. */
  readonly entries: readonly ListEntry[];
  readonly truncated: boolean;
  /** The `startAfter` of the next page, when truncated. Opaque to clients. */
  readonly nextStartAfter?: string;
}

export type ListEntry =
  | {
      readonly kind: 'object';
      readonly key: string;
      readonly size: number;
      readonly etag: string;
      readonly lastModifiedMs: number;
      /** PERSISTED also for what only the UFS holds. */
      readonly persisted: boolean;
    }
  | { readonly kind: 'prefix'; readonly prefix: string };
