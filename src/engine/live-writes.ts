/**
 * Streamed writes whose bodies are arriving now, with the time of their last data: what the log cannot know. Volatile.
 */
import { HeadraceError } from '../core/errors.js';
import type { AbandonReason } from '../../log/object-events.js';
import type { Clock } from '../core/ports.js';

interface LiveWrite {
  /** Index key of the record that the bytes are for. */
  readonly owner: string;
  lastDataMs: number;
  reason: AbandonReason | undefined;
  /** Ends the wait for the next data. */
  interrupt: ((error: Error) => void) | undefined;
}

export class LiveWrites {
  readonly #clock: Clock;
  readonly #writes = new Map<string, LiveWrite>();

  constructor(clock: Clock) {
    this.#clock = clock;
  }

  begin(writeId: string, owner: string): void {
    this.#writes.set(writeId, {
      owner,
      lastDataMs: this.#clock.monotonicTimeMs(),
      reason: undefined,
      interrupt: undefined,
    });
  }

  /**
   * Waits for a write's next data, which starts the dangling timer anew. Rejects with `REQUEST_TIMEOUT` when the reaper gives the
   * write up meanwhile, also while nothing arrives, so that a silent client holds nothing and late data revives nothing.
   */
  next(writeId: string, source: AsyncIterator<Uint8Array>): Promise<IteratorResult<Uint8Array>> {
    const write = this.#writes.get(writeId);
    if (write === undefined || write.reason !== undefined) return Promise.reject(givenUp());
    return new Promise((resolve, reject) => {
      write.interrupt = reject;
      source.next().then((step) => {
        if (write.reason === undefined) write.lastDataMs = this.#clock.monotonicTimeMs();
        resolve(step);
      }, reject);
    });
  }

  end(writeId: string): void {
    this.#writes.delete(writeId);
  }

  has(writeId: string): boolean {
    return this.#writes.has(writeId);
  }

  /** Milliseconds since the last data; undefined for a write that is not live. */
  idleMs(writeId: string): number | undefined {
    const write = this.#writes.get(writeId);
    return write === undefined ? undefined : this.#clock.monotonicTimeMs() - write.lastDataMs;
  }

  /** The least idle time of the writes whose owner begins with `prefix`; undefined when there are none. */
  idleMsOf(prefix: string): number | undefined {
    let least: number | undefined;
    for (const { owner, lastDataMs } of this.#writes.values()) {
      if (!owner.startsWith(prefix)) continue;
      least = Math.min(least ?? Number.POSITIVE_INFINITY, this.#clock.monotonicTimeMs() - lastDataMs);
    }
    return least;
  }

  /** The reaper gives the write up; its own request abandons it in the log. */
  giveUp(writeId: string, reason: AbandonReason): void {
    const write = this.#writes.get(writeId);
    if (write === undefined || write.reason !== undefined) return;
    write.reason = reason;
    write.interrupt?.(givenUp());
  }

  reasonOf(writeId: string): AbandonReason | undefined {
    return this.#writes.get(writeId)?.reason;
  }
}

function givenUp(): HeadraceError {
  return new HeadraceError(
    'REQUEST_TIMEOUT',
    'the write received no data for too long and was abandoned: send the object again',
  );
}
