/**
 * Which faults a simulation has, and how often: given by a scenario, or drawn from the seed.
 *
 * Swarm testing (Groce et al., "Swarm Testing", ISSTA 2012): each seed arms a random subset, so that no fault hides what another
 * would show, and rates are drawn on a logarithmic scale, so that rare and frequent both occur.
 */
import type { DiskFaults } from './sim-device.js';
import type { SimRandom } from './sim-random.js';
import type { DatabaseFaults } from './sim-database-faults.js';
import type { StoreFaults } from './sim-store-faults.js';
import type { LogPlace } from './world.js';

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

/** Of a log in FoundationDB. */
export const DATABASE_FAULT_KINDS = {
  dbConflict: { description: 'share of commits to FoundationDB that conflict (1020)', min: 0.01, max: 0.2 },
  dbTooOld: { description: 'share of calls to FoundationDB that are too old (1007)', min: 0.01, max: 0.2 },
  dbBusy: {
    description: 'share of calls to FoundationDB that it has no time for (1009, 1037, 1038, 1051, 1213)',
    min: 0.01,
    max: 0.2,
  },
  dbUnknown: {
    description: 'share of commits to FoundationDB with an unknown outcome (1021), half of which took effect',
    min: 0.01,
    max: 0.2,
  },
  dbTimedOut: {
    description: 'share of commits to FoundationDB that time out (1031), half of which take effect later',
    min: 0.005,
    max: 0.1,
  },
  dbVersionChanged: {
    description:
      'share of calls to FoundationDB that end with its version (1039), half of which take effect later',
    min: 0.005,
    max: 0.1,
  },
  dbHang: { description: 'share of calls to FoundationDB that are never answered', min: 0.001, max: 0.02 },
  dbStall: {
    description: 'share of lives in which FoundationDB stands still for up to 30 s and its versions jump',
    min: 0.1,
    max: 0.6,
  },
} as const satisfies Record<string, FaultKind>;
export type Fault = keyof typeof FAULT_KINDS | keyof typeof DATABASE_FAULT_KINDS;
export type FaultRates = Readonly<Partial<Record<Fault, number>>>;

export const FAULTS = [...Object.keys(FAULT_KINDS), ...Object.keys(DATABASE_FAULT_KINDS)] as Fault[];
/** Faults of log files. */
const FILE_FAULTS: readonly Fault[] = ['logWriteLie', 'logDamage'];

const ARMED_RATIO = 0.4;
/** Seeds without any fault: what goes wrong there is nobody's but the engine's. */
const HEALTHY_RATIO = 0.08;
const STALL_MS = 30;
const BUSY_FAULTS = ['futureVersion', 'processBehind', 'locked', 'batchThrottled', 'throttled'] as const;

export function drawFaults(random: SimRandom, log: LogPlace): FaultRates {
  if (random.chance(HEALTHY_RATIO)) return {};
  const rates: Partial<Record<Fault, number>> = {};
  const isFiles = log === 'files';
  const kinds: Readonly<Record<string, FaultKind>> = isFiles
    ? FAULT_KINDS
    : { ...FAULT_KINDS, ...DATABASE_FAULT_KINDS };
  for (const [name, { min, max }] of Object.entries(kinds) as [Fault, FaultKind][]) {
    if (!random.chance(ARMED_RATIO)) continue;
    const rate = Math.exp(random.between(Math.log(min), Math.log(max)));
    if (isFiles || !FILE_FAULTS.includes(name)) rates[name] = Number(rate.toPrecision(2));
  }
  return rates;
}

export function databaseFaultsOf(rates: FaultRates): DatabaseFaults {
  const { dbBusy = 0, dbUnknown = 0, dbTimedOut = 0, dbVersionChanged = 0 } = rates;
  const each = dbBusy / BUSY_FAULTS.length;
  return {
    conflict: rates.dbConflict ?? 0,
    tooOld: rates.dbTooOld ?? 0,
    ...Object.fromEntries(BUSY_FAULTS.map((name) => [name, each])),
    unknownDone: dbUnknown / 2,
    unknownLost: dbUnknown / 2,
    timedOutLate: dbTimedOut / 2,
    timedOutLost: dbTimedOut / 2,
    versionChanged: dbVersionChanged / 2,
    versionChangedLate: dbVersionChanged / 2,
    hang: rates.dbHang ?? 0,
  };
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
