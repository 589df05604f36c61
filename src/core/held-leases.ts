/**
 * What one worker process knows about leases: those that it holds, and how long others' counters have stood still. Shared by every
 * coordinator, so that the rules about time are in one place.
 */
import type { Lease } from './coordinator.js';
import type { Clock } from './ports.js';

/** The owner stops this part of a TTL after it last renewed. */
const VALID_RATIO = 0.5;

interface Seen {
  readonly mark: string;
  readonly sinceMs: number;
}

/** How long counters have stood still, on this process's monotonic clock. */
export class RenewalWatch {
  readonly #seen = new Map<string, Seen>();

  /**
   * `mark` is what was read between `startedMs` and `endedMs`. Returns for how long it is known to have stood still: from the
   * end of the first read that saw it to the start of this one.
   */
  note(name: string, mark: string, startedMs: number, endedMs: number): number {
    const seen = this.#seen.get(name);
    if (seen?.mark === mark) return Math.max(0, startedMs - seen.sinceMs);
    this.#seen.set(name, { mark, sinceMs: endedMs });
    return 0;
  }

  forget(name: string): void {
    this.#seen.delete(name);
  }

  /** Keeps only those that are there still. */
  retain(names: ReadonlySet<string>): void {
    for (const name of this.#seen.keys()) if (!names.has(name)) this.#seen.delete(name);
  }
}

export class HeldLease implements Lease {
  readonly partition: number;
  readonly epoch: number;
  readonly #clock: Clock;
  readonly #ttlMs: number;
  #renewedMs: number;
  #lost = false;

  /** `startedMs`: when the call began that acquired it. */
  constructor(clock: Clock, ttlMs: number, place: { partition: number; epoch: number; startedMs: number }) {
    this.#clock = clock;
    this.#ttlMs = ttlMs;
    this.partition = place.partition;
    this.epoch = place.epoch;
    this.#renewedMs = place.startedMs;
  }

  get isValid(): boolean {
    return !this.#lost && this.#clock.monotonicTimeMs() - this.#renewedMs < VALID_RATIO * this.#ttlMs;
  }

  renewed(startedMs: number): void {
    this.#renewedMs = Math.max(this.#renewedMs, startedMs);
  }

  /** For good: another lease of the partition may follow. */
  lose(): void {
    this.#lost = true;
  }
}

export class HeldLeases {
  readonly #clock: Clock;
  readonly #ttlMs: number;
  readonly #held = new Map<number, HeldLease>();

  constructor(clock: Clock, ttlMs: number) {
    this.#clock = clock;
    this.#ttlMs = ttlMs;
  }

  get(partition: number): HeldLease | undefined {
    return this.#held.get(partition);
  }

  all(): HeldLease[] {
    return [...this.#held.values()];
  }

  /** Replaces the one of an older epoch, which is not valid any more. */
  take(partition: number, epoch: number, startedMs: number): HeldLease {
    this.#held.get(partition)?.lose();
    const lease = new HeldLease(this.#clock, this.#ttlMs, { partition, epoch, startedMs });
    this.#held.set(partition, lease);
    return lease;
  }

  /** What an attempt to acquire came to: the lease that is held still, another one, or none. */
  settle(partition: number, epoch: number | undefined, startedMs: number): HeldLease | undefined {
    const held = this.#held.get(partition);
    if (held !== undefined && held.epoch === epoch) {
      held.renewed(startedMs);
      return held;
    }
    if (held !== undefined) this.lose(held);
    return epoch === undefined ? undefined : this.take(partition, epoch, startedMs);
  }

  lose(lease: HeldLease): void {
    lease.lose();
    if (this.#held.get(lease.partition) === lease) this.#held.delete(lease.partition);
  }
}
