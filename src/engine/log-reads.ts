/** The log as operators read it: where each partition stands, and its events as plain values. */
import { HeadraceError } from '../core/errors.js';
import type { PartitionLog } from '../../log/log-store.js';
import type { LoggedEvent, LogHead } from './admin-service.js';
import type { EngineCore } from './engine-core.js';
import { loggedEvents } from './log-tail.js';

/** The control partition first. */
export function logHeads({ control, partitions }: EngineCore): LogHead[] {
  const head = (
    { partition, epoch, oldestOffset, durableOffset }: PartitionLog,
    checkpointOffset: number,
  ): LogHead => ({
    partition,
    epoch,
    oldestOffset,
    durableOffset,
    checkpointOffset,
  });
  return [
    head(control.log, 0),
    ...partitions.map(({ log, checkpointOffset }) => head(log, checkpointOffset)),
  ];
}

/** At most `limit` events from an offset on. `INVALID_ARGUMENT` for a partition that there is not. */
export async function readLog(
  core: EngineCore,
  request: { readonly partition: number; readonly from: number; readonly limit: number },
): Promise<LoggedEvent[]> {
  const log = logOf(core, request.partition);
  const events: LoggedEvent[] = [];
  if (request.limit === 0 || request.from >= log.durableOffset) return events;
  for await (const batch of log.read(request.from)) {
    for (const event of loggedEvents(log, batch, request.from)) {
      events.push(event);
      if (events.length >= request.limit) return events;
    }
  }
  return events;
}

/** The log of a partition. `INVALID_ARGUMENT` for one that there is not. */
export function logOf({ control, partitions }: EngineCore, partition: number): PartitionLog {
  if (partition === control.log.partition) return control.log;
  const found = partitions.find(({ number }) => number === partition);
  if (found === undefined) {
    throw new HeadraceError(
      'INVALID_ARGUMENT',
      `there is no partition ${partition}: there are ${control.log.partition} to ${partitions.length}`,
    );
  }
  return found.log;
}
