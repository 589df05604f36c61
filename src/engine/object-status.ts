/** How far one object has come on its way to the UFS, and where its bytes are: what HEAD and the admin API show. */
import type { ObjectVersion, PersistState, PolicyMode } from '../core/object.js';
import { queueKey, type QueueRecord } from '../../projections/records.js';
import { durableRecord, partitionOf, type EngineCore } from './engine-core.js';
import type { AckLevel, Offset } from './object-service.js';

export interface ObjectStatus {
  /** Where the version's event stands in the log; absent when only the UFS holds the object. */
  readonly offset?: Offset;
  /** That the version was written with, or for what only the UFS holds, that of its path. */
  readonly policy: PolicyMode;
  readonly state: PersistState;
  /** What is certain about the version now. */
  readonly ack: AckLevel;
  /** Attempts that failed. */
  readonly attempt: number;
  readonly nextAttemptAtMs?: number;
  /** The code of the last attempt's error. */
  readonly cause?: string;
  readonly ufsEtag?: string;
  /** Bytes in segment files; none when only the UFS has them. */
  readonly extents: readonly { readonly segment: number; readonly position: number; readonly size: number }[];
  readonly inUfs: boolean;
}

/** The status of the version that a read just found; nothing is waited for. */
export function objectStatus(
  core: EngineCore,
  bucket: string,
  key: string,
  object: ObjectVersion,
): ObjectStatus {
  const record = durableRecord(core, bucket, key);
  const held = record?.kind === 'object' && record.etag === object.etag ? record : undefined;
  if (held === undefined) {
    const { ufsEtag } = object;
    const policy = core.policies.modeOf(bucket, key);
    const persisted = { policy, state: 'PERSISTED', ack: 'persisted', attempt: 0 } as const;
    return { ...persisted, ...(ufsEtag === undefined ? {} : { ufsEtag }), extents: [], inUfs: true };
  }
  const partition = partitionOf(core, bucket, key);
  const { version, policy, state, ufsEtag, extents } = held;
  const queued = state === 'PERSISTED' ? undefined : partition.index.get(queueKey(version));
  return {
    offset: `${partition.number}:${version}`,
    policy,
    state,
    ack: ackOf(state),
    attempt: 0,
    ...(queued?.kind === 'queued' ? scheduleOf(queued) : {}),
    ...(ufsEtag === undefined ? {} : { ufsEtag }),
    extents,
    inUfs: state === 'PERSISTED',
  };
}

/** What is certain about a version in a state. */
export function ackOf(state: PersistState): AckLevel {
  return state === 'PERSISTED' ? 'persisted' : 'fsynced';
}

function scheduleOf({
  attempt,
  nextAttemptAtMs,
  cause,
  quarantined,
}: QueueRecord): Pick<ObjectStatus, 'attempt' | 'nextAttemptAtMs' | 'cause'> {
  return {
    attempt,
    ...(nextAttemptAtMs > 0 && !quarantined ? { nextAttemptAtMs } : {}),
    ...(cause === '' ? {} : { cause }),
  };
}
