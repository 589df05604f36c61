/**
 * What a scenario asks of the space for un-persisted bytes: measured while it is played, from its first client to the moment at which
 * the under-store has learned everything.
 *
 * Figures are read between two callbacks of the scheduler, so that no peak is missed. They are in the scenario's own bytes, whatever
 * the scale at which it is played.
 */
import type { HeadraceError } from '../src/core/errors.js';
import { oldestPendingMs } from '../src/engine/oldest-pending.js';
import { scaled, scaleOf } from './scale-scenario.js';
import type { Scenario } from './scenario.js';
import { BrokenOff, Simulation, type FoundViolation } from './simulation.js';
import { TimeSeriesSampler, type TimeSeries } from './time-series.js';
import type { WorldParts } from './world.js';

export interface CapacityTask {
  readonly scenario: Scenario;
  readonly seed: string;
  /** In the place of the configured one. */
  readonly pinnedRatio?: number | undefined;
  /** Ends with the first refusal, and without a look at what is left: for those who only want to know whether there is one. */
  readonly stopsAtRefusal: boolean;
}

/** Which limit a refused write met. */
export type RefusingLimit = 'pinned limit' | 'budget of a path rule' | 'disk';

/** A largest value, and when. */
export interface Peak {
  readonly value: number;
  readonly atMs: number;
}

/** Times are virtual milliseconds since the first client began; bytes are those of the scenario. */
export interface CapacityRun {
  readonly seed: string;
  readonly scenario: string;
  /** For how many bytes one simulated byte stood. */
  readonly scale: number;
  readonly violation: FoundViolation | undefined;
  /** Until everything was uploaded, or until the run was broken off. */
  readonly spanMs: number;
  readonly capacityBytes: number;
  readonly pinnedRatio: number;
  readonly pinnedLimitBytes: number;
  readonly peakPinnedBytes: Peak;
  readonly longestQueue: Peak;
  readonly oldestDirtyMs: Peak;
  /** Writes that were answered, refused ones included. */
  readonly writes: number;
  readonly refusals: number;
  readonly firstRefusal: { readonly atMs: number; readonly limit: RefusingLimit } | undefined;
  /** When the under-store was away, by plan or by a fault. */
  readonly outages: readonly { readonly fromMs: number; readonly toMs: number }[];
  readonly series: TimeSeries;
}

/** Looks at the age of the oldest change in a life. */
const AGE_LOOKS = 5000;

export async function playCapacity(parts: WorldParts, task: CapacityTask): Promise<CapacityRun> {
  const { seed, stopsAtRefusal, pinnedRatio } = task;
  const scale = scaleOf(task.scenario);
  const small = scaled(task.scenario, scale);
  const engine = pinnedRatio === undefined ? small.engine : { ...small.engine, pinnedRatio };
  const meter = new CapacityMeter(small.lifeMs.max);
  const run: Simulation = new Simulation(parts, {
    scenario: { ...small, engine },
    seed,
    observer: {
      onStep: () => {
        meter.look(run);
        if (stopsAtRefusal && meter.refusals > 0) throw new BrokenOff();
      },
      begins: () => meter.begin(run),
      lived: () => {
        if (stopsAtRefusal) throw new BrokenOff();
      },
      drained: () => meter.end(run),
      fault: (what) => meter.fault(run, what),
    },
  });
  run.recorder.onRefusal = (error) => meter.refused(run, error);
  const { violation, counts } = await run.play();
  return {
    seed,
    scenario: small.name,
    violation,
    ...meter.figures(scale),
    writes: writesOf(counts.operations),
  };
}

class CapacityMeter {
  readonly #sampler = new TimeSeriesSampler();
  readonly #agePeriodMs: number;
  readonly #peaks = {
    pinnedBytes: { value: 0, atMs: 0 },
    queue: { value: 0, atMs: 0 },
    oldestMs: { value: 0, atMs: 0 },
  };
  #beganMs: number | undefined;
  #endedMs: number | undefined;
  #lastMs = 0;
  #nextAgeMs = 0;
  readonly #outages: { fromMs: number; toMs: number }[] = [];
  #first: CapacityRun['firstRefusal'];
  #limits = { capacityBytes: 0, pinnedRatio: 0, pinnedLimitBytes: 0 };
  refusals = 0;

  constructor(lifeMs: number) {
    this.#agePeriodMs = lifeMs / AGE_LOOKS;
  }

  begin({ world }: Simulation): void {
    this.#beganMs ??= world.scheduler.nowMs;
    const { admission, options } = world.engine.core;
    const { capacityBytes, pinnedLimitBytes } = admission;
    this.#limits = { capacityBytes, pinnedLimitBytes, pinnedRatio: options.pinnedRatio };
  }

  end({ world }: Simulation): void {
    this.#endedMs ??= world.scheduler.nowMs;
  }

  look({ world }: Simulation): void {
    if (this.#beganMs === undefined || this.#endedMs !== undefined || !world.isRunning) return;
    const atMs = world.scheduler.nowMs - this.#beganMs;
    this.#lastMs = atMs;
    const { admission, partitions } = world.engine.core;
    const { pinnedBytes } = admission;
    const { pending, quarantined } = world.state.uploads;
    this.#sampler.note(atMs, pinnedBytes, pending - quarantined);
    raise(this.#peaks.pinnedBytes, pinnedBytes, atMs);
    raise(this.#peaks.queue, pending - quarantined, atMs);
    if (atMs < this.#nextAgeMs) return;
    this.#nextAgeMs = atMs + this.#agePeriodMs;
    const oldest = oldestPendingMs(partitions);
    if (oldest !== undefined) raise(this.#peaks.oldestMs, world.clock.wallTimeMs() - oldest, atMs);
  }

  refused({ world }: Simulation, error: HeadraceError): void {
    if (this.#beganMs === undefined) return;
    const atMs = world.scheduler.nowMs - this.#beganMs;
    this.refusals += 1;
    this.#first ??= { atMs, limit: limitOf(error) };
    this.#sampler.refused(atMs);
  }

  fault({ world }: Simulation, what: string): void {
    const atMs = world.scheduler.nowMs - (this.#beganMs ?? 0);
    const last = this.#outages.at(-1);
    if (what === 'ufsOutage begins') this.#outages.push({ fromMs: atMs, toMs: Infinity });
    else if (what === 'ufsOutage ends' && last !== undefined) last.toMs = Math.min(last.toMs, atMs);
  }

  figures(scale: number): Omit<CapacityRun, 'seed' | 'scenario' | 'violation' | 'writes'> {
    const { capacityBytes, pinnedRatio, pinnedLimitBytes } = this.#limits;
    const { pinnedBytes, queue, oldestMs } = this.#peaks;
    const spanMs = this.#endedMs === undefined ? this.#lastMs : this.#endedMs - (this.#beganMs ?? 0);
    return {
      scale,
      spanMs,
      capacityBytes: capacityBytes * scale,
      pinnedRatio,
      pinnedLimitBytes: Math.floor(pinnedLimitBytes * scale),
      peakPinnedBytes: { value: pinnedBytes.value * scale, atMs: pinnedBytes.atMs },
      longestQueue: { ...queue },
      oldestDirtyMs: { ...oldestMs },
      refusals: this.refusals,
      firstRefusal: this.#first,
      outages: this.#outages.map(({ fromMs, toMs }) => ({ fromMs, toMs: Math.min(toMs, spanMs) })),
      series: this.#sampler.series(scale),
    };
  }
}

function raise(peak: { value: number; atMs: number }, value: number, atMs: number): void {
  if (value <= peak.value) return;
  peak.value = value;
  peak.atMs = atMs;
}

function limitOf({ message }: HeadraceError): RefusingLimit {
  if (message.includes('pinnedBudget')) return 'budget of a path rule';
  return message.includes('limit.ratio') ? 'pinned limit' : 'disk';
}

const WRITES = new Set(['put', 'put-if', 'parts', 'complete', 'put-broken']);

function writesOf(operations: Readonly<Record<string, number>>): number {
  let writes = 0;
  for (const [name, count] of Object.entries(operations))
    if (WRITES.has(name.split(' ')[0] ?? '')) writes += count;
  return writes;
}
