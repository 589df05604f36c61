/** The inspection of a running engine: its logs and indexes, and what it knows at this moment. */
import type { ObjectStat } from '../admin-service.js';
import { partitionIndexOf, partitionOf, type EngineCore } from '../engine-core.js';
import { queueKey } from '../../../projections/records.js';
import type { LiveKnowledge } from './log-inspection.js';
import { LogInspector } from './log-inspector.js';

/** Older entries of the queue that are counted before an explanation says "at least so many". */
const QUEUED_BEFORE_MAX = 10_000;

export function inspectEngine(
  core: EngineCore,
  statOf: (bucket: string, key: string) => Promise<ObjectStat | undefined>,
): LogInspector {
  const live = async (bucket: string, key: string): Promise<LiveKnowledge> => {
    const stat = await statOf(bucket, key);
    const test = core.policies.matcher.test(`/${bucket}/${key}`);
    return {
      stat,
      queuedBefore: stat?.persist === undefined ? 0 : countQueuedBefore(core, stat),
      policyMode: test.policyMode,
      rule: test.matched,
    };
  };
  return new LogInspector(() => ({
    version: core.options.version,
    control: core.control.log,
    partitions: core.partitions.map(({ log, index }) => ({ log, index })),
    partitionIndexOf: (bucket, key) => partitionIndexOf(bucket, key, core.partitions.length),
    nowMs: () => core.clock.wallTimeMs(),
    nextTurn: () => new Promise((resolve) => core.clock.nextTurn(resolve)),
    live,
  }));
}

function countQueuedBefore(core: EngineCore, { bucket, key, version }: ObjectStat): number {
  let count = 0;
  for (const _entry of partitionOf(core, bucket, key).index.scan('q', queueKey(version))) {
    count += 1;
    if (count >= QUEUED_BEFORE_MAX) break;
  }
  return count;
}
