/** Whether a log that was opened goes with the index of its partition. */
import { HeadraceError } from '../core/errors.js';
import type { PartitionLog } from '../../log/log-store.js';

/** `CORRUPT_FRAME` when the index, which stands at `applied`, knows of events that the log does not have. */
export function checkReach({ partition, durableOffset }: PartitionLog, applied: number): void {
  if (applied <= durableOffset) return;
  throw new HeadraceError(
    'CORRUPT_FRAME',
    `the log of partition ${partition} ends at offset ${durableOffset}, below the index, which stands at ${applied}: ` +
      'the newest log files are lost',
  );
}
