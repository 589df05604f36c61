/** Events of objects: writes, deletes, multipart uploads, and where the bytes in the cache are. */
import type {
  Extent,
  ObjectChecksum,
  ObjectHeaders,
  ObjectVersion,
  PersistState,
} from '../src/core/object.js';

/** The current version of an object that an event makes obsolete. */
export interface Replaced {
  readonly version: number;
  readonly size: number;
  readonly state: PersistState;
  readonly extents: readonly Extent[];
}

/** A streamed write has begun: its bytes are reserved until it is committed or abandoned. */
export interface WriteOpened {
  readonly type: 'WriteOpened';
  readonly atMs: number;
  readonly writeId: string;
  readonly bucket: string;
  readonly key: string;
  readonly reservedBytes: number;
}

/** A streamed write will never be committed: its reservation is free and its bytes are orphans. */
export interface WriteAbandoned {
  readonly type: 'WriteAbandoned';
  readonly atMs: number;
  readonly writeId: string;
  readonly bucket: string;
  readonly key: string;
  readonly reservedBytes: number;
  readonly reason: AbandonReason;
}

export type AbandonReason = 'CLIENT' | 'FAILED' | 'RESTART' | 'DANGLING' | 'TIMEOUT';

/** A version became current. Its bytes were durable before. */
export interface ObjectCommitted {
  readonly type: 'ObjectCommitted';
  readonly atMs: number;
  readonly bucket: string;
  readonly key: string;
  readonly object: ObjectVersion;
  /**
   * WRITE: a client's write. FILL: bytes fetched from the UFS on a read. TAGS: new tags for the version that is replaced, whose
   * bytes, ETag and time it keeps.
   */
  readonly origin: 'WRITE' | 'FILL' | 'TAGS';
  /** The streamed write this ends, with its reservation. */
  readonly writeId?: string;
  readonly reservedBytes?: number;
  /** The multipart upload this completes, with the bytes all its parts had, and the extents not used. */
  readonly uploadId?: string;
  readonly uploadBytes?: number;
  readonly discarded?: readonly Extent[];
  readonly replaced?: Replaced;
  /** A pending delete that this version makes needless, because its upload takes its place. */
  readonly replacedDelete?: number;
}

/** The current version is gone. With `ufsDelete` the UFS may still hold one: a pending delete stays in the index. */
export interface ObjectDeleted {
  readonly type: 'ObjectDeleted';
  readonly atMs: number;
  readonly bucket: string;
  readonly key: string;
  readonly ufsDelete: boolean;
  readonly replaced?: Replaced;
  /** A pending delete that this one takes the place of. */
  readonly replacedDelete?: number;
}

/** The local copy of a persisted version was given up. */
export interface ObjectEvicted {
  readonly type: 'ObjectEvicted';
  readonly atMs: number;
  readonly bucket: string;
  readonly key: string;
  readonly version: number;
  readonly size: number;
  readonly extents: readonly Extent[];
  readonly reason: 'PRESSURE' | 'REQUEST' | 'CHANGED';
}

/** Compaction moved live bytes: same version, other place. */
export interface ExtentsMoved {
  readonly type: 'ExtentsMoved';
  readonly atMs: number;
  readonly bucket: string;
  readonly key: string;
  readonly version: number;
  /** Set when the bytes belong to a part of an open multipart upload. */
  readonly uploadId?: string;
  readonly partNumber?: number;
  /** Whether the bytes are un-persisted. */
  readonly pinned: boolean;
  readonly from: readonly Extent[];
  readonly to: readonly Extent[];
}

export interface UploadOpened {
  readonly type: 'UploadOpened';
  readonly atMs: number;
  readonly bucket: string;
  readonly key: string;
  readonly uploadId: string;
  readonly headers: ObjectHeaders;
  readonly checksumAlgorithm?: ObjectChecksum['algorithm'];
  readonly checksumType?: ObjectChecksum['type'];
  /** The user who began it, `anonymous` for one who did not sign; absent where nobody is asked who he is. */
  readonly initiator?: string;
}

export interface PartStored {
  readonly type: 'PartStored';
  readonly atMs: number;
  readonly bucket: string;
  readonly key: string;
  readonly uploadId: string;
  readonly partNumber: number;
  readonly size: number;
  /** MD5 in hex. */
  readonly etag: string;
  readonly extents: readonly Extent[];
  readonly checksum?: ObjectChecksum;
  readonly writeId?: string;
  readonly reservedBytes?: number;
  /** The part with the same number that this one takes the place of. */
  readonly replacedSize?: number;
  readonly replacedExtents?: readonly Extent[];
}

export interface UploadAborted {
  readonly type: 'UploadAborted';
  readonly atMs: number;
  readonly bucket: string;
  readonly key: string;
  readonly uploadId: string;
  /** Bytes of all its parts. */
  readonly bytes: number;
  readonly extents: readonly Extent[];
  readonly reason: AbandonReason;
}
