/** Scenarios as users ask for them: a document or a built-in one, with the settings of a server and a path configuration. */
import type { ScenarioSource } from '../cli/simulator.js';
import { HeadraceError } from '../core/errors.js';
import { MIB } from '../core/units.js';
import { parsePathConfigText } from '../engine/path-config-document.js';
import { loadSettings, type Settings } from '../settings/settings.js';
import { parseScenario, type ScenarioDocument } from '../../simulations/scenario-document.js';
import { SCENARIO_DEFAULTS, SCENARIOS, type Scenario } from '../../simulations/scenario.js';
import { AUTOMATIC_SHARE, engineOptions } from './open-engine.js';

/** Of a cache whose settings leave its size to the disk. */
const CAPACITY_BYTES = 16 * MIB;

/** A built-in scenario, or that of a document. `INVALID_ARGUMENT`, `INVALID_SETTING`. */
export function scenarioOf(
  { name, document, pathConfig, settings }: ScenarioSource,
  version: string,
): Scenario {
  const read = document === undefined ? undefined : parseScenario(document.path, document.text);
  const scenario = read?.scenario ?? builtIn(name);
  const effective = settings ?? settingsOf(read, document?.path ?? name);
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

/** What a scenario's document sets; undefined when it sets nothing. */
export function settingsOf(document: ScenarioDocument | undefined, path: string): Settings | undefined {
  const given = Object.entries(document?.settings ?? {});
  const flags = given.map(([key, text]) => ({ key, text, flag: `settings of ${path}` }));
  if (flags.length === 0) return undefined;
  return loadSettings({ env: {}, flags, readText: () => undefined });
}

/** What a scenario leaves open is as a server has it that is told nothing: its cache takes most of the disk. */
export function asServer(scenario: Scenario, version: string): Scenario {
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

export function readPathConfig({ path, text }: { path: string; text: string }): Scenario['pathConfig'] {
  try {
    return parsePathConfigText(text);
  } catch (error) {
    if (!(error instanceof HeadraceError)) throw error;
    throw new HeadraceError('INVALID_ARGUMENT', `${path}: ${error.message}`, { cause: error });
  }
}
