/**
 * Cuts long work into slices, so that the event loop stays free for requests.
 */
import type { Clock } from '../../core/ports.js';

/** The clock is looked at once in so many units of work of about a microsecond. */
const UNITS_PER_LOOK = 32;

export class Pacer {
  readonly #clock: Clock;
  readonly #sliceMs: number;
  readonly #restMs: number;
  readonly #signal: AbortSignal | undefined;
  #units = 0;
  #startMs: number;

  /** With `restMs` the work pauses so long between slices; with 0 it goes on in the next turn. */
  constructor(clock: Clock, sliceMs: number, restMs: number, signal?: AbortSignal) {
    this.#clock = clock;
    this.#sliceMs = sliceMs;
    this.#restMs = restMs;
    this.#signal = signal;
    this.#startMs = clock.monotonicTimeMs();
  }

  /** To be called for each unit of work; true when `rest` is due. */
  isDue(): boolean {
    if (++this.#units < UNITS_PER_LOOK) return false;
    this.#units = 0;
    return this.#clock.monotonicTimeMs() - this.#startMs >= this.#sliceMs;
  }

  /** Lets others work. Rejects with the signal's reason once it was aborted. */
  async rest(): Promise<void> {
    if (this.#restMs > 0) await this.#clock.sleep(this.#restMs, this.#signal);
    else await new Promise<void>((resolve) => this.#clock.nextTurn(resolve));
    this.#signal?.throwIfAborted();
    this.#startMs = this.#clock.monotonicTimeMs();
  }
}
