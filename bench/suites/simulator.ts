/**
 * How fast the simulator plays: steps in a second of processor time, in a process that is warm, and the time of 10,000 operations
 * in one that was just started. The floor is its scheduler with nothing to do: one turn of the event loop for each step.
 */
import { SimPool } from '../../src/composition/sim-pool.js';
import { Scheduler } from '../../simulations/scheduler.js';
import { SCENARIOS, type Scenario } from '../../simulations/scenario.js';
import type { SimulationResult } from '../../simulations/simulation.js';
import { withCleanup, type BenchContext } from '../context.js';
import { measureInTurn, median, medianOf, type Measurement, type Side } from '../measurement.js';
import { measureWork } from '../own-usage.js';
import { atMost, information, type Row } from '../report.js';

const STEPS_PER_SECOND = 20_000;
const OPERATIONS = 10_000;
const SECONDS_OF_OPERATIONS = 5;
const FLOOR_STEPS = 200_000;
/** So many rounds' seeds come before the first round: what is hot in many of them is compiled then. */
const WARM_UP_ROUNDS = 10;
/** Virtual time in which eight clients make a little more than 10,000 calls. */
const OPERATIONS_LIFE_MS = 12_500;

export async function benchSimulator(context: BenchContext): Promise<Row[]> {
  return [...(await benchSteps(context)), ...(await benchOperations(context))];
}

function benchSteps(context: BenchContext): Promise<Row[]> {
  const { rounds, simulatedSeeds } = context.scale;
  const scenario = 'Simulation, one warm process';
  context.progress(scenario);
  return withCleanup(async (cleanup) => {
    const sides: Side[] = [
      { name: 'floor: scheduler alone', run: () => measureWork(FLOOR_STEPS, playNothing) },
    ];
    for (const name of ['small-objects', 'swarm']) {
      const pool = new SimPool(1);
      cleanup.add(async () => pool.close());
      const player = new Player(pool, builtIn(name));
      await player.play(simulatedSeeds * WARM_UP_ROUNDS);
      sides.push({ name, run: () => player.play(simulatedSeeds) });
    }
    const measured = await measureInTurn(sides, rounds);
    return sides.map(({ name }, at) => {
      const measurement = medianOf(measured[at] ?? []);
      const perSecond = 1_000_000 / measurement.cpuUsPerOperation;
      const what = 'steps per second of processor time';
      const check =
        at === 0
          ? information(what, perSecond.toFixed(0))
          : {
              what,
              value: perSecond.toFixed(0),
              target: `at least ${STEPS_PER_SECOND}`,
              pass: perSecond >= STEPS_PER_SECOND,
            };
      return { scenario, side: name, measurement, checks: [check] };
    });
  });
}

async function benchOperations(context: BenchContext): Promise<Row[]> {
  const scenario = `Simulation of ${OPERATIONS} operations of one worker`;
  context.progress(scenario);
  const lifeMs = OPERATIONS_LIFE_MS * Math.min(1, context.scale.simulatedSeeds / 10);
  const played: Scenario = {
    ...builtIn('small-objects'),
    clients: 8,
    lives: 1,
    lifeMs: { min: lifeMs, max: lifeMs },
    faults: {},
  };
  const seconds: number[] = [];
  const results: Measurement[] = [];
  for (let round = 0; round < context.scale.rounds; round++) {
    const pool = new SimPool(1);
    const startedMs = performance.now();
    const player = new Player(pool, played);
    results.push(await player.play(1));
    const elapsedS = (performance.now() - startedMs) / 1000;
    pool.close();
    seconds.push((elapsedS * OPERATIONS) / player.operations);
  }
  return [
    {
      scenario,
      side: 'small-objects, a process just started',
      measurement: medianOf(results),
      checks: [atMost(`for ${OPERATIONS} operations`, median(seconds), SECONDS_OF_OPERATIONS, 's')],
    },
  ];
}

/** Plays seeds of a scenario one after the other. */
class Player {
  readonly #pool: SimPool;
  readonly #scenario: Scenario;
  #seed = 0;
  /** Calls of clients that were played. */
  operations = 0;

  constructor(pool: SimPool, scenario: Scenario) {
    this.#pool = pool;
    this.#scenario = scenario;
  }

  async play(seeds: number): Promise<Measurement> {
    const cpuBeforeMs = this.#pool.cpuMs;
    let steps = 0;
    const { p50Ms } = await measureWork(seeds, async () => {
      for (let i = 0; i < seeds; i++) steps += this.#note(await this.#next());
    });
    return {
      operationsPerSecond: (steps * 1000) / p50Ms,
      bytesPerSecond: 0,
      p50Ms: p50Ms / seeds,
      p90Ms: p50Ms / seeds,
      p99Ms: p50Ms / seeds,
      p999Ms: p50Ms / seeds,
      cpuUsPerOperation: ((this.#pool.cpuMs - cpuBeforeMs) * 1000) / steps,
      generatorCpuUsPerOperation: NaN,
    };
  }

  #next(): Promise<SimulationResult> {
    return this.#pool.perform({
      kind: 'run',
      scenario: this.#scenario,
      seed: `${++this.#seed}`,
      keepsTrace: false,
    });
  }

  #note({ violation, counts, steps }: SimulationResult): number {
    if (violation !== undefined) throw new Error(`seed ${this.#seed}: ${violation.message}`);
    this.operations += Object.values(counts['operations'] ?? {}).reduce((sum, count) => sum + count, 0);
    return steps;
  }
}

/** As many callbacks at a time as a simulation has things that are due. */
async function playNothing(): Promise<void> {
  const scheduler = new Scheduler();
  let left = FLOOR_STEPS;
  const step = (): void => {
    if (left-- > 0) scheduler.schedule(1, step);
  };
  for (let i = 0; i < 50; i++) scheduler.schedule(i, step);
  await scheduler.runUntilIdle();
}

function builtIn(name: string): Scenario {
  const scenario = SCENARIOS.find((candidate) => candidate.name === name);
  if (scenario === undefined) throw new Error(`there is no scenario ${name}`);
  return scenario;
}
