/** What operators see of, and do with, what is on its way to the UFS. */
import type { ObjectHeaders } from '../core/object.js';
import type { PersistEntry, PersistPhase } from './admin-service.js';

export interface PersistService {
  /** A page of the upload stream, the oldest first. `INVALID_ARGUMENT` for a cursor or a path that is none. */
  list(request: PersistListRequest): Promise<PersistPage>;
  /**
   * Forgets the failures of what fits, so that it is tried at once; what is quarantined is so no more. Each is an event.
   * `NO_SUCH_KEY` for an exact path that has nothing to persist.
   */
  retry(request: PersistRetryRequest): Promise<{ readonly retried: number }>;
  /**
   * Gives up what the UFS has yet to learn of one object: its un-persisted bytes are lost, a pending delete does not happen.
   * `NO_SUCH_KEY` when there is nothing, `PRECONDITION_FAILED` when it is another version.
   */
  discard(request: PersistDiscardRequest): Promise<DiscardedPersist>;
  /**
   * Decides a conflict with what somebody else put into the UFS. `ours`: our version takes the place of what is there now,
   * unless that changes again. `theirs`: ours is given up, as by `discard`. `NO_SUCH_KEY` when there is no conflict about the
   * object.
   */
  resolve(request: PersistResolveRequest): Promise<ResolvedPersist>;
  /**
   * The un-persisted bytes of one object. Always consume or end `body`. `NO_SUCH_KEY`, `PRECONDITION_FAILED`, `CORRUPT_EXTENT`
   * from the body.
   */
  open(request: PersistOpenRequest): Promise<DirtyObject>;
}

/** Which entries; what is absent fits all. */
export interface PersistFilter {
  /** `/`, `/<bucket>` or `/<bucket>/<prefix>`. */
  readonly path?: string;
  readonly state?: PersistPhase;
  /** The code of the last failure, such as `UFS_DENIED`. */
  readonly cause?: string;
}

export interface PersistListRequest extends PersistFilter {
  /** As the page before had it. */
  readonly after?: string;
  readonly limit: number;
}

export interface PersistPage {
  readonly entries: readonly PersistEntry[];
  /** Undefined at the end. */
  readonly nextAfter?: string;
}

export interface PersistRetryRequest extends PersistFilter {
  /** The path is one object, `/<bucket>/<key>`. */
  readonly exact?: boolean;
}

export interface PersistOpenRequest {
  readonly bucket: string;
  readonly key: string;
  /** Refused when it is another one by now. */
  readonly version?: number;
}

export interface PersistDiscardRequest extends PersistOpenRequest {
  /** For the log: why. */
  readonly reason: string;
}

export interface PersistResolveRequest {
  readonly bucket: string;
  readonly key: string;
  readonly keep: 'ours' | 'theirs';
}

export interface ResolvedPersist {
  readonly bucket: string;
  readonly key: string;
  readonly version: number;
  readonly keep: 'ours' | 'theirs';
}

export interface DiscardedPersist {
  readonly bucket: string;
  readonly key: string;
  readonly version: number;
  readonly kind: 'put' | 'delete';
  /** Bytes that are lost; 0 for a delete. */
  readonly size: number;
  readonly etag?: string;
  readonly lastModifiedMs: number;
  readonly reason: string;
  /** What readers get from now on. UNKNOWN when the UFS did not answer. */
  readonly ufs: 'ABSENT' | 'UNKNOWN' | { readonly size: number; readonly etag: string };
}

export interface DirtyObject {
  readonly bucket: string;
  readonly key: string;
  readonly version: number;
  readonly size: number;
  readonly etag: string;
  readonly lastModifiedMs: number;
  readonly headers: ObjectHeaders;
  readonly body: AsyncIterableIterator<Uint8Array>;
}
