/**
 * The simulator as the command line uses it. Loaded only when somebody simulates: a server never reads this file.
 */
import { execFileSync } from 'node:child_process';
import fs from 'node:fs';
import os from 'node:os';
import { fileURLToPath } from 'node:url';
import type { PreparedScenario, RunReport, ScenarioSource, Simulator } from '../cli/simulator.js';
import { HeadraceError } from '../core/errors.js';
import { MIB } from '../core/units.js';
import { parsePathConfigText } from '../engine/path-config-document.js';
import { loadSettings, type Settings } from '../settings/settings.js';
import { MUTANTS } from '../../simulations/mutants.js';
import { parseScenario } from '../../simulations/scenario-document.js';
import { SCENARIO_DEFAULTS, SCENARIOS, type Scenario } from '../../simulations/scenario.js';
import { INVARIANTS } from '../../simulations/violation.js';
import { AUTOMATIC_SHARE, engineOptions } from './open-engine.js';
import { BrokenSimulation, SimPool } from './sim-pool.js';

/** Of a cache whose settings leave its size to the disk. */
const CAPACITY_BYTES = 16 * MIB;
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
    crashPoint: (seed, call) => pool.perform({ kind: 'crashPoint', scenario, seed, call }),
    capacity: (seed, how) =>
      pool.perform({ kind: 'capacity', scenario: asServer(scenario, version), seed, ...how }),
  });
  return {
    commit: readCommit(version),
    concurrency,
    scenarios: SCENARIOS,
    invariants: INVARIANTS,
    mutants: MUTANTS,
    prepare: (source) => prepared(scenarioOf(source, version)),
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

function scenarioOf({ name, document, pathConfig, settings }: ScenarioSource, version: string): Scenario {
  const read = document === undefined ? undefined : parseScenario(document.path, document.text);
  const scenario = read?.scenario ?? builtIn(name);
  const own = ownSettings(read?.settings ?? {}, document?.path ?? name);
  const effective = settings ?? own;
  return {
    ...scenario,
    ...(pathConfig === undefined ? {} : { pathConfig: readPathConfig(pathConfig) }),
    ...(effective === undefined
      ? {}
      : {
          engine: engineOptions(
            effective,
            version,
            'simulated',
            effective.cacheCapacityBytes ??
              (scenario.disk === SCENARIO_DEFAULTS.disk ? CAPACITY_BYTES : automaticCapacity(scenario)),
          ),
          drawsEngine: false,
        }),
  };
}

/** What a scenario leaves open is as a server has it that is told nothing: its cache takes most of the disk. */
function asServer(scenario: Scenario, version: string): Scenario {
  if (Object.keys(scenario.engine).length > 0 && !scenario.drawsEngine) return scenario;
  const settings = loadSettings({ env: {}, flags: [], readText: () => undefined });
  const capacityBytes = automaticCapacity(scenario);
  return {
    ...scenario,
    engine: { ...engineOptions(settings, version, 'simulated', capacityBytes), ...scenario.engine },
    drawsEngine: false,
  };
}

function automaticCapacity({ disk }: Scenario): number {
  return Math.floor(disk.capacityBytes * AUTOMATIC_SHARE);
}

function builtIn(name: string): Scenario {
  const found = SCENARIOS.find((scenario) => scenario.name === name);
  if (found !== undefined) return found;
  const names = SCENARIOS.map((scenario) => scenario.name).join(', ');
  throw new HeadraceError(
    'INVALID_ARGUMENT',
    `there is no scenario "${name}": name a file, or one of ${names} (default: ${SCENARIO_DEFAULTS.name})`,
  );
}

/** What a scenario's document sets; undefined when it sets nothing. */
function ownSettings(given: Readonly<Record<string, string>>, path: string): Settings | undefined {
  const flags = Object.entries(given).map(([key, text]) => ({ key, text, flag: `settings of ${path}` }));
  if (flags.length === 0) return undefined;
  return loadSettings({ env: {}, flags, readText: () => undefined });
}

function readPathConfig({ path, text }: { path: string; text: string }): Scenario['pathConfig'] {
  try {
    return parsePathConfigText(text);
  } catch (error) {
    if (!(error instanceof HeadraceError)) throw error;
    throw new HeadraceError('INVALID_ARGUMENT', `${path}: ${error.message}`, { cause: error });
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
