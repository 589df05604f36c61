/**
 * The port to an under-store ("UFS"): S3, HDFS or a directory. One instance serves one mount target.
 *
 * Errors: `UFS_UNAVAILABLE` (cannot be reached, timed out before it was sent, 5xx), `UFS_THROTTLED`,
 * `UFS_DENIED` (403, bad credentials), `UFS_REJECTED` (any other permanent refusal), `UFS_CONFLICT` (a condition did
 * not hold), `UFS_UNKNOWN_OUTCOME` (the answer of a write was lost), `NO_SUCH_BUCKET`, `NO_SUCH_KEY`,
 * `CLOSED`. Nothing else is thrown. A call whose `signal` aborts rejects soon after.
 */
import type { ObjectHeaders } from './object.js';

export interface ObjectStore {
  /** For messages: `directory /path`, `s3 https://host/bucket`. */
  readonly description: string;
  /**
   * Resolves when the store answers; otherwise rejects with a clear `UFS_UNAVAILABLE` or `UFS_DENIED`. Where it stands for one
   * bucket that is made elsewhere, `NO_SUCH_BUCKET` when that is not there.
   */
  check(signal?: AbortSignal): Promise<void>;
  /** Sorted names of the buckets (directories) that can be seen. */
  listBuckets(signal?: AbortSignal): Promise<StoredBucket[]>;
  bucketExists(bucket: string, signal?: AbortSignal): Promise<boolean>;
  /** Nothing happens when it exists. Durable on return. */
  createBucket(bucket: string, signal?: AbortSignal): Promise<void>;
  /** Rejects with `BUCKET_NOT_EMPTY` unless it is empty; nothing happens when there is none. */
  deleteBucket(bucket: string, signal?: AbortSignal): Promise<void>;
  /** Stores an object, all or nothing: a reader sees the old or the new one, whole. Durable on return. */
  put(request: StorePutRequest, signal?: AbortSignal): Promise<StoredObject>;
  /** Undefined when there is no such object. */
  head(bucket: string, key: string, signal?: AbortSignal): Promise<StoredObject | undefined>;
  /** Undefined when there is no such object. Always consume or destroy `body`. */
  get(
    bucket: string,
    key: string,
    range?: ByteRange,
    signal?: AbortSignal,
  ): Promise<StoreGetResult | undefined>;
  /**
   * Nothing happens when there is no such object. Durable on return. With `condition`, `UFS_CONFLICT` for an object that is not the
   * expected one.
   */
  delete(bucket: string, key: string, signal?: AbortSignal, condition?: StoreCondition): Promise<void>;
  /** One page, in the order of the keys' UTF-8 bytes. */
  list(request: StoreListRequest, signal?: AbortSignal): Promise<StoreListPage>;
  /**
   * How conditions of writes are kept: in one step with the write, or compared just before it, so that a change in that instant
   * goes unseen. Absent where they are not: the store ignores them.
   */
  readonly conditions?: 'atomic' | 'compared';
  /** Uploads in parts that outlive a process; absent where the store has none. */
  readonly multipart?: MultipartStore;
  /** Puts of small bodies that cost the calling thread less; absent where `put` is the cheapest way. */
  readonly smallPuts?: SmallPuts;
  close(): Promise<void>;
}

/**
 * Puts of bodies in memory without a promise, a signal and a timer for each: tens of thousands a second go through here. Semantics
 * and errors as those of `put`, which is always there for what is not taken.
 */
export interface SmallPuts {
  /**
   * Undefined: not taken, use `put`. Else the number of the put, and `receiver` is told once, never within the call. The bytes may be
   * reused as soon as it returns.
   */
  begin(request: SmallPutRequest, receiver: SmallPutReceiver): number | undefined;
  /** The put is of no use any more: it is cut off if it can be. Its receiver is still told, unless it was already. */
  cancel(number: number): void;
}

/** All that `put` takes but what small bodies do without; the body is `bytes`. */
export interface SmallPutRequest extends Pick<
  StorePutRequest,
  'bucket' | 'key' | 'headers' | 'lastModifiedMs'
> {
  readonly bytes: Uint8Array;
  readonly etag: string;
}

export interface SmallPutReceiver {
  /** Both as in `StoredObject`. */
  stored(etag: string, storeEtag: string): void;
  failed(error: unknown): void;
}

/**
 * Multipart uploads: an object that becomes visible at once, when it is completed. Errors as above, and `NO_SUCH_UPLOAD` when the
 * store does not know the upload (any more).
 */
export interface MultipartStore {
  /** Resolves with the store's name of the upload. */
  begin(request: StoreMultipartRequest, signal?: AbortSignal): Promise<string>;
  /** Takes the place of a part with the same number. Durable on return. */
  putPart(request: StorePartRequest, signal?: AbortSignal): Promise<{ readonly etag: string }>;
  /** All parts, by number. */
  listParts(upload: MultipartName, signal?: AbortSignal): Promise<readonly StoredPart[]>;
  /**
   * Makes the parts the object. Rejects with `UFS_UNAVAILABLE` and `details.expected` when the parts' ETags show that they are
   * not the bytes of `request.etag`; nothing has happened then.
   */
  complete(request: StoreCompleteRequest, signal?: AbortSignal): Promise<StoredObject>;
  /** Nothing happens when there is no such upload. The upload cannot be completed afterwards. */
  abort(upload: MultipartName, signal?: AbortSignal): Promise<void>;
  /** Uploads of exactly this key that are neither completed nor aborted. */
  listUploads(
    bucket: string,
    key: string,
    signal?: AbortSignal,
  ): Promise<readonly { readonly uploadId: string; readonly startedMs: number }[]>;
}

export type StoreMultipartRequest = Pick<
  StorePutRequest,
  'bucket' | 'key' | 'size' | 'headers' | 'etag' | 'lastModifiedMs'
>;

export interface MultipartName {
  readonly bucket: string;
  readonly key: string;
  readonly uploadId: string;
}

export interface StorePartRequest extends MultipartName {
  /** From 1. */
  readonly number: number;
  readonly size: number;
  /** Called once per attempt; yields exactly `size` bytes. */
  readonly open: () => AsyncIterable<Uint8Array>;
}

export interface StoredPart {
  readonly number: number;
  readonly size: number;
  /** The store's own, unquoted. */
  readonly etag: string;
}

export interface StoreCompleteRequest extends StoreMultipartRequest {
  readonly uploadId: string;
  /** By number, without a gap. */
  readonly parts: readonly StoredPart[];
}

export interface StoredBucket {
  readonly name: string;
  readonly createdMs: number;
}

/**
 * First and last byte, both inclusive. The first lies in the object, else a store rejects with `UFS_REJECTED`; the last may lie
 * behind its end, where nobody asked for its size yet.
 */
export interface ByteRange {
  readonly first: number;
  readonly last: number;
}

export interface StorePutRequest {
  readonly bucket: string;
  readonly key: string;
  readonly size: number;
  /** Called once per attempt; yields exactly `size` bytes. */
  readonly open: () => AsyncIterable<Uint8Array>;
  /** The whole body when it is small and already in memory; the same bytes that `open` yields. */
  readonly bytes?: Uint8Array;
  readonly headers: ObjectHeaders;
  /**
   * Our ETag, unquoted: 32 hex digits or `<hex>-<parts>`. Kept beside the object and returned ever after. Undefined for a
   * body that passes through unseen: then the MD5 of the body as the store computes it.
   */
  readonly etag?: string;
  /** Our last-modified time, kept beside the object and returned ever after. */
  readonly lastModifiedMs: number;
  /** Sizes of the parts of a multipart object, to upload with the same boundaries. */
  readonly partSizes?: readonly number[];
  /** What must be there, else nothing changes and the call rejects with `UFS_CONFLICT`. */
  readonly condition?: StoreCondition;
}

export interface StoreCondition {
  /** `storeEtag` of the object that is replaced; undefined: there must be none. */
  readonly ifMatch: string | undefined;
}

export interface StoredObject {
  readonly size: number;
  /** Headrace's ETag where it was kept beside the object, else the store's own; unquoted. */
  readonly etag: string;
  /** The store's own identity of this version, unquoted; differs from `etag` where the store does not use MD5. */
  readonly storeEtag: string;
  readonly lastModifiedMs: number;
  readonly headers: ObjectHeaders;
}

export interface StoreGetResult {
  readonly object: StoredObject;
  /** Its pieces are not touched again once they were yielded. */
  readonly body: AsyncIterable<Uint8Array>;
}

export interface StoreListRequest {
  readonly bucket: string;
  readonly prefix: string;
  /** Keys strictly after this one, in UTF-8 byte order; '' for the start. */
  readonly startAfter: string;
  /** '' for none. A common prefix counts as one entry. */
  readonly delimiter: string;
  readonly limit: number;
}

export interface StoreListPage {
  /** Keys and common prefixes, merged, in UTF-8 byte order. */
  readonly entries: readonly StoreListEntry[];
  /**
   * Where the next page starts (its `startAfter`), or undefined at the end. After a common prefix this is a
   * string that sorts after every key below that prefix.
   */
  readonly nextStartAfter: string | undefined;
}

export type StoreListEntry =
  | {
      readonly kind: 'object';
      readonly key: string;
      readonly size: number;
      readonly etag: string;
      readonly lastModifiedMs: number;
    }
  | { readonly kind: 'prefix'; readonly prefix: string };
