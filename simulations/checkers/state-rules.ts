/**
 * What must hold of the engine's folded state after every event: the counts equal a recount of the records, pinned space is below
 * its limit, and the positions of the log are in order.
 */
import { recountState } from '../../src/engine/inspection/recount.js';
import type { Engine } from '../../src/engine/engine.js';
import type { IndexRecord } from '../../projections/records.js';
import type { PartitionState } from '../../projections/partition-state.js';
import type { Recorder } from '../recorder.js';

/** With more records than this, only each so-many-th event is followed by a recount. */
const RECORDS_EACH_EVENT = 16;
const LAST_KEY = '\xff';

/** Checks after each event that the engine has folded, until its process ends. */
export function watchState(recorder: Recorder, engine: Engine): void {
  const { partitions } = engine.core;
  for (const partition of partitions) {
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
      if (skip-- > 0) return;
      const records = recount(recorder, partition.state, partition.index, `event ${offset} (${event.type})`);
      skip = Math.floor(records / RECORDS_EACH_EVENT);
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

/** Compares the counts with the records; returns how many records there are. */
export function recount(
  recorder: Recorder,
  state: PartitionState,
  index: { scan(from: string, to: string): Iterable<readonly [string, IndexRecord]> },
  when: string,
): number {
  const records: IndexRecord[] = [];
  for (const [, record] of index.scan('', LAST_KEY)) records.push(record);
  const right = recountState(state.index, records, state.orphans);
  const differences = [
    ...differencesOf('pinned', state.pinned, right.pinned),
    ...differencesOf('cache', state.cache, right.cache),
    ...differencesOf('uploads', state.uploads, right.uploads),
    ...segmentDifferences(state, right),
  ];
  if (differences.length > 0)
    recorder.report('pinned-accounting', `after ${when}: ${differences.join('; ')}`);
  return records.length;
}

function differencesOf(name: string, counted: object, right: object): string[] {
  const differences: string[] = [];
  for (const [field, value] of Object.entries(right) as [string, unknown][]) {
    const found: unknown = Reflect.get(counted, field);
    if (typeof value === 'number' && found !== value)
      differences.push(`${name}.${field} is ${String(found)} and should be ${value}`);
  }
  return differences;
}

function segmentDifferences(state: PartitionState, right: PartitionState): string[] {
  const differences: string[] = [];
  for (const id of new Set([...state.segments.keys(), ...right.segments.keys()])) {
    const found = state.segments.get(id) ?? { liveBytes: 0, pinnedBytes: 0, extents: 0 };
    const wanted = right.segments.get(id) ?? { liveBytes: 0, pinnedBytes: 0, extents: 0 };
    differences.push(...differencesOf(`segment ${id}`, found, wanted));
  }
  return differences;
}
