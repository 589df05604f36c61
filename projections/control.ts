/**
 * Projection of the control stream: buckets, mounts, path configuration and users. The control stream is never trimmed, so
 * that the path configuration in force at any offset can be read back; its state is folded from the start.
 */
import { unreachable } from '../src/core/assert.js';
import type { ControlEvent } from '../log/events.js';

/** The pseudo-user of requests without a signature, which makes nobody a user. */
const ANONYMOUS = 'anonymous';

export interface Bucket {
  readonly name: string;
  readonly createdMs: number;
  /** The user who created it. */
  readonly owner?: string;
  /** Configuration documents by name: cors, tagging, policy, … */
  readonly documents: ReadonlyMap<string, string>;
}

export interface Mount {
  readonly path: string;
  readonly ufs: string;
  readonly options: Readonly<Record<string, string>>;
}

export interface ControlState {
  readonly buckets: Map<string, Bucket>;
  readonly mounts: Map<string, Mount>;
  /** Paths whose mount changed and below which the cache may still hold what is of another store. */
  readonly unsettledMounts: Set<string>;
  readonly users: Map<string, string>;
  /** Documents of jobs by their ids, the oldest first; of those that have ended, the newest `ENDED_JOBS_MAX`. */
  readonly jobs: Map<string, { readonly document: string; readonly ended: boolean }>;
  /** Whether there ever was a user besides `anonymous`. */
  usersExisted: boolean;
  /** JSON of the path configuration; undefined before the first change. */
  pathConfig: string | undefined;
  /** Offset of the event that set it; -1 before the first. */
  pathConfigOffset: number;
}

export function emptyControlState(): ControlState {
  return {
    buckets: new Map(),
    mounts: new Map(),
    unsettledMounts: new Set(),
    users: new Map(),
    jobs: new Map(),
    usersExisted: false,
    pathConfig: undefined,
    pathConfigOffset: -1,
  };
}

/** Folds one event into the state, in place. */
export function foldControl(state: ControlState, event: ControlEvent, offset: number): void {
  switch (event.type) {
    case 'BucketCreated':
      state.buckets.set(event.bucket, {
        name: event.bucket,
        createdMs: event.atMs,
        ...(event.owner === undefined ? {} : { owner: event.owner }),
        documents: new Map(),
      });
      return;
    case 'BucketDeleted':
      state.buckets.delete(event.bucket);
      return;
    case 'BucketConfigured': {
      const bucket = state.buckets.get(event.bucket);
      if (bucket === undefined) return;
      const documents = new Map(bucket.documents);
      if (event.document === '') documents.delete(event.name);
      else documents.set(event.name, event.document);
      state.buckets.set(event.bucket, { ...bucket, documents });
      return;
    }
    case 'PathConfigChanged':
      state.pathConfig = event.document;
      state.pathConfigOffset = offset;
      return;
    case 'MountAdded':
      state.mounts.set(event.path, { path: event.path, ufs: event.ufs, options: event.options });
      state.unsettledMounts.add(event.path);
      return;
    case 'MountRemoved':
      state.mounts.delete(event.path);
      state.unsettledMounts.add(event.path);
      return;
    case 'MountSettled':
      state.unsettledMounts.delete(event.path);
      return;
    case 'UserChanged':
      state.users.set(event.name, event.document);
      if (event.name !== ANONYMOUS) state.usersExisted = true;
      return;
    case 'UserRemoved':
      state.users.delete(event.name);
      return;
    case 'JobChanged':
      state.jobs.set(event.jobId, { document: event.document, ended: event.ended });
      if (event.ended) forgetOldJobs(state);
      return;
    default:
      unreachable(event);
  }
}

const ENDED_JOBS_MAX = 100;

function forgetOldJobs({ jobs }: ControlState): void {
  const ended = [...jobs].filter(([, job]) => job.ended);
  for (const [id] of ended.slice(0, -ENDED_JOBS_MAX)) jobs.delete(id);
}

const CONTROL_TYPES: ReadonlySet<string> = new Set<ControlEvent['type']>([
  'BucketCreated',
  'BucketDeleted',
  'BucketConfigured',
  'PathConfigChanged',
  'MountAdded',
  'MountRemoved',
  'MountSettled',
  'UserChanged',
  'UserRemoved',
  'JobChanged',
]);

export function isControlEvent(event: { readonly type: string }): event is ControlEvent {
  return CONTROL_TYPES.has(event.type);
}
