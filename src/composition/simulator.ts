/**
 * The simulator as the command line uses it. Loaded only when somebody simulates: a server never reads this file.
 */
import { execFileSync } from 'node:child_process';
import fs from 'node:fs';
import os from 'node:os';
import { fileURLToPath } from 'node:url';
import type { PreparedScenario, RunReport, Simulator } from '../cli/simulator.js';
import { HeadraceError } from '../core/errors.js';
import { MUTANTS } from '../../simulations/mutants.js';
import { PROBES } from '../../simulations/probes.js';
import { SCENARIOS, type Scenario } from '../../simulations/scenario.js';
import { INVARIANTS } from '../../simulations/violation.js';
import { incidentScenario } from './sim-incident.js';
import { BrokenSimulation, SimPool } from './sim-pool.js';
import { asServer, scenarioOf } from './sim-scenario.js';

/** Mutants whose processes are kept, because each needs its own. */
const MUTANT_PROCESSES = 1;

export function openSimulator(version: string): Simulator {
  const concurrency = Math.max(1, os.availableParallelism());
  const pool = new SimPool(concurrency);
  const mutantPools = new Map<string, SimPool>();
  const prepared = (scenario: Scenario): PreparedScenario => ({
    name: scenario.name,
    description: scenario.description,
    run: (seed, { keepsTrace = false } = {}) =>
      runReport(scenario, seed, () => pool.perform({ kind: 'run', scenario, seed, keepsTrace })),
    countCrashPoints: (seed) => pool.perform({ kind: 'countCrashPoints', scenario, seed }),
    crashPoint: (seed, call, again) => pool.perform({ kind: 'crashPoint', scenario, seed, call, again }),
    capacity: (seed, how) =>
      pool.perform({ kind: 'capacity', scenario: asServer(scenario, version), seed, ...how }),
  });
  return {
    commit: readCommit(version),
    concurrency,
    get cpuMs() {
      return pool.cpuMs;
    },
    scenarios: SCENARIOS,
    invariants: INVARIANTS,
    probes: PROBES,
    mutants: MUTANTS,
    prepare: (source) => prepared(scenarioOf(source, version)),
    prepareIncident: async (source, open) => {
      const { scenario, incident } = await incidentScenario(source, open, version);
      return { ...prepared(scenario), incident };
    },
    runMutant: (name, seed) => {
      const mutant = MUTANTS.find((candidate) => candidate.name === name);
      const base = SCENARIOS.find((candidate) => candidate.name === mutant?.scenario);
      if (mutant === undefined || base === undefined)
        throw new HeadraceError('INVALID_ARGUMENT', `there is no mutant "${name}"`);
      const { module, find, replace } = mutant;
      const own = mutantPools.get(name) ?? new SimPool(MUTANT_PROCESSES, { module, find, replace });
      mutantPools.set(name, own);
      const scenario = mutant.faults === undefined ? base : { ...base, faults: mutant.faults };
      return runReport(scenario, seed, () => own.perform({ kind: 'run', scenario, seed, keepsTrace: false }));
    },
    close: () => {
      pool.close();
      for (const own of mutantPools.values()) own.close();
    },
  };
}

/** A simulation that breaks its process is a finding as well: an assertion, or an error that nobody awaited. */
async function runReport(
  { name }: Scenario,
  seed: string,
  perform: () => Promise<RunReport>,
): Promise<RunReport> {
  try {
    return await perform();
  } catch (error) {
    if (!(error instanceof BrokenSimulation)) throw error;
    if (error.message.includes('what the mutant replaces')) throw error;
    return {
      seed,
      scenario: name,
      faults: {},
      violation: { invariant: 'no-assertion', message: error.message, key: undefined, window: [] },
      counts: {},
      traceHash: '',
      nextRandom: 0,
      clockMs: 0,
      steps: 0,
    };
  }
}

function readCommit(version: string): string {
  const root = fileURLToPath(new URL('../../../', import.meta.url));
  if (!fs.existsSync(`${root}.git`)) return `v${version}`;
  try {
    const command = ['rev-parse', '--short=12', 'HEAD'];
    return execFileSync('git', command, {
      cwd: root,
      encoding: 'utf8',
      stdio: ['ignore', 'pipe', 'ignore'],
    }).trim();
  } catch {
    return `v${version}`;
  }
}
