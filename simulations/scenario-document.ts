/**
 * Reading a scenario that a user wrote, as YAML: every mistake is named with its place in the document. What it leaves out is taken
 * from the built-in scenario that it names as its `base`, or is small and without faults.
 */
import { parseDocument } from 'yaml';
import { HeadraceError } from '../src/core/errors.js';
import { formatDuration, parseDuration, parseSize } from '../src/core/quantities.js';
import { DAY_MS, MIB, TIB } from '../src/core/units.js';
import { parsePathConfig } from '../src/engine/path-config-document.js';
import type { PathConfigDocument } from '../src/engine/path-config.js';
import { ACTIVITIES, type Activity, type SizeRange, type Workload } from './clients/workload.js';
import { FAULT_KINDS, type Fault, type FaultRates } from './fault-plan.js';
import { SCENARIO_DEFAULTS, SCENARIOS, type Outage, type Scenario } from './scenario.js';

/** A scenario and the settings it asks for, which are not read here. */
export interface ScenarioDocument {
  readonly scenario: Scenario;
  /** By key, as in a settings file. */
  readonly settings: Readonly<Record<string, string>>;
}

type Fields = Readonly<Record<string, unknown>>;

const DOCUMENT_CHARACTERS_MAX = MIB;
const CLIENTS_MAX = 1000;
const LIVES_MAX = 1000;
const OUTAGES_MAX = 1000;
const PREFIXES_MAX = 100;
const WEIGHT_MAX = 1_000_000;
const FIELDS = [
  'name',
  'description',
  'base',
  'workers',
  'bucket',
  'prefixes',
  'clients',
  'lives',
  'life',
  'think',
  'sizes',
  'workload',
  'disk',
  'ufs',
  'faults',
  'pathConfig',
  'settings',
  'drainWithin',
] as const;

/** Throws `INVALID_ARGUMENT` whose message starts with `path` and the place of the first mistake. */
export function parseScenario(path: string, text: string): ScenarioDocument {
  try {
    return read(text);
  } catch (error) {
    if (!(error instanceof HeadraceError)) throw error;
    throw new HeadraceError('INVALID_ARGUMENT', `${path}: ${error.message}`, { cause: error });
  }
}

function read(text: string): ScenarioDocument {
  if (text.length > DOCUMENT_CHARACTERS_MAX)
    throw invalid(
      `the document has ${text.length} characters: at most ${DOCUMENT_CHARACTERS_MAX} are allowed`,
    );
  const parsed = parseDocument(text, { uniqueKeys: true });
  const [error] = parsed.errors;
  if (error !== undefined) throw invalid(`not YAML: ${error.message.split('\n')[0] ?? ''}`);
  const fields = fieldsOf(parsed.toJS({ maxAliasCount: 0 }), 'the document', FIELDS);
  const base = baseOf(fields['base']);
  if (fields['workers'] !== undefined && fields['workers'] !== 1)
    refuse('workers', fields['workers'], 'must be 1: a simulated cluster is not there yet');
  const scenario: Scenario = {
    ...base,
    name: optional(fields['name'], (value) => nameOf('name', value), 'unnamed'),
    description: optional(fields['description'], (value) => textOf('description', value), ''),
    bucket: optional(fields['bucket'], (value) => nameOf('bucket', value), base.bucket),
    prefixes: optional(fields['prefixes'], prefixesOf, base.prefixes),
    clients: optional(
      fields['clients'],
      (value) => integerOf('clients', value, 1, CLIENTS_MAX),
      base.clients,
    ),
    lives: optional(fields['lives'], (value) => integerOf('lives', value, 1, LIVES_MAX), base.lives),
    lifeMs: optional(fields['life'], (value) => rangeOf('life', value, durationOf), base.lifeMs),
    thinkMs: optional(fields['think'], (value) => rangeOf('think', value, durationOf), base.thinkMs),
    sizes: optional(fields['sizes'], (value) => rangeOf('sizes', value, sizeOf), base.sizes),
    workload: optional(fields['workload'], workloadOf, base.workload),
    disk: diskOf(fields['disk'], base),
    ufs: ufsOf(fields['ufs'], base),
    faults: optional(fields['faults'], faultsOf, base.faults),
    pathConfig: optional(fields['pathConfig'], pathConfigOf, base.pathConfig),
    drainWithinMs: optional(
      fields['drainWithin'],
      (value) => durationOf('drainWithin', value),
      base.drainWithinMs,
    ),
  };
  return { scenario, settings: optional(fields['settings'], settingsOf, {}) };
}

function baseOf(value: unknown): Scenario {
  if (value === undefined) return { ...SCENARIO_DEFAULTS, lives: 1, faults: {}, drawsEngine: false };
  const base = SCENARIOS.find(({ name }) => name === value);
  if (base !== undefined) return base;
  return refuse('base', value, `must be one of ${SCENARIOS.map(({ name }) => name).join(', ')}`);
}

function diskOf(value: unknown, { disk }: Scenario): Scenario['disk'] {
  if (value === undefined) return disk;
  const fields = fieldsOf(value, 'disk', ['capacity', 'latency', 'syncLatency']);
  return {
    capacityBytes: optional(fields['capacity'], (size) => sizeOf('disk.capacity', size), disk.capacityBytes),
    latencyMs: optional(
      fields['latency'],
      (range) => rangeOf('disk.latency', range, durationOf),
      disk.latencyMs,
    ),
    syncLatencyMs: optional(
      fields['syncLatency'],
      (range) => rangeOf('disk.syncLatency', range, durationOf),
      disk.syncLatencyMs,
    ),
  };
}

function ufsOf(value: unknown, { ufs }: Scenario): Scenario['ufs'] {
  if (value === undefined) return ufs;
  const fields = fieldsOf(value, 'ufs', ['latency', 'bandwidth', 'outages', 'multipart']);
  return {
    latencyMs: optional(
      fields['latency'],
      (range) => rangeOf('ufs.latency', range, durationOf),
      ufs.latencyMs,
    ),
    bytesPerS: optional(fields['bandwidth'], bandwidthOf, ufs.bytesPerS),
    outages: optional(fields['outages'], outagesOf, ufs.outages),
    multipart: optional(fields['multipart'], (flag) => booleanOf('ufs.multipart', flag), ufs.multipart),
  };
}

function bandwidthOf(value: unknown): number {
  const text = typeof value === 'string' ? value.replace(/\/s$/, '') : value;
  const bytes = sizeOf('ufs.bandwidth', text);
  return bytes > 0 ? bytes : refuse('ufs.bandwidth', value, 'must be above 0, such as 50MiB/s');
}

function outagesOf(value: unknown): readonly Outage[] {
  return listOf('ufs.outages', value, OUTAGES_MAX).map((entry, at) => {
    const place = `ufs.outages[${at}]`;
    const fields = fieldsOf(entry, place, ['at', 'for']);
    return {
      atMs: durationOf(`${place}.at`, fields['at']),
      forMs: durationOf(`${place}.for`, fields['for']),
    };
  });
}

function workloadOf(value: unknown): Workload {
  const names = Object.keys(ACTIVITIES) as Activity[];
  const fields = fieldsOf(value, 'workload', names);
  const workload: Partial<Record<Activity, number>> = {};
  let sum = 0;
  for (const name of names) {
    const weight = fields[name];
    if (weight === undefined) continue;
    workload[name] = numberOf(`workload.${name}`, weight, 0, WEIGHT_MAX);
    sum += workload[name];
  }
  if (sum === 0) throw invalid('workload: give at least one activity a weight above 0');
  return workload;
}

function faultsOf(value: unknown): 'swarm' | FaultRates {
  if (value === 'swarm') return 'swarm';
  if (value === 'none') return {};
  if (typeof value === 'string') refuse('faults', value, 'must be swarm, none, or rates by name');
  const names = Object.keys(FAULT_KINDS) as Fault[];
  const fields = fieldsOf(value, 'faults', names);
  const rates: Partial<Record<Fault, number>> = {};
  for (const name of names)
    if (fields[name] !== undefined) rates[name] = numberOf(`faults.${name}`, fields[name], 0, 1);
  return rates;
}

function pathConfigOf(value: unknown): PathConfigDocument {
  try {
    return parsePathConfig(value);
  } catch (error) {
    if (!(error instanceof HeadraceError)) throw error;
    throw new HeadraceError('INVALID_ARGUMENT', `pathConfig: ${error.message}`, { cause: error });
  }
}

/** Nested keys are joined with dots, as in a settings file. */
function settingsOf(value: unknown): Record<string, string> {
  const settings: Record<string, string> = {};
  const visit = (at: unknown, spelling: string): void => {
    if (isFields(at))
      for (const [key, below] of Object.entries(at))
        visit(below, spelling === '' ? key : `${spelling}.${key}`);
    else if (spelling !== '' && (typeof at === 'string' || typeof at === 'number' || typeof at === 'boolean'))
      settings[spelling] = String(at);
    else refuse(spelling === '' ? 'settings' : `settings.${spelling}`, at, 'must be "key: value" lines');
  };
  visit(value, '');
  return settings;
}

function prefixesOf(value: unknown): readonly string[] {
  const prefixes = listOf('prefixes', value, PREFIXES_MAX).map((prefix, at) => {
    const text = textOf(`prefixes[${at}]`, prefix);
    return text === '' || text.endsWith('/')
      ? text
      : refuse(`prefixes[${at}]`, text, 'must end with a slash');
  });
  return prefixes.length > 0 ? prefixes : refuse('prefixes', value, 'must name at least one prefix');
}

/** `{ min, max }`, or one value for both. */
function rangeOf(place: string, value: unknown, parse: (place: string, value: unknown) => number): SizeRange {
  if (!isFields(value)) {
    const both = parse(place, value);
    return { min: both, max: both };
  }
  const fields = fieldsOf(value, place, ['min', 'max']);
  const range = { min: parse(`${place}.min`, fields['min']), max: parse(`${place}.max`, fields['max']) };
  if (range.min > range.max) refuse(`${place}.min`, fields['min'], `must not be above ${place}.max`);
  return range;
}

function durationOf(place: string, value: unknown): number {
  const durationMs = typeof value === 'string' ? parseFraction(value) : undefined;
  if (durationMs === undefined || durationMs > DAY_MS)
    return refuse(
      place,
      value,
      `must be a time with a unit, such as 500ms or 5min, at most ${formatDuration(DAY_MS)}`,
    );
  return durationMs;
}

/** As settings have them, and fractions of a millisecond, for disks. */
function parseFraction(text: string): number | undefined {
  const match = /^(\d{1,9}\.\d{1,6})ms$/.exec(text);
  return match === null ? parseDuration(text) : Number(match[1]);
}

function sizeOf(place: string, value: unknown): number {
  const bytes = typeof value === 'string' || typeof value === 'number' ? parseSize(String(value)) : undefined;
  if (bytes === undefined || bytes > 1024 * TIB)
    return refuse(place, value, 'must be a size, such as 512, 64KiB or 10GiB');
  return bytes;
}

function numberOf(place: string, value: unknown, min: number, max: number): number {
  if (typeof value === 'number' && value >= min && value <= max) return value;
  return refuse(place, value, `must be a number from ${min} to ${max}`);
}

function integerOf(place: string, value: unknown, min: number, max: number): number {
  if (Number.isInteger(value)) return numberOf(place, value, min, max);
  return refuse(place, value, `must be an integer from ${min} to ${max}`);
}

function booleanOf(place: string, value: unknown): boolean {
  return typeof value === 'boolean' ? value : refuse(place, value, 'must be true or false');
}

function textOf(place: string, value: unknown): string {
  return typeof value === 'string' ? value : refuse(place, value, 'must be text');
}

function nameOf(place: string, value: unknown): string {
  const text = textOf(place, value);
  if (/^[a-z0-9][a-z0-9.-]{1,61}[a-z0-9]$/.test(text)) return text;
  return refuse(place, value, 'must have 3 to 63 of a-z, 0-9, dots and hyphens');
}

function listOf(place: string, value: unknown, max: number): readonly unknown[] {
  if (!Array.isArray(value)) return refuse(place, value, 'must be a list');
  if (value.length > max) throw invalid(`${place} has ${value.length} entries: at most ${max} are allowed`);
  return value;
}

function fieldsOf(value: unknown, place: string, known: readonly string[]): Fields {
  if (!isFields(value)) return refuse(place, value, `must be a map of ${known.join(', ')}`);
  for (const name of Object.keys(value))
    if (!known.includes(name)) throw invalid(`${place} has no "${name}": it may have ${known.join(', ')}`);
  return value;
}

function isFields(value: unknown): value is Fields {
  return typeof value === 'object' && value !== null && !Array.isArray(value);
}

function optional<Value, Fallback>(
  value: unknown,
  parse: (value: unknown) => Value,
  fallback: Fallback,
): Value | Fallback {
  return value === undefined ? fallback : parse(value);
}

function refuse(place: string, value: unknown, rule: string): never {
  throw invalid(`${place} ${rule}, not ${JSON.stringify(value) ?? 'nothing'}`);
}

function invalid(message: string): HeadraceError {
  return new HeadraceError('INVALID_ARGUMENT', message);
}
