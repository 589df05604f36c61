/** How long the UFS has been behind: the alarm of a write cache. */
import type { Partition } from './partition.js';

/**
 * By index, the first entry when it was last looked for. What is added comes behind all others, so that nothing waits before it: a
 * search from the beginning would visit whatever was removed since the index was last merged.
 */
const FIRST_SEEN = new WeakMap<object, string>();

/** Entries looked at: behind that many quarantined ones the age of the newest of them is as good an answer. */
const LOOKED_MAX = 10_000;

/**
 * When the oldest change that waits for the UFS was made (wall time); what is quarantined waits for an operator, not for the
 * UFS.
 */
export function oldestPendingMs(
  partitions: readonly Pick<Partition, 'index' | 'state'>[],
): number | undefined {
  let oldest: number | undefined;
  for (const { index, state } of partitions) {
    if (state.uploads.pending === state.uploads.quarantined) continue;
    let looked = 0;
    for (const [key, record] of index.scan(FIRST_SEEN.get(index) ?? 'q', 'r')) {
      if (record.kind !== 'queued') continue;
      if (looked === 0) FIRST_SEEN.set(index, key);
      looked += 1;
      if (record.quarantined && looked < LOOKED_MAX) continue;
      oldest = Math.min(oldest ?? Number.POSITIVE_INFINITY, record.sinceMs);
      break;
    }
  }
  return oldest;
}
