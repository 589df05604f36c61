/**
 * How much goes to each under-store at once.
 *
 * A store that asks to slow down gets half as many calls, after a pause; each that succeeds then adds its share of one more
 * (additive increase, multiplicative decrease: Chiu and Jain, 1989). Answers to calls that had begun before the last cut say
 * nothing new. When more than one store is in use none may take all of the worker's calls, so that one that hangs holds up no
 * other. A store that refuses one object after the other for good is treated likewise, lest a lost permission quarantines a
 * whole backlog.
 */
import type { ObjectStore } from '../core/object-store.js';
import type { Clock } from '../core/ports.js';
import { SECOND_MS } from '../core/units.js';

export type PersistOutcome = 'ok' | 'throttled' | 'denied' | 'failed';

export interface PersistPaceOptions {
  /** Calls of the worker. */
  readonly concurrency: number;
  /** Calls of one store; undefined: as many as the worker's, or three quarters of them when there are several stores. */
  readonly storeConcurrency: number | undefined;
}

const PAUSE_INITIAL_MS = 200;
const PAUSE_MAX_MS = 5 * SECOND_MS;
/** A store may ask for a longer pause, up to this. */
const RETRY_AFTER_MAX_MS = 60 * SECOND_MS;
/** Refusals without a success between them that count as the store's and not as the objects'. */
const DENIALS_IN_A_ROW = 16;
const SHARE_OF_ONE_STORE = 0.75;

interface Pace {
  /** Of calls at once; grows by fractions. */
  limit: number;
  running: number;
  /** Calls that began before are no news; on the monotonic clock. */
  cutAtMs: number;
  pausedUntilMs: number;
  pauseMs: number;
  denials: number;
}

export class PersistPace {
  readonly #options: PersistPaceOptions;
  readonly #clock: Clock;
  readonly #paces = new Map<ObjectStore, Pace>();

  constructor(options: PersistPaceOptions, clock: Clock) {
    this.#options = options;
    this.#clock = clock;
  }

  mayStart(store: ObjectStore): boolean {
    const pace = this.#paces.get(store);
    if (pace === undefined) return true;
    const limit = Math.min(Math.floor(pace.limit), this.#limitMax());
    return pace.running < limit && this.#clock.monotonicTimeMs() >= pace.pausedUntilMs;
  }

  /** How long until a pause ends; undefined when there is none. */
  get resumesInMs(): number | undefined {
    const nowMs = this.#clock.monotonicTimeMs();
    let first: number | undefined;
    for (const { pausedUntilMs } of this.#paces.values())
      if (pausedUntilMs > nowMs) first = Math.min(first ?? Number.POSITIVE_INFINITY, pausedUntilMs - nowMs);
    return first;
  }

  /** Calls that a store gets at once now: for operators. */
  limitOf(store: ObjectStore): number {
    return Math.min(Math.floor(this.#paces.get(store)?.limit ?? this.#limitMax()), this.#limitMax());
  }

  /** The result must be called when the call has ended. */
  begin(store: ObjectStore): (outcome: PersistOutcome, retryAfterMs?: number) => void {
    const pace = this.#paceOf(store);
    pace.running += 1;
    const beganMs = this.#clock.monotonicTimeMs();
    return (outcome, retryAfterMs = 0) => {
      pace.running -= 1;
      if (outcome === 'ok') this.#grow(pace);
      else if (outcome === 'throttled') this.#cut(pace, beganMs, retryAfterMs);
      else if (outcome === 'denied' && ++pace.denials >= DENIALS_IN_A_ROW) this.#cut(pace, beganMs, 0);
    };
  }

  /** A mount that is gone needs no pace. */
  forget(inUse: (store: ObjectStore) => boolean): void {
    for (const store of this.#paces.keys()) if (!inUse(store)) this.#paces.delete(store);
  }

  #grow(pace: Pace): void {
    pace.denials = 0;
    pace.pauseMs = 0;
    const limitMax = this.#limitMax();
    if (pace.limit < limitMax) pace.limit = Math.min(limitMax, pace.limit + 1 / pace.limit);
  }

  #cut(pace: Pace, beganMs: number, retryAfterMs: number): void {
    if (beganMs < pace.cutAtMs) return;
    const nowMs = this.#clock.monotonicTimeMs();
    pace.cutAtMs = nowMs;
    pace.limit = Math.max(1, Math.min(pace.limit, this.#limitMax()) / 2);
    pace.pauseMs = Math.min(Math.max(pace.pauseMs * 2, PAUSE_INITIAL_MS), PAUSE_MAX_MS);
    pace.pausedUntilMs = nowMs + Math.max(pace.pauseMs, Math.min(retryAfterMs, RETRY_AFTER_MAX_MS));
  }

  #limitMax(): number {
    const { concurrency, storeConcurrency } = this.#options;
    if (storeConcurrency !== undefined) return Math.min(storeConcurrency, concurrency);
    if (this.#paces.size <= 1) return concurrency;
    return Math.max(1, Math.floor(concurrency * SHARE_OF_ONE_STORE));
  }

  #paceOf(store: ObjectStore): Pace {
    let pace = this.#paces.get(store);
    if (pace === undefined) {
      pace = {
        limit: this.#options.concurrency,
        running: 0,
        cutAtMs: Number.NEGATIVE_INFINITY,
        pausedUntilMs: 0,
        pauseMs: 0,
        denials: 0,
      };
      this.#paces.set(store, pace);
    }
    return pace;
  }
}
