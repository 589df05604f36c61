/**
 * Reads of small extents in this thread instead of on the thread pool.
 *
 * A hand-over to the pool and back costs more than to copy 10 KiB that the kernel has cached: without it a small GET takes
 * a tenth to a fifth less processor time. But a read that has to wait for the device holds up everybody, and there is no
 * asking beforehand whether it will. So each read is timed, and one that took too long sends the next ones to the pool, twice
 * as many each time until reads are fast again: cold data is served as it was, and probed now and then.
 */
import { HeadraceError } from '../../core/errors.js';
import type { Clock, DiskFile } from '../../core/ports.js';
import { KIB } from '../../core/units.js';

/** Above this the copy costs more than the hand-over. */
const DIRECT_READ_BYTES_MAX = 64 * KIB;
/** Cached, 64 KiB take a quarter of it; the fastest devices take twice as long for 4 KiB. */
const SLOW_READ_MS = 0.05;
const POOLED_MIN = 16;
const POOLED_MAX = 4096;

export class DirectReads {
  readonly #clock: Clock;
  /** Reads that still go to the pool. */
  #pooled = 0;
  /** How many went there after the last slow read; 0 when reads have been fast for a while. */
  #backOff = 0;

  constructor(clock: Clock) {
    this.#clock = clock;
  }

  /** Asked once per read: whether it may be done with `read`. */
  mayRead(sizeBytes: number): boolean {
    if (sizeBytes > DIRECT_READ_BYTES_MAX) return false;
    if (this.#pooled === 0) return true;
    this.#pooled--;
    return false;
  }

  /** Fills `target`; false when it could not, whatever the reason. */
  read(file: DiskFile, position: number, target: Uint8Array): boolean {
    const startMs = this.#clock.monotonicTimeMs();
    try {
      return file.readSync(position, target) === target.length;
    } catch (error) {
      if (error instanceof HeadraceError) return false;
      throw error;
    } finally {
      this.#learn(this.#clock.monotonicTimeMs() - startMs);
    }
  }

  #learn(elapsedMs: number): void {
    if (elapsedMs > SLOW_READ_MS) {
      this.#backOff = Math.min(Math.max(this.#backOff * 2, POOLED_MIN), POOLED_MAX);
      this.#pooled = this.#backOff;
    } else this.#backOff >>= 1;
  }
}
