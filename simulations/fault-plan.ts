/**
 * Which faults a simulation has, and how often: given by a scenario, or drawn from the seed.
 *
 * Swarm testing (Groce et al., "Swarm Testing", ISSTA 2012): each seed arms a random subset, so that no fault hides what another
 * would show, and rates are drawn on a logarithmic scale, so that rare and frequent both occur.
 */
import type { DiskFaults } from './sim-device.js';
import type { SimRandom } from './sim-random.js';
import type { StoreFaults } from './sim-store-faults.js';

interface FaultKind {
  readonly description: string;
  /** Rates that are drawn; a share of calls, of steps or of lives. */
  readonly min: number;
  readonly max: number;
}

/**
 * What a late effect of an upload that timed out would overwrite could only be prevented by a conditional upload: there is none
 * here. Writes that land elsewhere in a file destroy what only one disk holds: no engine survives that with one copy.
 */
export const FAULT_KINDS = {
  ufsUnavailable: { description: 'share of UFS calls answered 503', min: 0.01, max: 0.3 },
  ufsThrottled: { description: 'share of UFS calls asked to slow down', min: 0.005, max: 0.1 },
  ufsDenied: { description: 'share of UFS calls answered 403', min: 0.002, max: 0.05 },
  ufsReset: { description: 'share of UFS calls that break before they arrive', min: 0.005, max: 0.1 },
  ufsLostAnswer: {
    description: 'share of UFS calls that take effect and whose answer is lost',
    min: 0.005,
    max: 0.1,
  },
  ufsHang: { description: 'share of UFS calls that are never answered', min: 0.001, max: 0.02 },
  ufsBrokenBody: { description: 'share of UFS reads whose body breaks off', min: 0.01, max: 0.2 },
  ufsOutage: { description: 'share of lives in which the UFS is away for a part', min: 0.2, max: 0.8 },
  diskWriteFailure: { description: 'share of disk writes that fail', min: 0.0005, max: 0.01 },
  diskSyncFailure: { description: 'share of syncs that fail and lose the changes', min: 0.0005, max: 0.01 },
  diskStall: { description: 'share of disk operations that take 30 ms longer', min: 0.005, max: 0.1 },
  readFlip: {
    description: 'share of client steps before which a read of a segment is given a wrong bit',
    min: 0.01,
    max: 0.1,
  },
  logWriteLie: {
    description: 'share of lives in which a write of the log is durable and fails',
    min: 0.2,
    max: 0.6,
  },
  kill: { description: 'share of lives that end with the death of the process', min: 0.2, max: 1 },
  powerCut: { description: 'share of lives that end with a power failure', min: 0.2, max: 1 },
  crashInRecovery: { description: 'share of restarts that are cut off as well', min: 0.1, max: 0.5 },
  clockStep: {
    description: 'share of lives in which the wall clock steps, by up to a minute',
    min: 0.1,
    max: 0.6,
  },
  logDamage: {
    description: 'share of restarts before which a frame inside the log is damaged, until it was reported',
    min: 0.1,
    max: 0.5,
  },
  pause: {
    description:
      'share of lives in which everything stands still for up to a minute, as a paused machine does',
    min: 0.1,
    max: 0.6,
  },
  clockDrift: {
    description: 'by how much the clock is too fast or too slow: 0.01 gains or loses 10 ms in a second',
    min: 0.0001,
    max: 0.05,
  },
  ufsForeign: {
    description: 'share of the steps of one client in which somebody else changes an object in the UFS',
    min: 0.05,
    max: 0.5,
  },
} as const satisfies Record<string, FaultKind>;
export type Fault = keyof typeof FAULT_KINDS;
export type FaultRates = Readonly<Partial<Record<Fault, number>>>;

const ARMED_RATIO = 0.4;
/** Seeds without any fault: what goes wrong there is nobody's but the engine's. */
const HEALTHY_RATIO = 0.08;
const STALL_MS = 30;

export function drawFaults(random: SimRandom): FaultRates {
  if (random.chance(HEALTHY_RATIO)) return {};
  const rates: Partial<Record<Fault, number>> = {};
  for (const [name, { min, max }] of Object.entries(FAULT_KINDS) as [Fault, FaultKind][]) {
    if (!random.chance(ARMED_RATIO)) continue;
    const rate = Math.exp(random.between(Math.log(min), Math.log(max)));
    rates[name] = Number(rate.toPrecision(2));
  }
  return rates;
}

/** `ufsReset=0.02 kill=0.5`, or `none`. */
export function describeFaults(rates: FaultRates): string {
  const armed = Object.entries(rates).filter(([, rate]) => rate > 0);
  return armed.length === 0 ? 'none' : armed.map(([name, rate]) => `${name}=${rate}`).join(' ');
}

export function storeFaultsOf(rates: FaultRates): StoreFaults {
  return {
    unavailable: rates.ufsUnavailable ?? 0,
    throttled: rates.ufsThrottled ?? 0,
    denied: rates.ufsDenied ?? 0,
    reset: rates.ufsReset ?? 0,
    lostAnswer: rates.ufsLostAnswer ?? 0,
    hang: rates.ufsHang ?? 0,
    brokenBody: rates.ufsBrokenBody ?? 0,
  };
}

export function diskFaultsOf(rates: FaultRates): Partial<DiskFaults> {
  return {
    writeFailureRatio: rates.diskWriteFailure ?? 0,
    syncFailureRatio: rates.diskSyncFailure ?? 0,
    stallRatio: rates.diskStall ?? 0,
    stallMs: STALL_MS,
  };
}
