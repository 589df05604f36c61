/** What is said of a log that was opened, before its partition goes on with it. */
import { HeadraceError } from '../core/errors.js';
import type { Logger } from '../core/logger.js';
import type { PartitionLog } from '../../log/log-store.js';

/** Warns of a tail that recovery cut. */
export function tellCutTail({ partition, recovery }: PartitionLog, logger: Logger): void {
  const { cutBytes, decision } = recovery;
  if (cutBytes === 0) return;
  const fields = { partition, cutBytes, decision };
  logger.warn(fields, 'cut the torn tail of the log; nothing in it was acknowledged');
}

/** `CORRUPT_FRAME` when the index, which stands at `applied`, knows of events that the log does not have. */
export function checkReach({ partition, durableOffset }: PartitionLog, applied: number): void {
  if (applied <= durableOffset) return;
  throw new HeadraceError(
    'CORRUPT_FRAME',
    `the log of partition ${partition} ends at offset ${durableOffset}, below the index, which stands at ${applied}: ` +
      'the newest log files are lost',
  );
}
