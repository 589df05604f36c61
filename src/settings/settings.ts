/**
 * The effective settings: flags before environment before file before default.
 *
 * Nothing here touches the world: the environment and a reader of files are arguments, which `src/main.ts` fills in.
 * Every mistake is one line that names the key, the value, where it came from and what is allowed.
 */
import { HeadraceError } from '../core/errors.js';
import { findContradiction } from './contradictions.js';
import { adviceFor } from './nearest-key.js';
import { collectGiven, type Given, type SettingSources } from './sources.js';
import {
  environmentName,
  nativeKey,
  SETTING_NAMES,
  SETTINGS,
  type SettingName,
  type SettingValues,
} from './table.js';

export interface Settings extends SettingValues {
  /** The file that was read, if there was one. */
  readonly configPath: string | undefined;
  /** What was ignored, one line each; to be shown once at the start. */
  readonly warnings: readonly string[];
  /** Every setting as text, in the order of the documentation; secrets are masked. */
  describe(): SettingDescription[];
}

export interface SettingDescription {
  readonly key: string;
  readonly value: string;
  readonly default: string;
  /** `default`, `file <path>`, `environment <NAME>` or `flag <--name>`. */
  readonly source: string;
  readonly environment: string;
  readonly allowed: string;
  readonly description: string;
}

const MASK = '****';

/** Reads all sources. Throws `INVALID_SETTING` at the first mistake. */
export function loadSettings(sources: SettingSources): Settings {
  const { given, configPath, warnings } = collectGiven(sources);
  const resolution = new Resolution(given);
  const values = resolution.values();
  const contradiction = findContradiction(values);
  if (contradiction !== undefined) throw new HeadraceError('INVALID_SETTING', contradiction);
  return {
    ...values,
    configPath,
    warnings,
    describe: () => SETTING_NAMES.map((name) => resolution.describe(name)),
  };
}

/**
 * The description of one setting by its key or the alias of it. Throws `INVALID_SETTING`, with a key that is near, when
 * there is none.
 */
export function describeSetting(settings: Settings, key: string): SettingDescription {
  const native = nativeKey(key);
  const description = settings.describe().find((candidate) => candidate.key === native);
  if (description !== undefined) return description;
  throw new HeadraceError('INVALID_SETTING', `unknown setting "${key}": ${adviceFor(native)}`);
}

class Resolution {
  readonly #given: ReadonlyMap<string, Given>;
  readonly #texts = new Map<string, string>();

  constructor(given: ReadonlyMap<string, Given>) {
    this.#given = given;
  }

  values(): SettingValues {
    const values: Partial<Record<SettingName, unknown>> = {};
    for (const name of SETTING_NAMES) values[name] = this.#resolve(name);
    // The table has a setting for each property, of that property's type: the compiler checks it there.
    return values as SettingValues;
  }

  describe(name: SettingName): SettingDescription {
    const { key, defaultText, allowed, description } = SETTINGS[name];
    return {
      key,
      value: this.#texts.get(key) ?? '',
      default: defaultText,
      source: this.#given.get(key)?.source ?? 'default',
      environment: environmentName(key),
      allowed,
      description,
    };
  }

  #resolve<Name extends SettingName>(name: Name): SettingValues[Name] {
    const setting = SETTINGS[name];
    const value = this.#valueOf(name);
    const masked = setting.secret && value !== undefined;
    this.#texts.set(setting.key, masked ? MASK : setting.format(value));
    return value;
  }

  #valueOf<Name extends SettingName>(name: Name): SettingValues[Name] {
    const setting = SETTINGS[name];
    const given = this.#given.get(setting.key);
    if (given === undefined) return setting.fallback((key) => this.#texts.get(key) ?? '');
    const parsed = setting.parse(given.text);
    if (parsed !== undefined) return parsed.value;
    const shown = setting.secret ? MASK : JSON.stringify(given.text);
    throw new HeadraceError(
      'INVALID_SETTING',
      `${setting.key} = ${shown} (${given.source}): allowed is ${setting.allowed}`,
    );
  }
}
