/** Events of the control stream: buckets, path configuration, mounts, users and jobs. */

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

/** What the cache held below a path whose mount changed is given up: none of it is of the store that was meant before. */
export interface MountSettled {
  readonly type: 'MountSettled';
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
