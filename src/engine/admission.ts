/**
 * Admission: no write starts that cannot finish. A write reserves its bytes before the first of them is read.
 *
 * Invariant: pinned = un-persisted + reserved ≤ limit, the same for the budget of a path rule, and used + reserved ≤
 * capacity; all are checked here and nowhere else. Un-persisted bytes come from the projection; reservations are volatile,
 * because a crash ends the writes they are for.
 *
 * Above the soft limit writers are held up, the longer the closer the limit is, so that they come down to the speed of the
 * uploads; at the limit they wait, in order, for as long as the uploads may still make room for them (docs/space.md). Who waits
 * for the room of a budget holds up nobody else.
 */
import type { Clock } from '../core/ports.js';
import { MIB } from '../core/units.js';
import { Reservation } from './reservation.js';
import type { Budget } from './space-budgets.js';
import { noRoom, overBudget, overLimit } from './space-refusals.js';

export interface AdmissionSources {
  readonly clock: Clock;
  readonly capacityBytes: number;
  readonly pinnedLimitBytes: number;
  /** Share of a limit from which on writers are held up; 1 for never. */
  readonly softRatio: number;
  /** Longest that one write is held up; 0 for not at all. */
  readonly delayMaxMs: number;
  /** Pending, transient and part bytes of all partitions. */
  readonly unpersistedBytes: () => number;
  /** Whether a log is being recovered: what was refused last may turn out to be in it. */
  readonly isRecovering: () => boolean;
  /** Whether uploads go on: an under-store answers. */
  readonly storesAnswer: () => boolean;
  /** Whether something waits for its upload that is not quarantined. */
  readonly uploadsWait: () => boolean;
  /** Bytes the segment files take. */
  readonly usedBytes: () => number;
  /** Bytes the file system can still take, as last seen. */
  readonly diskFreeBytes: () => number;
  /** Evicts until `bytes` more fit below the capacity; false when it cannot. */
  readonly makeRoom: (bytes: number) => Promise<boolean>;
}

/** Kept free on the disk for the log, checkpoints and compaction. */
export const DISK_RESERVE_BYTES = 128 * MIB;
/** Times that room is made for one write: others may take what was made before it gets its turn. */
const ATTEMPTS_MAX = 8;
/** Writes that wait for uploads; more are turned away at once. */
const WAITING_MAX = 1024;
/** Share of the way from the soft limit to the limit from which on paths that may are written through. */
const DEGRADED_STRAIN = 0.5;

/** What a write asks for. */
interface Claim {
  readonly bytes: number;
  readonly budget: Budget | undefined;
  /** Reserved for it already: these become free only when it ends. */
  readonly heldBytes: number;
}

/** A write at its limit. */
interface Waiting extends Claim {
  /** `granted`: room was made for it, which it takes in its turn. */
  readonly go: (granted: boolean) => void;
}

export class Admission {
  readonly #sources: AdmissionSources;
  readonly #softLimitBytes: number;
  #reservedBytes = 0;
  /** Given back by writes that perhaps succeeded: what they wrote may count as pinned once the log has recovered. */
  #uncertain: { readonly bytes: number; readonly budget: Budget | undefined }[] = [];
  /** What callers of `take` wait for. */
  #takenBytes = 0;
  readonly #waiting: Waiting[] = [];
  /** Room was made for one that waits, which has yet to take it. */
  #isGranting = false;

  constructor(sources: AdmissionSources) {
    this.#sources = sources;
    this.#softLimitBytes = sources.pinnedLimitBytes * sources.softRatio;
  }

  get capacityBytes(): number {
    return this.#sources.capacityBytes;
  }

  get pinnedLimitBytes(): number {
    return this.#sources.pinnedLimitBytes;
  }

  get reservedBytes(): number {
    return this.#reservedBytes;
  }

  get pinnedBytes(): number {
    return this.#sources.unpersistedBytes() + this.#reservedBytes;
  }

  /** Whether a body of that size could ever be cached here. */
  canEverHold(bytes: number): boolean {
    return bytes <= this.#sources.pinnedLimitBytes;
  }

  /** Whether a write of `bytes` should rather go through, where its path allows it and the under-store takes it. */
  isStrained(bytes: number, budget?: Budget): boolean {
    return this.#strain(bytes, budget) >= DEGRADED_STRAIN && this.#sources.storesAnswer();
  }

  /** Reserves at once, without waiting for room; undefined when that is not possible or not wise. */
  tryReserve(bytes: number, budget?: Budget): Reservation | undefined {
    if (this.#isBehind(budget) || this.#strain(bytes, budget) > 0 || this.#missingBytes(bytes) > 0)
      return undefined;
    return this.#reserved(bytes, budget);
  }

  /**
   * Reserves `bytes`, evicting where that helps, and waiting where uploads do. `SLOW_DOWN` when they did not in time,
   * `OUT_OF_SPACE` when the pinned limit, the budget or the disk does not allow it; both with `retryAfterMs` in their details.
   */
  async reserve(bytes: number, budget?: Budget): Promise<Reservation> {
    await this.take({ bytes, budget, heldBytes: 0 });
    return new Reservation(this, bytes, budget);
  }

  /** As `reserve`, without being held up: a reader waits for it, and can do without. */
  async reserveForFill(bytes: number): Promise<Reservation> {
    await this.#take({ bytes, budget: undefined, heldBytes: 0 });
    return new Reservation(this, bytes, undefined);
  }

  /** The part of `reserve` that `Reservation.grow` shares. */
  async take(claim: Claim): Promise<void> {
    const { bytes, budget } = claim;
    if (this.#isBehind(budget) || this.#strain(bytes, budget) > 0) {
      const granted = await this.#holdUp(claim);
      if (granted) this.#isGranting = false;
    }
    await this.#take(claim);
  }

  async #take(claim: Claim): Promise<void> {
    const { bytes, budget } = claim;
    this.#takenBytes += bytes;
    try {
      for (let attempt = 0; ; attempt++) {
        this.#checkPinned(claim);
        if (this.#missingBytes(bytes) <= 0) break;
        const isEnough = await this.#makeRoom();
        if (this.#missingBytes(bytes) > 0 && (!isEnough || attempt === ATTEMPTS_MAX))
          throw noRoom(bytes, this.#sources);
      }
      // Nothing was waited for since the last look, so that two writers never take the same room.
      this.#reservedBytes += bytes;
      if (budget !== undefined) budget.reservedBytes += bytes;
    } finally {
      this.#takenBytes -= bytes;
      this.madeRoom();
    }
  }

  giveBack(bytes: number, budget: Budget | undefined): void {
    this.#reservedBytes -= bytes;
    if (this.#sources.isRecovering()) return void this.#uncertain.push({ bytes, budget });
    if (budget !== undefined) budget.reservedBytes -= bytes;
    this.madeRoom();
  }

  /**
   * Something may be pinned no longer: the write that has waited longest goes on if it fits now, one at a time, because it
   * takes its room only when it gets its turn. Those behind it that wait for another budget do not wait for it.
   */
  madeRoom(): void {
    if (this.#waiting.length === 0 || this.#isGranting) return;
    const full = new Set<Budget | undefined>();
    for (const waiting of this.#waiting) {
      const { bytes, budget } = waiting;
      if (!this.#fitsLimit(this.#takenBytes + bytes)) return;
      if (full.has(budget)) continue;
      if (fitsBudget(bytes, budget)) {
        this.#isGranting = true;
        waiting.go(true);
        return;
      }
      full.add(budget);
    }
  }

  /** Whether a claim would overtake one that waits for the same room. */
  #isBehind(budget: Budget | undefined): boolean {
    if (this.#waiting.length === 0) return this.#isGranting;
    return (
      this.#isGranting ||
      this.#waiting.some((waiting) => waiting.budget === budget || !this.#fitsLimit(waiting.bytes))
    );
  }

  #reserved(bytes: number, budget: Budget | undefined): Reservation {
    this.#reservedBytes += bytes;
    if (budget !== undefined) budget.reservedBytes += bytes;
    return new Reservation(this, bytes, budget);
  }

  /** At most `delayMaxMs`; true when room was made for it. What is then still too much is refused by the caller. */
  async #holdUp(claim: Claim): Promise<boolean> {
    const { clock, delayMaxMs } = this.#sources;
    const { bytes, budget } = claim;
    if (delayMaxMs === 0 || !this.#mayFit(claim)) return false;
    const delayMs = Math.min(1, this.#strain(bytes, budget)) * delayMaxMs;
    if (!this.#isBehind(budget) && delayMs < delayMaxMs) {
      await clock.sleep(delayMs);
      if (this.#fitsPinned(bytes, budget)) return false;
    }
    if (this.#waiting.length >= WAITING_MAX) return false;
    return new Promise<boolean>((resolve) => {
      const go = (granted: boolean): void => {
        cancel();
        this.#waiting.splice(this.#waiting.indexOf(waiting), 1);
        resolve(granted);
      };
      const waiting = { ...claim, go };
      const cancel = clock.schedule(delayMaxMs, () => go(false));
      this.#waiting.push(waiting);
    });
  }

  /** Above 0 from the soft limit on, above 1 beyond the limit. */
  #strain(bytes: number, budget: Budget | undefined): number {
    const { pinnedLimitBytes, softRatio } = this.#sources;
    const pinned = strainOf(
      this.pinnedBytes + this.#uncertainBytes() + bytes,
      this.#softLimitBytes,
      pinnedLimitBytes,
    );
    if (budget === undefined) return pinned;
    const { usedBytes, reservedBytes, limitBytes } = budget;
    return Math.max(pinned, strainOf(usedBytes + reservedBytes + bytes, limitBytes * softRatio, limitBytes));
  }

  /** Makes room for all that wait, as far as they may be pinned; false when that was not possible. */
  #makeRoom(): Promise<boolean> {
    const { capacityBytes, usedBytes, pinnedLimitBytes } = this.#sources;
    const bytes = Math.min(this.#takenBytes, pinnedLimitBytes - this.pinnedBytes);
    return this.#sources.makeRoom(capacityBytes - usedBytes() + this.#missingBytes(bytes));
  }

  #fitsPinned(bytes: number, budget: Budget | undefined): boolean {
    return this.#fitsLimit(bytes) && fitsBudget(bytes, budget);
  }

  #fitsLimit(bytes: number): boolean {
    return this.pinnedBytes + this.#uncertainBytes() + bytes <= this.#sources.pinnedLimitBytes;
  }

  #uncertainBytes(): number {
    if (this.#uncertain.length > 0 && !this.#sources.isRecovering()) {
      for (const { bytes, budget } of this.#uncertain)
        if (budget !== undefined) budget.reservedBytes -= bytes;
      this.#uncertain = [];
    }
    return this.#uncertain.reduce((sum, { bytes }) => sum + bytes, 0);
  }

  /** Whether a claim will fit once uploads have made room, of what is pinned or of what other writers are about to pin. */
  #mayFit({ bytes, budget, heldBytes }: Claim): boolean {
    const { storesAnswer, uploadsWait } = this.#sources;
    const wholeBytes = heldBytes + bytes;
    if (!this.canEverHold(wholeBytes) || (budget !== undefined && wholeBytes > budget.limitBytes))
      return false;
    return storesAnswer() && (this.#reservedBytes > heldBytes || uploadsWait());
  }

  /** Bytes that segment files must give back before `bytes` more fit; not above 0 when they do. */
  #missingBytes(bytes: number): number {
    const wanted = this.#reservedBytes + bytes;
    return Math.max(
      this.#sources.usedBytes() + wanted - this.#sources.capacityBytes,
      wanted + DISK_RESERVE_BYTES - this.#sources.diskFreeBytes(),
    );
  }

  #checkPinned(claim: Claim): void {
    const { bytes, budget } = claim;
    if (this.#fitsPinned(bytes, budget)) return;
    const code = this.#mayFit(claim) ? 'SLOW_DOWN' : 'OUT_OF_SPACE';
    throw budget !== undefined && !fitsBudget(bytes, budget)
      ? overBudget(code, bytes, budget)
      : overLimit(code, bytes, this.pinnedBytes, this.#sources.pinnedLimitBytes);
  }
}

function strainOf(bytes: number, softLimitBytes: number, limitBytes: number): number {
  if (bytes <= softLimitBytes) return 0;
  return bytes > limitBytes ? Infinity : (bytes - softLimitBytes) / (limitBytes - softLimitBytes);
}

function fitsBudget(bytes: number, budget: Budget | undefined): boolean {
  return budget === undefined || budget.usedBytes + budget.reservedBytes + bytes <= budget.limitBytes;
}
