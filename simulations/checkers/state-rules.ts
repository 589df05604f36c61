/**
 * What must hold of the engine's folded state after every event: the counts equal a recount of the records, pinned space is below
 * its limit, and the positions of the log are in order.
 */
import { assert } from '../../src/core/assert.js';
import type { IndexStore } from '../../src/core/index-store.js';
import type { Engine } from '../../src/engine/engine.js';
import type { IndexRecord } from '../../projections/records.js';
import type { PartitionState } from '../../projections/partition-state.js';
import type { Recorder } from '../recorder.js';
import { Tally, TalliedIndex } from '../tallied-index.js';

const LAST_KEY = '\xff';
const NOTHING = { liveBytes: 0, pinnedBytes: 0, extents: 0 };

/** All records are scanned once in so many events as there are records, and not before so many. */
const EVENTS_BETWEEN_SCANS_MIN = 16;

/** Checks after each event that the engine has folded, until its process ends. */
export function watchState(recorder: Recorder, engine: Engine): void {
  const { partitions } = engine.core;
  for (const partition of partitions) {
    const { index } = partition;
    assert(index instanceof TalliedIndex, 'a simulated index is counted');
    let skip = 0;
    partition.events$.subscribe(({ event, offset }) => {
      if (recorder.violation !== undefined) return;
      if (!partition.isRecovering) {
        const { nextOffset, durableOffset } = partition.log;
        const { appliedOffset } = partition;
        if (appliedOffset > durableOffset || durableOffset > nextOffset || appliedOffset !== offset + 1)
          recorder.report(
            'log-order',
            `applied ${appliedOffset}, durable ${durableOffset}, appended ${nextOffset} after event ${offset}`,
          );
      }
      const { state } = partition;
      const differences = tallyDifferences(state, index.tally);
      if (skip-- <= 0) {
        differences.push(...scanDifferences(state, index));
        skip = Math.max(EVENTS_BETWEEN_SCANS_MIN, index.size);
      }
      report(recorder, differences, `event ${offset} (${event.type})`);
    });
  }
}

/**
 * Checks pinned space between two callbacks of the scheduler: within one, a write counts twice for a moment, in the state that has
 * folded its event and in the reservation that is given back next.
 */
export function checkPinnedLimit(recorder: Recorder, engine: Engine): void {
  const { pinnedBytes, pinnedLimitBytes } = engine.core.admission;
  if (pinnedBytes > pinnedLimitBytes)
    recorder.report('pinned-limit', `${pinnedBytes} bytes are pinned, the limit is ${pinnedLimitBytes}`);
}

/** Compares the counts with all records. */
export function recount(
  recorder: Recorder,
  state: PartitionState,
  index: IndexStore<IndexRecord>,
  when: string,
): void {
  report(recorder, scanDifferences(state, index), when);
}

function report(recorder: Recorder, differences: readonly string[], when: string): void {
  if (differences.length > 0)
    recorder.report('pinned-accounting', `after ${when}: ${differences.join('; ')}`);
}

function scanDifferences(state: PartitionState, index: IndexStore<IndexRecord>): string[] {
  const tally = new Tally();
  for (const [, record] of index.scan('', LAST_KEY)) tally.count(record, 1);
  return tallyDifferences(state, tally);
}

function tallyDifferences(state: PartitionState, tally: Tally): string[] {
  let reservedBytes = 0;
  for (const write of state.orphans.values()) if (write.kind === 'write') reservedBytes += write.bytes;
  const { pinned, cache, uploads, segments } = state;
  const differences: string[] = [];
  // Compared field by field: this runs after every event.
  const compare = (what: string, found: number, right: number): void => {
    if (found !== right) differences.push(`${what} is ${found} and should be ${right}`);
  };
  compare('pinned.pendingBytes', pinned.pendingBytes, tally.pinned.pendingBytes);
  compare('pinned.transientBytes', pinned.transientBytes, tally.pinned.transientBytes);
  compare('pinned.partBytes', pinned.partBytes, tally.pinned.partBytes);
  compare('pinned.reservedBytes', pinned.reservedBytes, reservedBytes);
  compare('cache.objects', cache.objects, tally.cache.objects);
  compare('cache.objectBytes', cache.objectBytes, tally.cache.objectBytes);
  compare('uploads.pending', uploads.pending, tally.uploads.pending);
  compare('uploads.pendingBytes', uploads.pendingBytes, tally.uploads.pendingBytes);
  compare('uploads.quarantined', uploads.quarantined, tally.uploads.quarantined);
  compare('segments', segments.size, tally.segments.size);
  for (const [id, right] of tally.segments) {
    const found = segments.get(id) ?? NOTHING;
    compare(`segment ${id}.liveBytes`, found.liveBytes, right.liveBytes);
    compare(`segment ${id}.pinnedBytes`, found.pinnedBytes, right.pinnedBytes);
    compare(`segment ${id}.extents`, found.extents, right.extents);
  }
  return differences;
}
