/** What a small capacity run found. */
import type { CapacityReport } from '../../src/cli/simulator.js';
import { GIB, MINUTE_MS } from '../../src/core/units.js';

export const CAPACITY_REPORT: CapacityReport = {
  seed: '7',
  scenario: 'ckpt',
  scale: 1024,
  violation: undefined,
  spanMs: 10 * MINUTE_MS,
  capacityBytes: 10 * GIB,
  pinnedRatio: 0.4,
  pinnedLimitBytes: 4 * GIB,
  peakPinnedBytes: { value: 4 * GIB, atMs: 2 * MINUTE_MS },
  longestQueue: { value: 12, atMs: 3 * MINUTE_MS },
  oldestDirtyMs: { value: 90_000, atMs: 4 * MINUTE_MS },
  writes: 20,
  refusals: 3,
  firstRefusal: { atMs: 125_000, limit: 'pinned limit' },
  outages: [{ fromMs: MINUTE_MS, toMs: 3 * MINUTE_MS }],
  series: {
    widthMs: MINUTE_MS,
    pinnedBytes: [1, 3, 4, 4, 2, 1, 0, 0, 0, 0].map((units) => units * GIB),
    queuedUploads: [1, 5, 12, 12, 6, 2, 0, 0, 0, 0],
    refusals: [0, 0, 3, 0, 0, 0, 0, 0, 0, 0],
  },
};
