/** The scenario that goes on from an incident: its state, its path rules, a cache that it fits into, at a scale that can be played. */
import type { PreparedIncident, ScenarioSource } from '../cli/simulator.js';
import { HeadraceError } from '../core/errors.js';
import { GIB, MINUTE_MS } from '../core/units.js';
import { loadSettings, type Settings } from '../settings/settings.js';
import { belowIncident, readIncident, type Incident } from '../../simulations/incident.js';
import { INCIDENT_BUCKET } from '../../simulations/incident-places.js';
import { isConflict } from '../../simulations/incident-records.js';
import { bytesOfRecord, scaled, scaleOfIncident } from '../../simulations/scale-scenario.js';
import { parseScenario } from '../../simulations/scenario-document.js';
import { SCENARIO_DEFAULTS, type Scenario } from '../../simulations/scenario.js';
import { engineOptions } from './open-engine.js';
import { readPathConfig, scenarioOf, settingsOf } from './sim-scenario.js';

/** How long its process lives before the last fault stops. */
const LIFE_MS = MINUTE_MS;
/** Of the smallest cache whose size no setting says. */
const CAPACITY_BYTES_MIN = GIB;
/** How much larger than needed such a cache is. */
const ROOM = 1.25;

export async function incidentScenario(
  source: ScenarioSource & { readonly isQuiet: boolean },
  open: () => AsyncIterable<Uint8Array>,
  version: string,
): Promise<{ scenario: Scenario; incident: PreparedIncident['incident'] }> {
  const incident = await readIncident(open);
  const base = source.isQuiet ? QUIET : scenarioOf(source, version);
  const document = source.document && parseScenario(source.document.path, source.document.text);
  const settings =
    source.settings ??
    settingsOf(document, source.document?.path ?? '') ??
    loadSettings({ env: {}, flags: [], readText: () => undefined });
  const rules =
    source.pathConfig !== undefined
      ? readPathConfig(source.pathConfig)
      : document?.hasPathConfig === true
        ? document.scenario.pathConfig
        : (incident.pathConfig ?? base.pathConfig);
  const scenario: Scenario = {
    ...base,
    bucket: INCIDENT_BUCKET,
    clients: document?.asksForClients === false ? 0 : base.clients,
    pathConfig: belowIncident(rules),
    engine: engineOf(settings, incident, version),
    drawsEngine: false,
    incident,
  };
  refuseTooLittle(scenario, incident);
  const scale = scaleOfIncident(incident);
  return { scenario: scaled(scenario, scale), incident: { ...summaryOf(incident), scale } };
}

/** Neither clients nor faults: what becomes of the incident by itself. */
const QUIET: Scenario = {
  ...SCENARIO_DEFAULTS,
  name: 'incident',
  description: 'the state of an incident, left alone',
  clients: 0,
  lives: 1,
  lifeMs: { min: LIFE_MS, max: LIFE_MS },
  faults: {},
  drawsEngine: false,
};

/** As the settings say; a size that they leave open has room for everything. */
function engineOf(settings: Settings, incident: Incident, version: string): Scenario['engine'] {
  const heldBytes = incident.records.reduce((sum, record) => sum + bytesOfRecord(record), 0);
  const neededBytes = Math.max(heldBytes, pinnedBytesOf(incident) / settings.pinnedRatio) * ROOM;
  const capacityBytes = settings.cacheCapacityBytes ?? Math.ceil(Math.max(CAPACITY_BYTES_MIN, neededBytes));
  return engineOptions(settings, version, 'simulated', capacityBytes);
}

function refuseTooLittle({ engine }: Scenario, incident: Incident): void {
  const { capacityBytes = 0, pinnedRatio = 0 } = engine;
  const pinnedBytes = pinnedBytesOf(incident);
  const limitBytes = Math.floor(capacityBytes * pinnedRatio);
  if (pinnedBytes <= limitBytes) return;
  throw new HeadraceError(
    'INVALID_ARGUMENT',
    `${pinnedBytes} bytes are pinned in the export, and the settings allow ${limitBytes}: raise worker.page.store.size ` +
      '(or the pinned ratio) to that of the server',
  );
}

/** Open writes are not among them: no process begins with one. */
function pinnedBytesOf({ records }: Incident): number {
  return records.reduce((sum, record) => {
    const isPinned = record.kind === 'upload' || (record.kind === 'object' && record.state !== 'PERSISTED');
    return isPinned ? sum + bytesOfRecord(record) : sum;
  }, 0);
}

function summaryOf(incident: Incident): Omit<PreparedIncident['incident'], 'scale'> {
  const { atMs, offsets, complete, records, mounts, leftOut } = incident;
  const waiting = records.flatMap((record) =>
    record.kind === 'delete' || (record.kind === 'object' && record.state === 'PENDING') ? [record] : [],
  );
  const countOf = (kind: (typeof records)[number]['kind']): number =>
    records.filter((record) => record.kind === kind).length;
  return {
    atMs,
    offsets,
    complete,
    objects: countOf('object'),
    pending: waiting.length,
    quarantined: waiting.filter(({ failure }) => failure?.quarantined === true).length,
    pinnedBytes: pinnedBytesOf(incident),
    openWrites: countOf('write'),
    openUploads: countOf('upload'),
    mounts: mounts.mounted.length,
    conflicts: waiting.filter(isConflict).length,
    ufsUploads: records.filter((record) => record.kind === 'object' && record.ufsUpload !== undefined).length,
    staleUploads: countOf('staleUpload'),
    leftOut,
  };
}
