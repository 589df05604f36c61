/**
 * Streamed writes whose bodies are arriving now, with the time of their last data: what the log cannot know. Volatile.
 */
import { HeadraceError } from '../core/errors.js';
import type { AbandonReason } from '../../log/events.js';
import type { Clock } from '../core/ports.js';

interface LiveWrite {
  /** Index key of the record that the bytes are for. */
  readonly owner: string;
  lastDataMs: number;
  reason: AbandonReason | undefined;
}

export class LiveWrites {
  readonly #clock: Clock;
  readonly #writes = new Map<string, LiveWrite>();

  constructor(clock: Clock) {
    this.#clock = clock;
  }

  begin(writeId: string, owner: string): void {
    this.#writes.set(writeId, { owner, lastDataMs: this.#clock.monotonicTimeMs(), reason: undefined });
  }

  /**
   * Data arrived: the dangling timer starts anew. Throws `REQUEST_TIMEOUT` when the reaper has given the write up
   * meanwhile, so that late data does not revive it.
   */
  received(writeId: string): void {
    const write = this.#writes.get(writeId);
    if (write === undefined) return;
    if (write.reason !== undefined) {
      throw new HeadraceError('REQUEST_TIMEOUT', `the write received no data for too long and was abandoned`);
    }
    write.lastDataMs = this.#clock.monotonicTimeMs();
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
    if (write !== undefined) write.reason = reason;
  }

  reasonOf(writeId: string): AbandonReason | undefined {
    return this.#writes.get(writeId)?.reason;
  }
}
