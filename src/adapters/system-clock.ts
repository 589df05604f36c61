/**
 * `Clock` on the time of this machine and the timers of Node.js.
 *
 * Invariant: a callback never runs before its delay has passed on the monotonic clock. Node's own timers count
 * truncated milliseconds and may run up to one early, and treat delays above 2^31 - 1 ms as 1 ms.
 */
import { performance } from 'node:perf_hooks';
import { assert } from '../core/assert.js';
import type { Cancel, Clock } from '../core/ports.js';

/** The longest delay that a timer of Node.js takes (setTimeout, "Timers" in its documentation). */
const TIMER_DELAY_MS_MAX = 2 ** 31 - 1;

export class SystemClock implements Clock {
  wallTimeMs(): number {
    return Date.now();
  }

  monotonicTimeMs(): number {
    return performance.now();
  }

  busyTimeMs(): number {
    return performance.eventLoopUtilization().active;
  }

  schedule(delayMs: number, callback: () => void): Cancel {
    assert(delayMs >= 0, `a delay of ${delayMs} ms is not possible`);
    const startMs = performance.now();
    let timer: NodeJS.Timeout;
    const arm = (leftMs: number): void => {
      timer = setTimeout(
        () => {
          const restMs = delayMs - (performance.now() - startMs);
          if (restMs > 0) arm(restMs);
          else callback();
        },
        Math.min(Math.ceil(leftMs), TIMER_DELAY_MS_MAX),
      );
      timer.unref();
    };
    arm(delayMs);
    return () => clearTimeout(timer);
  }

  sleep(delayMs: number, signal?: AbortSignal): Promise<void> {
    return new Promise((resolve, reject) => {
      if (signal?.aborted === true) {
        reject(signal.reason as Error);
        return;
      }
      const abort = (): void => {
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
    setImmediate(callback);
  }
}
