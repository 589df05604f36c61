/** The inspection of a running engine: its logs and indexes, and what it knows at this moment. */
import { HeadraceError, isErrorCode } from '../../core/errors.js';
import type { StoredObject } from '../../core/object-store.js';
import type { ObjectStat } from '../admin-service.js';
import { partitionIndexOf, partitionOf, type EngineCore } from '../engine-core.js';
import type { Persister } from '../persister.js';
import { ufsCall, ufsTimeoutMs } from '../ufs-calls.js';
import { queueKey } from '../../../projections/records.js';
import type { LiveKnowledge } from './log-inspection.js';
import { LogInspector } from './log-inspector.js';

/** Older entries of the queue that are counted before an explanation says "at least so many". */
const QUEUED_BEFORE_MAX = 10_000;

const SLICE_MS = 1;
const REST_PER_WORK = 3;
/** A slice that waited for a disk has not worked all of that time. */
const REST_MS_MAX = 20;
/** Longest that an explanation waits for the UFS to say what it holds. */
const ASK_MS_MAX = 5000;

/** What it asks of those who persist. */
export type PersistKnowledge = Pick<Persister, 'isUp' | 'refusalOf' | 'uploadingSinceMs'>;

export function inspectEngine(
  core: EngineCore,
  persister: PersistKnowledge,
  statOf: (bucket: string, key: string) => Promise<ObjectStat | undefined>,
): LogInspector {
  const live = async (bucket: string, key: string): Promise<LiveKnowledge> => {
    const stat = await statOf(bucket, key);
    const { policyMode, matched } = core.policies.matcher.test(`/${bucket}/${key}`);
    const { store, mount } = core.mounts.locate(bucket, key);
    const isAsked = stat === undefined && policyMode !== 'TRANSIENT';
    const partition = partitionOf(core, bucket, key);
    const uploadingSinceMs =
      stat === undefined ? undefined : persister.uploadingSinceMs(partition.number, stat.version);
    const { danglingAfterMs, orphanTimeoutMs } = core.options;
    return {
      stat,
      queuedBefore: stat?.persist === undefined ? 0 : countQueuedBefore(core, stat),
      policyMode,
      rule: matched,
      store: {
        mount,
        description: store.description,
        answers: persister.isUp(store),
        refusal: persister.refusalOf(store),
      },
      ...(uploadingSinceMs === undefined ? {} : { uploadingSinceMs }),
      attemptMsMax: ufsTimeoutMs(core, stat?.size ?? 0),
      ...(isAsked ? { ufs: await ufsHolds(core, bucket, key) } : {}),
      danglingAfterMs,
      orphanTimeoutMs,
    };
  };
  return new LogInspector(() => ({
    version: core.options.version,
    control: core.control.log,
    partitions: core.partitions.map(({ log, index }) => ({ log, index })),
    partitionIndexOf: (bucket, key) => partitionIndexOf(bucket, key, core.partitions.length),
    nowMs: () => core.clock.wallTimeMs(),
    nextTurn: () => new Promise((resolve) => core.clock.nextTurn(resolve)),
    beside: () => besideOthers(core),
    live,
  }));
}

/** A quarter of the time at most, in slices that no request feels. */
function besideOthers({ clock }: Pick<EngineCore, 'clock'>): () => Promise<void> {
  let beganMs = clock.monotonicTimeMs();
  return async () => {
    const workedMs = clock.monotonicTimeMs() - beganMs;
    if (workedMs < SLICE_MS) return;
    await clock.sleep(Math.min(Math.ceil(workedMs * REST_PER_WORK), REST_MS_MAX));
    beganMs = clock.monotonicTimeMs();
  };
}

/** Nothing waits for the answer but the one who asked. */
async function ufsHolds(
  core: EngineCore,
  bucket: string,
  key: string,
): Promise<NonNullable<LiveKnowledge['ufs']>> {
  const located = core.mounts.locate(bucket, key);
  const timeoutMs = Math.min(ASK_MS_MAX, core.options.ufsTimeoutMs);
  try {
    const head = (signal: AbortSignal): Promise<StoredObject | undefined> =>
      located.store.head(located.bucket, located.key, signal);
    return { held: await ufsCall(core, head, { timeoutMs }) };
  } catch (error) {
    if (isErrorCode(error, 'NO_SUCH_BUCKET')) return { held: undefined };
    if (!(error instanceof HeadraceError)) throw error;
    return { error: error.message };
  }
}

/** What is in quarantine holds nobody up. */
function countQueuedBefore(core: EngineCore, { bucket, key, version }: ObjectStat): number {
  let looked = 0;
  let count = 0;
  for (const [, record] of partitionOf(core, bucket, key).index.scan('q', queueKey(version))) {
    if (record.kind === 'queued' && !record.quarantined) count += 1;
    looked += 1;
    if (looked >= QUEUED_BEFORE_MAX) break;
  }
  return count;
}
