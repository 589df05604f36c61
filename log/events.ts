/**
 * Every event there is. The log is the truth; all state is a fold of these.
 *
 * Invariants: an event says everything a projection needs, so that each projection folds alone and never asks
 * another one: whatever leaves (`Replaced`) is named with its size, state and extents. `version` is the offset of the
 * event that committed that version of the object. `atMs` is the wall time of the decision; a fold never reads a clock.
 *
 * The wire form is `log/events.proto`; a type once written there is never changed, only added to.
 */
import type {
  Extent,
  ObjectChecksum,
  ObjectHeaders,
  ObjectPart,
  ObjectVersion,
  PersistState,
  PolicyMode,
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

/** The UFS holds this version: its bytes are no longer pinned. */
export interface ObjectPersisted {
  readonly type: 'ObjectPersisted';
  readonly atMs: number;
  readonly bucket: string;
  readonly key: string;
  readonly version: number;
  readonly size: number;
  readonly extents: readonly Extent[];
  readonly ufsEtag: string;
}

/** The UFS no longer holds the object: the pending delete is done. */
export interface DeletePersisted {
  readonly type: 'DeletePersisted';
  readonly atMs: number;
  readonly bucket: string;
  readonly key: string;
  readonly version: number;
}

/** An upload (or a delete) at the UFS failed; it is tried again at `nextAttemptAtMs`, or never when quarantined. */
export interface PersistFailed {
  readonly type: 'PersistFailed';
  readonly atMs: number;
  readonly bucket: string;
  readonly key: string;
  readonly version: number;
  readonly attempt: number;
  readonly cause: string;
  readonly message: string;
  readonly nextAttemptAtMs: number;
  readonly quarantined: boolean;
}

/** An operator wants a failed or quarantined entry of the upload stream tried again, as if it had never failed. */
export interface PersistRetried {
  readonly type: 'PersistRetried';
  readonly atMs: number;
  readonly bucket: string;
  readonly key: string;
  readonly version: number;
}

/**
 * An operator gave up what the UFS has yet to learn: a version that only the cache held, whose bytes are lost, or a pending
 * delete, whose object comes back. What the UFS holds is the truth again.
 */
export interface PersistDiscarded {
  readonly type: 'PersistDiscarded';
  readonly atMs: number;
  readonly bucket: string;
  readonly key: string;
  readonly version: number;
  /** Whether it was a pending delete; then there are no bytes. */
  readonly deletion: boolean;
  readonly size: number;
  readonly extents: readonly Extent[];
  readonly reason: string;
}

/** A multipart upload of a version begins at the UFS: logged with an empty `ufsUpload` before, and again with its name. */
export interface UfsUploadStarted {
  readonly type: 'UfsUploadStarted';
  readonly atMs: number;
  readonly bucket: string;
  readonly key: string;
  readonly version: number;
  readonly ufsUpload: string;
}

/** The UFS holds this part of the version's multipart upload: a restart goes on behind it. */
export interface UfsPartStored {
  readonly type: 'UfsPartStored';
  readonly atMs: number;
  readonly bucket: string;
  readonly key: string;
  readonly version: number;
  readonly partNumber: number;
  readonly size: number;
  readonly ufsEtag: string;
}

/**
 * A multipart upload that was not completed takes no space in the UFS any more: it was aborted, or is unknown there. Without a name the
 * first one says that it is given up, and the second that whatever came of it is aborted.
 */
export interface UfsUploadEnded {
  readonly type: 'UfsUploadEnded';
  readonly atMs: number;
  readonly bucket: string;
  readonly key: string;
  readonly version: number;
  readonly ufsUpload: string;
}

/**
 * On a mount whose persists are conditional: what the UFS held of an object before a version of it was written here, which it must still
 * hold when that version goes there.
 */
export interface UfsBaseNoted {
  readonly type: 'UfsBaseNoted';
  readonly atMs: number;
  readonly bucket: string;
  readonly key: string;
  /** The UFS's own ETag; absent when there is no object. */
  readonly ufsEtag?: string;
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

// Control stream.

export interface BucketCreated {
  readonly type: 'BucketCreated';
  readonly atMs: number;
  readonly bucket: string;
  /** The user who did; absent when nobody signed the request. */
  readonly owner?: string;
}

export interface BucketDeleted {
  readonly type: 'BucketDeleted';
  readonly atMs: number;
  readonly bucket: string;
}

/** One document of a bucket's configuration was set (or removed, when `document` is empty). */
export interface BucketConfigured {
  readonly type: 'BucketConfigured';
  readonly atMs: number;
  readonly bucket: string;
  /** cors, tagging, policy, … */
  readonly name: string;
  readonly document: string;
}

export interface PathConfigChanged {
  readonly type: 'PathConfigChanged';
  readonly atMs: number;
  /** The whole document, as JSON. */
  readonly document: string;
}

export interface MountAdded {
  readonly type: 'MountAdded';
  readonly atMs: number;
  /** `/bucket` or `/bucket/prefix`. */
  readonly path: string;
  readonly ufs: string;
  readonly options: Readonly<Record<string, string>>;
}

export interface MountRemoved {
  readonly type: 'MountRemoved';
  readonly atMs: number;
  readonly path: string;
}

/** A user was created or changed; the document holds name, keys (secrets encrypted), grants and whether it is enabled. */
export interface UserChanged {
  readonly type: 'UserChanged';
  readonly atMs: number;
  readonly name: string;
  readonly document: string;
}

export interface UserRemoved {
  readonly type: 'UserRemoved';
  readonly atMs: number;
  readonly name: string;
}

/** A job that outlives a process was begun, has come further or has ended; the document holds what it does and how far it is. */
export interface JobChanged {
  readonly type: 'JobChanged';
  readonly atMs: number;
  readonly jobId: string;
  /** The whole document, as JSON. */
  readonly document: string;
  readonly ended: boolean;
}

export type DataEvent =
  | WriteOpened
  | WriteAbandoned
  | ObjectCommitted
  | ObjectDeleted
  | ObjectPersisted
  | DeletePersisted
  | PersistFailed
  | PersistRetried
  | PersistDiscarded
  | UfsUploadStarted
  | UfsPartStored
  | UfsUploadEnded
  | UfsBaseNoted
  | ObjectEvicted
  | ExtentsMoved
  | UploadOpened
  | PartStored
  | UploadAborted;

export type ControlEvent =
  | BucketCreated
  | BucketDeleted
  | BucketConfigured
  | PathConfigChanged
  | MountAdded
  | MountRemoved
  | UserChanged
  | UserRemoved
  | JobChanged;

export type Event = DataEvent | ControlEvent;
export type EventType = Event['type'];

export type { Extent, ObjectHeaders, ObjectPart, ObjectVersion, PersistState, PolicyMode };
