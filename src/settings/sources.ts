/**
 * Where settings come from: collects what was given for each key, the strongest source last, and refuses keys that
 * do not exist.
 *
 * Two kinds of unknown names are ignored with a warning, because the user could not avoid them: keys of the product whose
 * `alluxio-site.properties` is read unchanged, and variables that Kubernetes adds for a Service named `headrace`.
 */
import { HeadraceError } from '../core/errors.js';
import { adviceFor, editDistance, nearestKey } from './nearest-key.js';
import { isPropertiesFile, parseSettingsFile } from './settings-file.js';
import { ALIAS_PREFIX, environmentName, nativeKey, SETTING_NAMES, SETTINGS } from './table.js';

export interface SettingSources {
  readonly env: Readonly<Record<string, string | undefined>>;
  /** In the order given; a later one replaces an earlier one. */
  readonly flags: readonly FlagSetting[];
  /** The `--config` flag; it comes before `HEADRACE_CONFIG`. */
  readonly configPath?: string | undefined;
  /** The content of a file; undefined when there is none. May throw anything else. */
  readonly readText: (path: string) => string | undefined;
}

export interface FlagSetting {
  /** A key, or its alias. */
  readonly key: string;
  readonly text: string;
  /** What the user typed: `--s3-port`, `--set`. */
  readonly flag: string;
}

export interface Given {
  readonly text: string;
  readonly source: string;
}

export interface GivenSettings {
  readonly given: ReadonlyMap<string, Given>;
  readonly configPath: string | undefined;
  readonly warnings: readonly string[];
}

/** Read when it is there and no other file was named. */
const DEFAULT_CONFIG_PATH = './headrace.yaml';
const CONFIG_VARIABLE = 'HEADRACE_CONFIG';
/** What commands prove themselves with (`src/cli/credentials.ts`); a server has no use for them. */
const OTHER_VARIABLES: ReadonlySet<string> = new Set([
  CONFIG_VARIABLE,
  'HEADRACE_ACCESS_KEY_ID',
  'HEADRACE_SECRET_ACCESS_KEY',
]);
const VARIABLE_PREFIX = 'HEADRACE_';
const KEYS: readonly string[] = SETTING_NAMES.map((name) => SETTINGS[name].key);
/** Names under which other tools know a setting. */
const VARIABLE_ALIASES: Readonly<Record<string, string>> = {
  HEADRACE_FDB_CLUSTER_FILE: SETTINGS.foundationdbClusterFile.key,
};
const KEYS_BY_VARIABLE: ReadonlyMap<string, string> = new Map([
  ...KEYS.map((key) => [environmentName(key), key] as const),
  ...Object.entries(VARIABLE_ALIASES),
]);

/** Names that Kubernetes makes up for Services (its documentation, "Environment variables" of Service discovery). */
const SERVICE_VARIABLE = /_SERVICE_(HOST|PORT)(_|$)|_PORT_\d+_(TCP|UDP|SCTP)(_(PROTO|PORT|ADDR))?$/;
const SERVICE_PORT = /_PORT$/;
const SERVICE_PORT_VALUE = /^(tcp|udp|sctp):\/\//;

/** What was given for each native key. Throws `INVALID_SETTING`. */
export function collectGiven(sources: SettingSources): GivenSettings {
  const given = new Map<string, Given>();
  const warnings: string[] = [];
  const configPath = collectFile(sources, given, warnings);
  collectEnvironment(sources.env, given, warnings);
  for (const { key, text, flag } of sources.flags) {
    const native = nativeKey(key);
    const source = `flag ${flag}`;
    if (!KEYS.includes(native)) throw unknown(key, text, source);
    given.set(native, { text: text.trim(), source });
  }
  return { given, configPath, warnings };
}

function collectFile(
  { env, configPath, readText }: SettingSources,
  given: Map<string, Given>,
  warnings: string[],
): string | undefined {
  const variable = env[CONFIG_VARIABLE] === '' ? undefined : env[CONFIG_VARIABLE];
  const path = configPath ?? variable ?? DEFAULT_CONFIG_PATH;
  const content = readFile(path, readText);
  if (content === undefined) {
    if (configPath === undefined && variable === undefined) return undefined;
    const source = configPath === undefined ? `environment ${CONFIG_VARIABLE}` : 'flag --config';
    throw new HeadraceError(
      'INVALID_SETTING',
      `there is no settings file ${path} (${source}): name one that exists`,
    );
  }
  const source = `file ${path}`;
  const spellings = new Map<string, string>();
  const ignored: string[] = [];
  for (const { spelling, text } of parseSettingsFile(path, content)) {
    const key = nativeKey(spelling);
    if (!KEYS.includes(key)) {
      if (!isPropertiesFile(path) || !spelling.startsWith(ALIAS_PREFIX))
        throw unknown(spelling, text, source);
      ignored.push(spelling);
      continue;
    }
    const earlier = spellings.get(key);
    if (earlier !== undefined)
      throw new HeadraceError(
        'INVALID_SETTING',
        `${key} is given twice (${source}), as "${earlier}" and "${spelling}": keep one of them`,
      );
    if (isPropertiesFile(path) && text.includes('${'))
      throw new HeadraceError(
        'INVALID_SETTING',
        `${key} = ${JSON.stringify(text)} (${source}): references are not resolved: write the value out`,
      );
    spellings.set(key, spelling);
    given.set(key, { text: text.trim(), source });
  }
  if (ignored.length > 0) warnings.push(ignoredWarning(path, ignored));
  return path;
}

function readFile(path: string, readText: SettingSources['readText']): string | undefined {
  try {
    return readText(path);
  } catch (error) {
    const reason = error instanceof Error ? error.message : String(error);
    throw new HeadraceError('INVALID_SETTING', `the settings file ${path} cannot be read: ${reason}`, {
      cause: error,
    });
  }
}

/** A misspelt key would be ignored as well, so one that is close to a known key is shown with it. */
function ignoredWarning(path: string, spellings: readonly string[]): string {
  const names = spellings.map((spelling) => {
    const key = nativeKey(spelling);
    const nearest = nearestKey(key);
    return nearest !== undefined && editDistance(key, nearest) <= 2
      ? `${spelling} (did you mean ${nearest}?)`
      : spelling;
  });
  return `${path}: ignored, because they mean nothing here: ${names.join(', ')}`;
}

function collectEnvironment(env: SettingSources['env'], given: Map<string, Given>, warnings: string[]): void {
  const ignored: string[] = [];
  const names = new Map<string, string>();
  for (const [name, text] of Object.entries(env)) {
    // An empty variable is how many tools leave one out.
    if (!name.startsWith(VARIABLE_PREFIX) || OTHER_VARIABLES.has(name) || text === undefined || text === '')
      continue;
    const key = KEYS_BY_VARIABLE.get(name);
    if (isServiceVariable(name, text)) ignored.push(name);
    else if (key === undefined) throw unknownVariable(name, text);
    else {
      const earlier = names.get(key);
      if (earlier !== undefined && env[earlier] !== text)
        throw new HeadraceError(
          'INVALID_SETTING',
          `${key} is given twice in the environment, by ${earlier} and ${name}: keep one of them`,
        );
      names.set(key, name);
      given.set(key, { text: text.trim(), source: `environment ${name}` });
    }
  }
  if (ignored.length > 0)
    warnings.push(
      `environment: ignored, because Kubernetes added them for a Service: ${ignored.sort().join(', ')}`,
    );
}

function isServiceVariable(name: string, text: string): boolean {
  return SERVICE_VARIABLE.test(name) || (SERVICE_PORT.test(name) && SERVICE_PORT_VALUE.test(text));
}

function unknown(spelling: string, text: string, source: string): HeadraceError {
  return new HeadraceError(
    'INVALID_SETTING',
    `unknown setting "${spelling}" = ${shown(spelling, text)} (${source}): ${adviceFor(nativeKey(spelling))}`,
  );
}

function unknownVariable(name: string, text: string): HeadraceError {
  const key = name.slice(VARIABLE_PREFIX.length).toLowerCase().replaceAll('_', '.');
  return new HeadraceError(
    'INVALID_SETTING',
    `unknown setting ${name} = ${shown(name, text)} (environment): ${adviceFor(key, environmentName)}`,
  );
}

/** A misspelt secret is still a secret. */
function shown(name: string, text: string): string {
  return /secret|password/i.test(name) ? '****' : JSON.stringify(text);
}
