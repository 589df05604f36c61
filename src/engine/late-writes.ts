/**
 * Writes to the UFS that nobody waits for any more and that may still arrive: those that were given up, and those of a process that
 * died. What is written behind one of them begins a moment later, or the older could land on the newer. A store that takes
 * longer than that to do what it was sent is guarded against by conditional persists only.
 */
import { HeadraceError } from '../core/errors.js';
import type { Clock } from '../core/ports.js';
import { SECOND_MS } from '../core/units.js';
import type { Unlock } from './key-locks.js';

/** What was sent before its connection was cut is with the store by then, and done. */
const LATE_WRITE_MS = SECOND_MS;

export class LateWrites {
  readonly #clock: Clock;
  readonly #lateWriteMs: number;
  /** On the monotonic clock. */
  readonly #quietAtMs: number;

  /** `hasPast`: whether an earlier process may have written to the UFS. */
  constructor(clock: Clock, hasPast: boolean, lateWriteMs = LATE_WRITE_MS) {
    this.#clock = clock;
    this.#lateWriteMs = lateWriteMs;
    this.#quietAtMs = clock.monotonicTimeMs() + (hasPast ? lateWriteMs : 0);
  }

  /** How long to wait for what an earlier process may have on its way; usually 0. */
  get waitMs(): number {
    return Math.max(0, this.#quietAtMs - this.#clock.monotonicTimeMs());
  }

  /** Resolves when that is over; undefined when it is. */
  quiet(): Promise<void> | undefined {
    const { waitMs } = this;
    return waitMs === 0
      ? undefined
      : new Promise((resolve) => {
          this.#clock.schedule(waitMs, resolve);
        });
  }

  /** Gives an object's lock back behind what failed with `error`, if it failed: later when it may still take effect. */
  unlock(unlock: Unlock, error?: unknown): void {
    const isUnknown =
      error instanceof HeadraceError &&
      (error.code === 'UFS_UNKNOWN_OUTCOME' || error.details['outcomeUnknown'] === true);
    if (isUnknown) this.#clock.schedule(this.#lateWriteMs, unlock);
    else unlock();
  }
}
