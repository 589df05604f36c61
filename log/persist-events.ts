/** Events of the way to the UFS: what it holds, what failed there, and what operators decided about that. */
import type { Extent } from '../src/core/object.js';

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
 * A multipart upload that was not completed takes no space in the UFS any more: it was aborted, or is unknown there. Without a
 * name the first one says that it is given up, and the second that whatever came of it is aborted.
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
 * On a mount whose persists are conditional: what the UFS held of an object before a version of it was written here, which it
 * must still hold when that version goes there.
 */
export interface UfsBaseNoted {
  readonly type: 'UfsBaseNoted';
  readonly atMs: number;
  readonly bucket: string;
  readonly key: string;
  /** The UFS's own ETag; absent when there is no object. */
  readonly ufsEtag?: string;
}
