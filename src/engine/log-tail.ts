/** Following a partition's log: what is durable already, then what becomes durable. */
import { eventToJson } from '../../log/event-json.js';
import type { DurableBatch, PartitionLog } from '../../log/log-store.js';
import type { LoggedEvent } from './admin-service.js';

/** A follower that is further behind than this reads from the log again instead of from memory. */
const QUEUE_MAX = 1024;

/** Events from `from` on, until the signal aborts or the log closes. */
export async function* tailLog(
  log: PartitionLog,
  from: number,
  signal: AbortSignal,
): AsyncGenerator<LoggedEvent> {
  let next = from;
  let woken: () => void = () => undefined;
  let queue: DurableBatch[] = [];
  let closed = false;
  const subscription = log.batches$.subscribe({
    next: (batch) => {
      // Forgotten batches are found in the log.
      if (queue.length < QUEUE_MAX) queue.push(batch);
      else queue = [];
      woken();
    },
    complete: () => {
      closed = true;
      woken();
    },
  });
  const onAbort = (): void => woken();
  signal.addEventListener('abort', onAbort);
  try {
    for (;;) {
      const batches = queue[0]?.firstOffset === next ? queue.splice(0) : undefined;
      if (batches === undefined && next < log.durableOffset) {
        queue = [];
        for await (const batch of log.read(next)) {
          yield* loggedEvents(log, batch, next);
          next = Math.max(next, batch.firstOffset + batch.events.length);
          if (signal.aborted) return;
        }
        continue;
      }
      for (const batch of batches ?? []) {
        yield* loggedEvents(log, batch, next);
        next = Math.max(next, batch.firstOffset + batch.events.length);
      }
      if (signal.aborted || closed) return;
      if (next >= log.durableOffset) {
        queue = [];
        await new Promise<void>((resolve) => {
          woken = resolve;
        });
      }
    }
  } finally {
    signal.removeEventListener('abort', onAbort);
    subscription.unsubscribe();
  }
}

/** The events of a batch from an offset on, as plain values. */
export function* loggedEvents(log: PartitionLog, batch: DurableBatch, from: number): Generator<LoggedEvent> {
  for (const [at, event] of batch.events.entries()) {
    const offset = batch.firstOffset + at;
    if (offset >= from) {
      yield { partition: log.partition, offset, epoch: batch.epoch, event: eventToJson(event) };
    }
  }
}
