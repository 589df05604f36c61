/**
 * What lies under the simulated disk: time, faults, and the line between a living process and a dead one.
 *
 * Invariants: an operation takes effect when it completes, on the scheduler, and then settles at once; after the end of
 * its generation nothing takes effect and nothing settles any more. At the end each operation in flight has happened, in
 * part where it can, or not at all.
 */
import { HeadraceError } from '../src/core/errors.js';
import type { Scheduler } from './scheduler.js';
import { SimNames } from './sim-names.js';
import type { SimRandom } from './sim-random.js';

export interface Range {
  readonly min: number;
  readonly max: number;
}

/** Shares of the operations that a fault strikes, from 0 to 1. */
export interface DiskFaults {
  /** A read returns one wrong bit; what is stored is right. */
  readonly readFlipRatio: number;
  /** A write fails; an unknown first part of it is there. */
  readonly writeFailureRatio: number;
  /** A sync fails and loses the changes; the next one succeeds without them. */
  readonly syncFailureRatio: number;
  /** A write lands elsewhere in its file and reports success. */
  readonly misdirectedWriteRatio: number;
  /** An operation takes `stallMs` longer. */
  readonly stallRatio: number;
  readonly stallMs: number;
}

export const NO_FAULTS: DiskFaults = {
  readFlipRatio: 0,
  writeFailureRatio: 0,
  syncFailureRatio: 0,
  misdirectedWriteRatio: 0,
  stallRatio: 0,
  stallMs: 0,
};

/** Faults that can be armed to strike once. */
export type DiskFault = 'READ_FLIP' | 'WRITE_FAILURE' | 'SYNC_FAILURE' | 'MISDIRECTED_WRITE';

const FAULT_RATIOS = {
  READ_FLIP: 'readFlipRatio',
  WRITE_FAILURE: 'writeFailureRatio',
  SYNC_FAILURE: 'syncFailureRatio',
  MISDIRECTED_WRITE: 'misdirectedWriteRatio',
} as const satisfies Record<DiskFault, keyof DiskFaults>;

export interface SimDeviceOptions {
  readonly capacityBytes: number;
  /** How long an operation takes, in milliseconds. */
  readonly latencyMs: Range;
  /** How long a sync or a durable write takes. */
  readonly syncLatencyMs: Range;
}

/** What becomes of an operation that its process does not live to see. */
export type Interruption = (random: SimRandom) => void;

export class SimDevice {
  readonly names: SimNames;
  readonly random: SimRandom;
  readonly options: SimDeviceOptions;
  faults: DiskFaults;
  readonly #scheduler: Scheduler;
  readonly #inFlight = new Set<{ interrupt: Interruption }>();
  #armed: { fault: DiskFault; pathPrefix: string }[] = [];
  #isDead = false;

  constructor(
    scheduler: Scheduler,
    random: SimRandom,
    options: SimDeviceOptions,
    faults: DiskFaults,
    names = new SimNames(),
  ) {
    this.#scheduler = scheduler;
    this.random = random;
    this.options = options;
    this.faults = faults;
    this.names = names;
  }

  get isDead(): boolean {
    return this.#isDead;
  }

  get freeBytes(): number {
    let usedBytes = 0;
    for (const file of this.names.files.values()) usedBytes += file.allocatedBytes;
    return Math.max(0, this.options.capacityBytes - usedBytes);
  }

  arm(fault: DiskFault, pathPrefix: string): void {
    this.#armed.push({ fault, pathPrefix });
  }

  /** Whether the fault strikes this operation. */
  strikes(fault: DiskFault, path: string): boolean {
    const index = this.#armed.findIndex(
      (armed) => armed.fault === fault && path.startsWith(armed.pathPrefix),
    );
    if (index === -1) return this.random.chance(this.faults[FAULT_RATIOS[fault]]);
    this.#armed.splice(index, 1);
    return true;
  }

  /**
   * Runs `effect` after the time such an operation takes and settles with what it returns or throws. `interrupt`
   * runs instead when the process ends before.
   */
  perform<Value>(latencyMs: Range, effect: () => Value, interrupt: Interruption): Promise<Value> {
    return new Promise((resolve, reject) => {
      if (this.#isDead) return;
      const operation = { interrupt };
      this.#inFlight.add(operation);
      const stallMs = this.random.chance(this.faults.stallRatio) ? this.faults.stallMs : 0;
      const delayMs = this.random.between(latencyMs.min, latencyMs.max) + stallMs;
      this.#scheduler.schedule(delayMs, () => {
        if (this.#isDead) return;
        this.#inFlight.delete(operation);
        try {
          resolve(effect());
        } catch (error) {
          // Anything else is a mistake in the program under test: it stops the simulation.
          if (!(error instanceof HeadraceError)) throw error;
          reject(error);
        }
      });
    });
  }

  /** Ends this generation; the next one finds what `random` leaves of it. */
  end(random: SimRandom, isPowerFailure: boolean): SimDevice {
    this.#isDead = true;
    for (const { interrupt } of this.#inFlight) interrupt(random);
    this.#inFlight.clear();
    if (isPowerFailure) {
      const files = this.names.everyFile();
      this.names.crash(random);
      for (const file of files) file.crash(random);
    }
    return new SimDevice(this.#scheduler, this.random, this.options, this.faults, this.names);
  }
}
