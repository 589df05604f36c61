/**
 * What a simulation plays: the machine, the under-store, the clients, the faults, the configuration. Plain values; a seed makes
 * a run of it. The built-in ones are below, those of users are read by `scenario-document.ts`.
 */
import { KIB, MIB } from '../src/core/units.js';
import type { EngineOptions } from '../src/engine/engine-core.js';
import type { PathConfigDocument } from '../src/engine/path-config.js';
import type { CheckpointPlan } from './clients/training-job.js';
import type { SizeRange, Workload } from './clients/workload.js';
import type { FaultRates } from './fault-plan.js';
import type { Incident } from './incident.js';
import { BUCKET, type LogPlace } from './world.js';

export interface Outage {
  /** After the clients have begun. */
  readonly atMs: number;
  readonly forMs: number;
}

export interface Scenario {
  readonly name: string;
  readonly description: string;
  /** The only number there can be until there is a cluster. */
  readonly workers: 1;
  readonly bucket: string;
  /** Below which keys are made, with the slash. */
  readonly prefixes: readonly string[];
  readonly clients: number;
  /** Processes that follow each other, each ended as the faults say. */
  readonly lives: number;
  /** How long clients are at work in one life, drawn anew each time. */
  readonly lifeMs: SizeRange;
  readonly thinkMs: SizeRange;
  readonly sizes: SizeRange;
  readonly workload: Workload;
  /** Training jobs beside the clients. */
  readonly checkpoints?: CheckpointPlan | undefined;
  /** What the first process finds. */
  readonly incident?: Incident | undefined;
  /** For how many bytes one simulated byte stands: every size above is one of simulated bytes. */
  readonly scale: number;
  readonly disk: {
    readonly capacityBytes: number;
    readonly latencyMs: SizeRange;
    readonly syncLatencyMs: SizeRange;
  };
  readonly ufs: {
    readonly latencyMs: SizeRange;
    /** Of all bodies together, each way; unlimited when undefined. */
    readonly bytesPerS: number | undefined;
    readonly outages: readonly Outage[];
    readonly multipart: boolean;
  };
  /** Where the log is; in FoundationDB its faults are armed as well. */
  readonly log: LogPlace;
  /** `swarm`: drawn from the seed. */
  readonly faults: 'swarm' | FaultRates;
  readonly pathConfig: PathConfigDocument;
  /** What the settings say; the rest is small. */
  readonly engine: Partial<EngineOptions>;
  /** Drawn from the seed where the scenario leaves it open. */
  readonly drawsEngine: boolean;
  /** After the last fault everything pending must have ended by then; undefined: reckoned from the settings. */
  readonly drainWithinMs: number | undefined;
}

const POLICIES: PathConfigDocument = {
  apiVersion: 'v1.0',
  defaultRule: { policyMode: 'WRITE_BACK' },
  pathRules: [
    { path: `/${BUCKET}/through/**`, policyMode: 'WRITE_THROUGH' },
    { path: `/${BUCKET}/transient/**`, policyMode: 'TRANSIENT' },
  ],
};

/** What a scenario is made of that says nothing else. */
export const SCENARIO_DEFAULTS: Scenario = {
  name: 'swarm',
  description: 'everything at once: all activities, policies and faults, as drawn from the seed',
  workers: 1,
  bucket: BUCKET,
  prefixes: ['back/', 'through/', 'transient/'],
  clients: 5,
  lives: 3,
  lifeMs: { min: 20, max: 700 },
  thinkMs: { min: 0, max: 30 },
  sizes: { min: 0, max: 120 * KIB },
  workload: {
    reads: 25,
    overwriteRaces: 25,
    smallObjects: 8,
    checkpointBursts: 5,
    conditionalWrites: 10,
    multipart: 8,
    listings: 6,
    brokenBodies: 3,
    capacityPressure: 3,
    freeSpace: 2,
  },
  scale: 1,
  disk: {
    capacityBytes: 1024 * 1024 * MIB,
    latencyMs: { min: 0.02, max: 0.2 },
    syncLatencyMs: { min: 0.1, max: 1 },
  },
  ufs: { latencyMs: { min: 1, max: 20 }, bytesPerS: undefined, outages: [], multipart: true },
  log: 'files',
  faults: 'swarm',
  pathConfig: POLICIES,
  engine: {},
  drawsEngine: true,
  drainWithinMs: undefined,
};

/** The scenarios that come with the program. */
export const SCENARIOS: readonly Scenario[] = [
  SCENARIO_DEFAULTS,
  {
    ...SCENARIO_DEFAULTS,
    name: 'brief',
    description:
      'the swarm in short lives with fewer clients: many seeds, so many arrangements of faults, in little time',
    clients: 3,
    lives: 2,
    lifeMs: { min: 20, max: 150 },
  },
  {
    ...SCENARIO_DEFAULTS,
    name: 'healthy',
    description: 'no faults at all: every refusal must be one that a busy store may give',
    faults: {},
  },
  {
    ...SCENARIO_DEFAULTS,
    name: 'checkpoints',
    description: 'bursts of files of a training job, a slow under-store that goes away and comes back',
    prefixes: ['back/'],
    clients: 4,
    lifeMs: { min: 500, max: 3000 },
    sizes: { min: 64 * KIB, max: MIB },
    workload: { checkpointBursts: 20, reads: 5, listings: 1 },
    ufs: {
      latencyMs: { min: 5, max: 60 },
      bytesPerS: 20 * MIB,
      outages: [{ atMs: 200, forMs: 800 }],
      multipart: true,
    },
  },
  {
    ...SCENARIO_DEFAULTS,
    name: 'small-objects',
    description: 'storms of small objects',
    sizes: { min: 0, max: 8 * KIB },
    thinkMs: { min: 0, max: 5 },
    workload: { smallObjects: 30, reads: 10, listings: 3, overwriteRaces: 10 },
  },
  {
    ...SCENARIO_DEFAULTS,
    name: 'races',
    description: 'overwrites, deletes and conditional writes of few keys',
    sizes: { min: 0, max: 20 * KIB },
    thinkMs: { min: 0, max: 10 },
    clients: 8,
    workload: { overwriteRaces: 30, conditionalWrites: 30, reads: 20, listings: 5 },
  },
  {
    ...SCENARIO_DEFAULTS,
    name: 'multipart',
    description: 'uploads in parts, sent again, abandoned and completed wrongly',
    workload: { multipart: 30, reads: 10, overwriteRaces: 5, brokenBodies: 5 },
  },
  {
    ...SCENARIO_DEFAULTS,
    name: 'pressure',
    description: 'a cache that is too small, and an under-store that goes away',
    clients: 6,
    workload: { capacityPressure: 30, reads: 20, checkpointBursts: 5, freeSpace: 2 },
    ufs: { ...SCENARIO_DEFAULTS.ufs, bytesPerS: 30 * MIB, outages: [{ atMs: 100, forMs: 300 }] },
    engine: { capacityBytes: 12 * MIB, pinnedRatio: 0.4 },
    drawsEngine: false,
  },
  {
    ...SCENARIO_DEFAULTS,
    name: 'policies',
    description: 'the path configuration changes while clients write',
    prefixes: ['shift/', 'back/'],
    workload: { policyChanges: 4, overwriteRaces: 25, reads: 20, multipart: 4, freeSpace: 2 },
  },
  {
    ...SCENARIO_DEFAULTS,
    name: 'out-of-band',
    description:
      'somebody else changes objects in the under-store, below a mount with conditional persists and one without',
    clients: 2,
    workload: { overwriteRaces: 10, reads: 10, freeSpace: 3 },
    faults: { ufsForeign: 0.3, ufsUnavailable: 0.1, ufsLostAnswer: 0.05, kill: 0.3, powerCut: 0.3 },
    engine: { capacityBytes: 64 * MIB },
    drawsEngine: false,
  },
  {
    ...SCENARIO_DEFAULTS,
    name: 'foundationdb',
    description: 'the log is in a FoundationDB that conflicts, stands still and leaves outcomes unknown',
    lifeMs: { min: 20, max: 2000 },
    log: 'foundationdb',
  },
  {
    ...SCENARIO_DEFAULTS,
    name: 'crash-points',
    description: 'few calls of each kind: short enough to be crashed at every one of its port calls',
    clients: 2,
    lives: 1,
    lifeMs: { min: 60, max: 60 },
    thinkMs: { min: 0, max: 10 },
    sizes: { min: 0, max: 20 * KIB },
    workload: {
      overwriteRaces: 20,
      conditionalWrites: 4,
      multipart: 10,
      checkpointBursts: 2,
      reads: 4,
      freeSpace: 3,
    },
    ufs: { ...SCENARIO_DEFAULTS.ufs, latencyMs: { min: 0.2, max: 3 } },
    faults: {},
    engine: { checkpointChanges: 24 },
    drawsEngine: false,
  },
];
