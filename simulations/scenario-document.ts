/**
 * Reading a scenario that a user wrote, as YAML: every mistake is named with its place in the document. What it leaves out is taken
 * from the built-in scenario that it names as its `base`, or is small and without faults.
 */
import { parseDocument, type Document } from 'yaml';
import { HeadraceError } from '../src/core/errors.js';
import { MIB } from '../src/core/units.js';
import { parsePathConfig } from '../src/engine/path-config-document.js';
import type { PathConfigDocument } from '../src/engine/path-config.js';
import type { CheckpointPlan } from './clients/training-job.js';
import { ACTIVITIES, type Activity, type Workload } from './clients/workload.js';
import { FAULTS, type FaultRates, type Fault } from './fault-plan.js';
import {
  booleanOf,
  durationOf,
  fieldsOf,
  integerOf,
  invalid,
  isFields,
  listOf,
  nameOf,
  numberOf,
  optional,
  rangeOf,
  refuse,
  shortened,
  sizeOf,
  textOf,
} from './scenario-values.js';
import { SCENARIO_DEFAULTS, SCENARIOS, type Outage, type Scenario } from './scenario.js';
import type { LogPlace } from './world.js';

/** A scenario and the settings it asks for, which are not read here. */
export interface ScenarioDocument {
  readonly scenario: Scenario;
  /** By key, as in a settings file. */
  readonly settings: Readonly<Record<string, string>>;
  /** Whether it says what clients do, or takes it from a built-in scenario. */
  readonly asksForClients: boolean;
  readonly hasPathConfig: boolean;
}

const DOCUMENT_CHARACTERS_MAX = MIB;
const CLIENTS_MAX = 1000;
const LIVES_MAX = 1000;
const OUTAGES_MAX = 1000;
const PREFIXES_MAX = 100;
const WEIGHT_MAX = 1_000_000;
const JOBS_MAX = 1000;
const FILES_MAX = 10_000;
const KEEP_MAX = 100;
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
  'checkpoints',
  'disk',
  'log',
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
  if (error !== undefined)
    throw invalid(`not YAML: ${shortened((error.message.split('\n')[0] ?? '').replace(/:$/, ''))}`);
  const fields = fieldsOf(valueOf(parsed, text), 'the document', FIELDS);
  const base = baseOf(fields['base']);
  if (fields['workers'] !== undefined && fields['workers'] !== 1)
    refuse('workers', fields['workers'], 'must be 1: a simulated cluster is not there yet');
  const checkpoints = optional(fields['checkpoints'], checkpointsOf, base.checkpoints);
  const scenario: Scenario = {
    ...base,
    name: optional(fields['name'], (value) => nameOf('name', value), 'unnamed'),
    description: optional(fields['description'], (value) => textOf('description', value), ''),
    bucket: optional(fields['bucket'], (value) => nameOf('bucket', value), base.bucket),
    prefixes: optional(fields['prefixes'], prefixesOf, base.prefixes),
    clients: optional(
      fields['clients'],
      (value) => integerOf('clients', value, checkpoints === undefined ? 1 : 0, CLIENTS_MAX),
      checkpoints !== undefined && fields['workload'] === undefined ? 0 : base.clients,
    ),
    checkpoints,
    lives: optional(fields['lives'], (value) => integerOf('lives', value, 1, LIVES_MAX), base.lives),
    lifeMs: optional(fields['life'], (value) => rangeOf('life', value, durationOf), base.lifeMs),
    thinkMs: optional(fields['think'], (value) => rangeOf('think', value, durationOf), base.thinkMs),
    sizes: optional(fields['sizes'], (value) => rangeOf('sizes', value, sizeOf), base.sizes),
    workload: optional(fields['workload'], workloadOf, base.workload),
    disk: diskOf(fields['disk'], base),
    ufs: ufsOf(fields['ufs'], base),
    log: optional(fields['log'], logOf, base.log),
    faults: optional(fields['faults'], faultsOf, base.faults),
    pathConfig: optional(fields['pathConfig'], pathConfigOf, base.pathConfig),
    drainWithinMs: optional(
      fields['drainWithin'],
      (value) => durationOf('drainWithin', value),
      base.drainWithinMs,
    ),
  };
  return {
    scenario,
    settings: optional(fields['settings'], settingsOf, {}),
    asksForClients: ['base', 'clients', 'workload'].some((name) => fields[name] !== undefined),
    hasPathConfig: fields['pathConfig'] !== undefined,
  };
}

/** The document's value; a file of another kind is most often one long text to YAML, of which the first line is shown. */
function valueOf(parsed: Document.Parsed, text: string): unknown {
  let value: unknown;
  try {
    value = parsed.toJS({ maxAliasCount: 0 });
  } catch (error) {
    throw invalid(error instanceof ReferenceError ? 'aliases (*name) are not allowed' : 'not YAML', error);
  }
  if (isFields(value)) return value;
  const lines = text.split('\n');
  const at = lines.findIndex((line) => /^\s*[^\s#]/.test(line) && line.trim() !== '---');
  const found = at < 0 ? 'nothing' : JSON.stringify(shortened(lines[at]?.trim() ?? ''));
  throw invalid(
    `line ${Math.max(at, 0) + 1}: no scenario begins with ${found}: it is YAML of the form "name: my-scenario", with the fields ${FIELDS.join(', ')}`,
  );
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
    bytesPerS: optional(fields['bandwidth'], (rate) => bandwidthOf('ufs.bandwidth', rate), ufs.bytesPerS),
    outages: optional(fields['outages'], outagesOf, ufs.outages),
    multipart: optional(fields['multipart'], (flag) => booleanOf('ufs.multipart', flag), ufs.multipart),
  };
}

function bandwidthOf(place: string, value: unknown): number {
  const text = typeof value === 'string' ? value.replace(/\/s$/, '') : value;
  const bytes = sizeOf(place, text);
  return bytes > 0 ? bytes : refuse(place, value, 'must be above 0, such as 50MiB/s');
}

function checkpointsOf(value: unknown): CheckpointPlan {
  const fields = fieldsOf(value, 'checkpoints', ['jobs', 'files', 'size', 'every', 'keep', 'bandwidth']);
  const place = (name: string): string => `checkpoints.${name}`;
  const above0 = (name: string, read: (place: string, value: unknown) => number): number => {
    const found = read(place(name), fields[name]);
    return found > 0 ? found : refuse(place(name), fields[name], 'must be above 0');
  };
  return {
    jobs: optional(fields['jobs'], (jobs) => integerOf(place('jobs'), jobs, 1, JOBS_MAX), 1),
    files: optional(fields['files'], (files) => integerOf(place('files'), files, 1, FILES_MAX), 1),
    sizeBytes: above0('size', sizeOf),
    everyMs: above0('every', durationOf),
    keep: optional(fields['keep'], (keep) => integerOf(place('keep'), keep, 1, KEEP_MAX), 2),
    bytesPerS: optional(fields['bandwidth'], (rate) => bandwidthOf(place('bandwidth'), rate), undefined),
  };
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

function logOf(value: unknown): LogPlace {
  if (value === 'files' || value === 'foundationdb') return value;
  return refuse('log', value, 'must be files or foundationdb');
}

function faultsOf(value: unknown): 'swarm' | FaultRates {
  if (value === 'swarm') return 'swarm';
  if (value === 'none') return {};
  if (typeof value === 'string') refuse('faults', value, 'must be swarm, none, or rates by name');
  const names = FAULTS;
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
