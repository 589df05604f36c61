/**
 * `Clock` of one simulated process on the scheduler's virtual time.
 *
 * Invariants: the monotonic time never steps back, whatever the wall time does; after `stop` nothing of this process
 * runs any more: callbacks are dropped and sleeps never settle, as in a process that was killed.
 */
import { assert } from '../src/core/assert.js';
import type { Cancel, Clock } from '../src/core/ports.js';
import { TICK_MS, type Scheduler } from './scheduler.js';

/** 2026-01-01T00:00:00Z: when a simulation begins, unless it is told otherwise. */
export const WALL_ORIGIN_MS = 1_767_225_600_000;

export interface SimClockOptions {
  /** Wall time when the simulation began, in milliseconds since the Unix epoch. */
  readonly wallOriginMs?: number;
  /** How much faster than virtual time this clock runs: 0.0001 gains 100 microseconds a second. */
  readonly driftRatio?: number;
}

export class SimClock implements Clock {
  readonly #scheduler: Scheduler;
  readonly #rate: number;
  #wallOriginMs: number;
  #stopped = false;

  constructor(scheduler: Scheduler, options: SimClockOptions = {}) {
    this.#scheduler = scheduler;
    this.#rate = 1 + (options.driftRatio ?? 0);
    this.#wallOriginMs = options.wallOriginMs ?? WALL_ORIGIN_MS;
    assert(this.#rate > 0, `a drift of ${options.driftRatio} would stop the clock`);
  }

  wallTimeMs(): number {
    return Math.floor(this.#wallOriginMs + this.monotonicTimeMs());
  }

  monotonicTimeMs(): number {
    return this.#scheduler.nowMs * this.#rate;
  }

  /** Steps the wall time, as an administrator or NTP does: back when `deltaMs` is negative. */
  stepWallTime(deltaMs: number): void {
    this.#wallOriginMs += deltaMs;
  }

  /** Ends the process that this clock belongs to. */
  stop(): void {
    this.#stopped = true;
  }

  schedule(delayMs: number, callback: () => void): Cancel {
    if (!(delayMs >= 0)) assert(false, `a delay of ${delayMs} ms is not possible`);
    const startMs = this.monotonicTimeMs();
    let cancel: Cancel;
    // Rounding may let a drifting clock wake up short of the delay: then it waits for the rest, which may be less than virtual time
    // can move by.
    const arm = (leftMs: number): void => {
      cancel = this.#scheduler.schedule(leftMs / this.#rate, () => {
        if (this.#stopped) return;
        const restMs = delayMs - (this.monotonicTimeMs() - startMs);
        if (restMs > 0) arm(Math.max(restMs, TICK_MS));
        else callback();
      });
    };
    arm(delayMs);
    return () => cancel();
  }

  sleep(delayMs: number, signal?: AbortSignal): Promise<void> {
    return new Promise((resolve, reject) => {
      if (signal?.aborted === true) {
        reject(signal.reason as Error);
        return;
      }
      const abort = (): void => {
        if (this.#stopped) return;
        cancel();
        reject(signal?.reason as Error);
      };
      const cancel = this.schedule(delayMs, () => {
        signal?.removeEventListener('abort', abort);
        resolve();
      });
      signal?.addEventListener('abort', abort, { once: true });
    });
  }

  nextTurn(callback: () => void): void {
    this.#scheduler.schedule(0, () => {
      if (!this.#stopped) callback();
    });
  }
}
