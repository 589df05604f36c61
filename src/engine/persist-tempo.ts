/**
 * When uploads begin, and how many at once: so that clients hardly notice them on the thread that they share.
 *
 * Uploads begin in batches. What is written alone is uploaded in the next turn of the event loop; what is written within
 * `GATHER_MS` of the last batch waits that long and goes with the next one (Nagle's idea for small packets, RFC 896). So at a
 * thousand writes a second there are a hundred rounds of messages, not a thousand: at that pace, what a thread does for the first of a round
 * costs it more than what it does for the others. Who waits for an upload does not wait for others (`PersistQueue.expedite`).
 *
 * While clients write and the thread has little time left, uploads give way: their rate falls by a fifth each window, down to
 * `FLOOR_PER_S`, and rises again by a quarter when there is time. It is unlimited when clients rest, when the space for un-persisted
 * bytes becomes scarce, and where the clock does not know how busy the thread is.
 */
import type { Clock } from '../core/ports.js';

/** The least that is persisted per second, whatever clients do. */
const FLOOR_PER_S = 2000;
/** Batches begin no more often, unless uploads have ended that work was waiting for. */
const GATHER_MS = 10;
/** How much of the past decides about the rate. */
const WINDOW_MS = 40;
/** Without a write for so long, clients rest. */
const REST_MS = 250;
/** Of the thread's time: above, uploads give way; below, they may have more. */
const BUSY_SHARE_HIGH = 0.8;
const BUSY_SHARE_LOW = 0.65;
/** A rate above this is none. */
const CEILING_PER_S = 50_000;
/** A whole window's uploads must not begin at once. */
const BURST_MS = 5;

export interface PersistTempoParts {
  readonly clock: Clock;
  /** Begins what may begin. */
  readonly fill: () => void;
  /** Whether the space for un-persisted bytes is scarce. */
  readonly isStrained: () => boolean;
}

export class PersistTempo {
  readonly #parts: PersistTempoParts;
  #scheduled: { readonly atMs: number; readonly cancel: () => void } | undefined;
  #stopped = false;
  #batchAtMs = Number.NEGATIVE_INFINITY;
  #perS = CEILING_PER_S;
  #tokens = 0;
  #tokensAtMs: number;
  #window: { readonly sinceMs: number; readonly busyMs: number };
  #writtenAtMs = Number.NEGATIVE_INFINITY;
  #begun = 0;

  constructor(parts: PersistTempoParts) {
    this.#parts = parts;
    this.#tokensAtMs = parts.clock.monotonicTimeMs();
    this.#window = { sinceMs: this.#tokensAtMs, busyMs: parts.clock.busyTimeMs?.() ?? 0 };
  }

  /** Uploads a second that may begin now; undefined when there is no limit. */
  get perS(): number | undefined {
    return this.#perS < CEILING_PER_S ? this.#perS : undefined;
  }

  /** A client's write was committed: there is something to upload. */
  wrote(): void {
    this.#writtenAtMs = this.#parts.clock.monotonicTimeMs();
    this.gather();
  }

  /** Begins the next batch when its time has come. */
  gather(): void {
    const sinceMs = this.#parts.clock.monotonicTimeMs() - this.#batchAtMs;
    if (sinceMs >= GATHER_MS) this.now();
    else this.after(GATHER_MS - sinceMs);
  }

  /** Begins the next batch in the next turn. */
  now(): void {
    this.#schedule(Number.NEGATIVE_INFINITY, (run) => {
      let isCancelled = false;
      this.#parts.clock.nextTurn(() => {
        if (!isCancelled) run();
      });
      return () => {
        isCancelled = true;
      };
    });
  }

  /** Begins the next batch so much later, unless one begins before. */
  after(delayMs: number): void {
    const { clock } = this.#parts;
    this.#schedule(clock.monotonicTimeMs() + delayMs, (run) => clock.schedule(delayMs, run));
  }

  stop(): void {
    this.#stopped = true;
    this.#scheduled?.cancel();
    this.#scheduled = undefined;
  }

  start(): void {
    this.#stopped = false;
  }

  /** How long until one more upload may begin; 0 when it may now. */
  get delayMs(): number {
    this.#look();
    const nowMs = this.#parts.clock.monotonicTimeMs();
    if (this.#perS >= CEILING_PER_S) {
      this.#tokens = 0;
      this.#tokensAtMs = nowMs;
      return 0;
    }
    const burst = Math.max(1, (this.#perS * BURST_MS) / 1000);
    this.#tokens = Math.min(burst, this.#tokens + ((nowMs - this.#tokensAtMs) * this.#perS) / 1000);
    this.#tokensAtMs = nowMs;
    return this.#tokens >= 1 ? 0 : BURST_MS;
  }

  /** An upload began. */
  began(): void {
    this.#begun++;
    this.#tokens--;
    this.#batchAtMs = this.#parts.clock.monotonicTimeMs();
  }

  /** Adapts the rate to the window that has passed. */
  #look(): void {
    const { clock, isStrained } = this.#parts;
    if (clock.busyTimeMs === undefined) return;
    const nowMs = clock.monotonicTimeMs();
    const elapsedMs = nowMs - this.#window.sinceMs;
    if (elapsedMs < WINDOW_MS) return;
    const busyMs = clock.busyTimeMs();
    const busyShare = (busyMs - this.#window.busyMs) / elapsedMs;
    const beganPerS = (this.#begun * 1000) / elapsedMs;
    if (nowMs - this.#writtenAtMs > REST_MS || isStrained()) this.#perS = CEILING_PER_S;
    else if (busyShare > BUSY_SHARE_HIGH)
      this.#perS = Math.max(FLOOR_PER_S, Math.min(this.#perS, beganPerS) * 0.8);
    else if (busyShare < BUSY_SHARE_LOW) this.#perS = Math.min(CEILING_PER_S, this.#perS * 1.25);
    this.#window = { sinceMs: nowMs, busyMs };
    this.#begun = 0;
  }

  /** Keeps what is due first. */
  #schedule(atMs: number, arm: (run: () => void) => () => void): void {
    if (this.#stopped || (this.#scheduled !== undefined && this.#scheduled.atMs <= atMs)) return;
    this.#scheduled?.cancel();
    const cancel = arm(() => {
      this.#scheduled = undefined;
      this.#parts.fill();
    });
    this.#scheduled = { atMs, cancel };
  }
}
