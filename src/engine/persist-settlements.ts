/**
 * What uploads have to log: that the UFS has a version, or that it has lost a deleted one.
 *
 * Nobody waits for these events, but a client's append that comes while one of theirs is being written waits for its end. So they go
 * with a client's append: whatever waits here when a client's event is queued lies in the same frame. They wait for company only
 * while clients write so often that it comes within `COMPANY_MS`, and only up to a number; then they go by themselves, together.
 *
 * Invariants: each decision is made once, against the state in that moment, and the caller is told when its events are durable and
 * applied. Decisions that wait at the same time are about different objects (their callers hold the objects' locks), so that none
 * needs to see the others' events. A crash forgets what waits: it is uploaded again, as after a crash before the answer.
 */
import { assert } from '../core/assert.js';
import type { DataEvent } from '../../log/events.js';
import type { Clock } from '../core/ports.js';
import type { Decision, DecisionView } from './decision.js';
import type { Partition } from './partition.js';

/** Longest that a settlement waits for company. */
const COMPANY_MS = 5;
/** Of one append: what a client's frame grows by stays small. */
const TOGETHER_MAX = 32;

export type DecideSettlement = (view: DecisionView) => Decision<void>;

export interface Settlement {
  decide(view: DecisionView): Decision<void>;
  /** What was decided is durable and applied. */
  settled(): void;
  /** With what `decide` threw, or as `Partition.submit` rejects. */
  refused(error: unknown): void;
}

export class PersistSettlements {
  readonly #clock: Clock;
  /** So many do not wait any longer. */
  readonly #waitingMax: number;
  /** One for each partition: entries of a map that come and go are kept alive too long, see `core/places.ts`. */
  readonly #waiting = new Map<Partition, { settlements: Settlement[] }>();
  #count = 0;
  #isScheduled = false;
  #isNextTurn = false;
  #isSettling = false;
  #lastWriteAtMs = Number.NEGATIVE_INFINITY;
  #writeIntervalMs = Number.POSITIVE_INFINITY;

  constructor(clock: Clock, waitingMax: number) {
    this.#clock = clock;
    this.#waitingMax = waitingMax;
  }

  start(partitions: readonly Partition[]): void {
    for (const partition of partitions) {
      this.#waiting.set(partition, { settlements: [] });
      partition.onQueued(() => this.#settleWith(partition));
    }
  }

  /** A client's write was committed. */
  wrote(): void {
    const nowMs = this.#clock.monotonicTimeMs();
    this.#writeIntervalMs = nowMs - this.#lastWriteAtMs;
    this.#lastWriteAtMs = nowMs;
  }

  /** Resolves when what is decided is durable and applied. Rejects with what `decide` throws, or as `Partition.submit`. */
  settle(partition: Partition, decide: DecideSettlement): Promise<void> {
    return new Promise((settled, refused) => this.add(partition, { decide, settled, refused }));
  }

  /** As `settle`, without a promise. */
  add(partition: Partition, settlement: Settlement): void {
    this.#waitingOf(partition).settlements.push(settlement);
    this.#count++;
    if (this.#count >= this.#waitingMax) this.#settleAll();
    else if (this.#isCompanyNear) this.#settleLater(COMPANY_MS);
    else this.#settleLater(0);
  }

  /** Whether clients write so often that the next one is worth waiting for. */
  get #isCompanyNear(): boolean {
    const sinceMs = this.#clock.monotonicTimeMs() - this.#lastWriteAtMs;
    return Math.max(this.#writeIntervalMs, sinceMs) < COMPANY_MS;
  }

  /** With 0, in the next turn: what else comes in this one goes with it. */
  #settleLater(delayMs: number): void {
    if (this.#isScheduled && (delayMs > 0 || this.#isNextTurn)) return;
    const settle = (): void => {
      this.#isScheduled = this.#isNextTurn = false;
      this.#settleAll();
    };
    this.#isScheduled = true;
    this.#isNextTurn = delayMs === 0;
    if (delayMs === 0) this.#clock.nextTurn(settle);
    else this.#clock.schedule(delayMs, settle);
  }

  #settleAll(): void {
    for (const partition of this.#waiting.keys()) while (this.#settle(partition));
  }

  /** Something was queued for the log: what is queued in the same turn lies beside it. */
  #settleWith(partition: Partition): void {
    if (this.#count > 0 && !this.#isSettling) this.#settle(partition);
  }

  #waitingOf(partition: Partition): { settlements: Settlement[] } {
    const waiting = this.#waiting.get(partition);
    assert(waiting !== undefined, `partition ${partition.number} is not one of those that were given`);
    return waiting;
  }

  /** False when nothing waits there. */
  #settle(partition: Partition): boolean {
    const waiting = this.#waitingOf(partition);
    const together = waiting.settlements.slice(0, TOGETHER_MAX);
    if (together.length === 0) return false;
    waiting.settlements = waiting.settlements.slice(TOGETHER_MAX);
    this.#count -= together.length;
    const refused = new Map<Settlement, unknown>();
    this.#isSettling = true;
    const settled = partition.submit((view) => decideAll(view, together, refused));
    this.#isSettling = false;
    settled.then(
      () => {
        for (const settlement of together) {
          if (refused.has(settlement)) settlement.refused(refused.get(settlement));
          else settlement.settled();
        }
      },
      (error: unknown) => {
        for (const settlement of together) settlement.refused(error);
      },
    );
    return true;
  }
}

/** A decision that is refused concerns no other. */
function decideAll(
  view: DecisionView,
  settlements: readonly Settlement[],
  refused: Map<Settlement, unknown>,
): Decision<void> {
  const events: DataEvent[] = [];
  for (const settlement of settlements) {
    try {
      events.push(...settlement.decide(view).events);
    } catch (error) {
      refused.set(settlement, error);
    }
  }
  return { events, result: undefined };
}
