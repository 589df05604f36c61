/**
 * One run of a scenario under a seed: lives of a process under load and faults, each ended somehow, a look at every key after each
 * start, then healing, draining, and a look at everything.
 *
 * Safety first, liveness after the faults have stopped, as in TigerBeetle's and FoundationDB's simulators.
 */
import type { Engine } from '../src/engine/engine.js';
import { MIB } from '../src/core/units.js';
import { EventRules } from './checkers/event-rules.js';
import { checkQuiescence } from './checkers/quiescence.js';
import { checkPinnedLimit, watchState } from './checkers/state-rules.js';
import { watchStore } from './checkers/store-rules.js';
import { ForeignChanges } from './clients/foreign-changes.js';
import { drawFaults, type FaultRates } from './fault-plan.js';
import { IncidentPlaces } from './incident-places.js';
import { Lives } from './lives.js';
import { PortCallCounter, watchPorts, watchStorePorts } from './port-calls.js';
import { probeOfWarning } from './probes.js';
import { Recorder } from './recorder.js';
import { withRecycledMemory } from './recycled-memory.js';
import type { Scenario } from './scenario.js';
import { SimRandom } from './sim-random.js';
import { Statistics, type Counts } from './statistics.js';
import { Trace } from './trace.js';
import { Violation, type Invariant } from './violation.js';
import { SimWorld, type WorldOptions, type WorldParts } from './world.js';

export interface SimulationOptions {
  readonly scenario: Scenario;
  readonly seed: string;
  /** Whether the whole trace is returned. */
  readonly keepsTrace?: boolean;
  /** The power fails at this call, counted from 1, by which the first life changes its disk or the under-store. */
  readonly crashAtCall?: number;
  /** And again at this one of the recovery that follows. */
  readonly crashAgainAtCall?: number;
  readonly observer?: RunObserver;
}

/** No request is on its way for longer than the longest latency; lives are short, and in most of them the UFS is written to. */
const LATE_LATENCIES = 1.5;

/** Looks on while a run is played; what it throws ends the run, `BrokenOff` without a violation. */
export interface RunObserver {
  /** Between two callbacks of the scheduler. */
  readonly onStep?: () => void;
  /** The store is formatted, and clients are about to begin. */
  readonly begins?: () => void;
  /** A fault of a life begins or ends, such as `ufsOutage begins`. */
  readonly fault?: (what: string) => void;
  /** The last life is over; a process is up. */
  readonly lived?: () => void;
  /** The faults have stopped and everything was uploaded. */
  readonly drained?: () => void;
}

/** Ends a run of which enough is known. */
export class BrokenOff extends Error {}

export interface FoundViolation {
  readonly invariant: Invariant;
  readonly message: string;
  readonly key: string | undefined;
  /** The lines of the trace that explain it. */
  readonly window: readonly string[];
}

export interface SimulationResult {
  readonly seed: string;
  readonly scenario: string;
  readonly faults: FaultRates;
  readonly violation: FoundViolation | undefined;
  readonly counts: Counts;
  /** Of the whole trace, every step included. */
  readonly traceHash: string;
  /** Drawn after the end. */
  readonly nextRandom: number;
  /** Virtual milliseconds. */
  readonly clockMs: number;
  readonly steps: number;
  /** Virtual milliseconds from the last fault until everything was uploaded. */
  readonly drainedMs?: number | undefined;
  /** Calls by which the first life changed its disk or the under-store, and the first recovery. */
  readonly portCalls: { readonly life: number; readonly recovery: number };
  readonly trace?: readonly string[];
}

export function simulate(parts: WorldParts, options: SimulationOptions): Promise<SimulationResult> {
  return withRecycledMemory(() => new Simulation(parts, options).play());
}

/** Everything that a run is made of. */
export class Simulation {
  readonly scenario: Scenario;
  readonly world: SimWorld;
  readonly recorder: Recorder;
  readonly events: EventRules;
  readonly random: SimRandom;
  readonly faults: FaultRates;
  readonly portCalls = new PortCallCounter();
  readonly observer: RunObserver;
  /** Where the under-store has what. */
  readonly places: IncidentPlaces;
  /** Only where somebody else changes the under-store. */
  readonly foreign: ForeignChanges | undefined;
  /** Virtual milliseconds from the last fault until everything was uploaded. */
  drainedMs: number | undefined;
  readonly #options: SimulationOptions;

  constructor(parts: WorldParts, options: SimulationOptions) {
    const { scenario, seed } = options;
    this.#options = options;
    this.observer = options.observer ?? {};
    this.scenario = scenario;
    this.places = new IncidentPlaces(scenario.incident?.mounts);
    this.portCalls.crashAt = { life: options.crashAtCall, recovery: options.crashAgainAtCall };
    this.random = new SimRandom(`${scenario.name} ${seed}`);
    this.faults =
      scenario.faults === 'swarm' ? drawFaults(this.random.fork('faults'), scenario.log) : scenario.faults;
    this.foreign = (this.faults.ufsForeign ?? 0) > 0 ? new ForeignChanges(this) : undefined;
    const statistics = new Statistics();
    const trace = new Trace(() => world.scheduler.nowMs);
    const recorder = new Recorder(trace, statistics);
    this.recorder = recorder;
    this.events = new EventRules(recorder, () => world.ufs.history);
    const world = new SimWorld(parts, {
      seed: `${scenario.name} ${seed}`,
      engine: {
        lateWriteMs: scenario.ufs.latencyMs.max * LATE_LATENCIES,
        ...engineOf(scenario, this.random.fork('engine')),
        ...scenario.engine,
      },
      disk: scenario.disk,
      logPlace: scenario.log,
      ...placeOf(scenario, this.faults, this.random.fork('clock')),
      observer: {
        onStep: (timeMs, sequence) => {
          if (world.isRunning) checkPinnedLimit(recorder, world.engine);
          if (recorder.violation !== undefined) throw recorder.violation;
          trace.step(timeMs, sequence);
          this.observer.onStep?.();
        },
        wrapDisk: (disk) => watchPorts(disk, () => this.portCalls.count()),
        wrapStore: (store) =>
          watchStore(
            watchStorePorts(store, () => this.portCalls.count()),
            {
              recorder,
              events: this.events,
              wallTimeMs: () => world.clock.wallTimeMs(),
              isBackground: (key) => this.#isBackground(key),
            },
          ),
        wrapLog: (log) => this.events.wrapLog(log),
        onStart: (engine) => {
          const { checkpointOffset } = world.partition;
          if (checkpointOffset > 0) recorder.probe('started from a checkpoint');
          watchState(recorder, engine);
        },
        onLog: ({ level, message, fields }) => this.#logged(level, message, fields),
      },
    });
    this.world = world;
  }

  async play(): Promise<SimulationResult> {
    const { recorder, world, scenario } = this;
    try {
      const lives = new Lives(this);
      await lives.begin();
      this.observer.begins?.();
      for (let life = 0; life < scenario.lives; life++) await lives.live(life);
      this.observer.lived?.();
      await checkQuiescence(this);
      await world.stop();
    } catch (error) {
      if (error instanceof Violation) recorder.fail(error);
      else if (!(error instanceof BrokenOff)) this.#broke(error);
    }
    return this.#result();
  }

  /** Whether the path's policy is one whose uploads only the persister makes. */
  #isBackground(key: string): boolean {
    if (!this.world.isRunning) return false;
    const { policies } = this.world.engine.core;
    return policies.modeOf(this.scenario.bucket, key) === 'WRITE_BACK' && !key.startsWith('shift/');
  }

  #logged(level: string, message: string, fields: object): void {
    this.recorder.trace.line(`log ${level} ${message}`);
    this.recorder.probe(probeOfWarning(message));
    const error: unknown = Reflect.get(fields, 'error');
    if (error instanceof Error && error.name === 'AssertionError')
      this.recorder.report('no-assertion', `${message}: ${error.message}`, undefined, error);
  }

  /** Something that nobody foresaw: an assertion of the engine, or a call that never ended. */
  #broke(error: unknown): void {
    const isError = error instanceof Error;
    const message = isError ? (error.stack ?? error.message) : String(error);
    const invariant: Invariant =
      isError && error.name === 'AssertionError'
        ? 'no-assertion'
        : /nothing came of a call|waits for what will never happen/.test(message)
          ? 'call-ends'
          : 'expected-errors';
    this.recorder.report(invariant, message, undefined, error);
  }

  #result(): SimulationResult {
    const { recorder, world, faults } = this;
    const { violation, trace } = recorder;
    return {
      seed: this.#options.seed,
      scenario: this.scenario.name,
      faults,
      violation: violation && {
        invariant: violation.invariant,
        message: violation.message,
        key: violation.key,
        window: recorder.window(violation),
      },
      counts: recorder.statistics.counts(),
      traceHash: trace.digest(),
      nextRandom: world.random.uint32(),
      clockMs: world.scheduler.nowMs,
      steps: world.scheduler.steps,
      drainedMs: this.drainedMs,
      portCalls: this.portCalls.counts,
      ...(this.#options.keepsTrace === true ? { trace: trace.lines() } : {}),
    };
  }
}

/**
 * The under-store and the clock of the machine, which drifts against all others. Those of an incident are of its time, and parts may
 * have any size there, because sizes are scaled.
 */
function placeOf(
  { ufs, incident }: Scenario,
  { clockDrift = 0 }: FaultRates,
  random: SimRandom,
): Pick<WorldOptions, 'ufs' | 'clock'> {
  const driftRatio = clockDrift === 0 || random.chance(0.5) ? clockDrift : -clockDrift;
  if (incident === undefined) return { ufs, clock: { driftRatio } };
  const wallOriginMs = incident.atMs;
  return { ufs: { ...ufs, wallOriginMs, partBytesMin: 1 }, clock: { wallOriginMs, driftRatio } };
}

function engineOf(scenario: Scenario, random: SimRandom): Partial<Engine['core']['options']> {
  if (!scenario.drawsEngine) return {};
  return {
    capacityBytes: random.pick([12, 24, 64]) * MIB,
    pinnedRatio: random.pick([0.4, 0.8]),
    checkpointChanges: random.pick([16, 64, 500]),
    persistConcurrency: random.pick([1, 4, 16]),
    ...(random.chance(0.4) ? { pinnedSoftRatio: 0.7, pressureDelayMaxMs: 200 } : {}),
    ...(random.chance(0.3) ? { ufsMetadataTtlMs: 200 } : {}),
    ...(random.chance(0.3) ? { persist: { multipartThresholdBytes: 6 * MIB } } : {}),
  };
}
