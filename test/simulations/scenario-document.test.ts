/** Scenarios that users write: what they leave out, and how their mistakes are told. */
import t from 'tap';
import { parseScenario } from '../../simulations/scenario-document.js';
import { SCENARIO_DEFAULTS } from '../../simulations/scenario.js';
import { KIB, MIB } from '../../src/core/units.js';

const DOCUMENT = `
name: checkpoints-of-team-a
workers: 1
bucket: train
prefixes: [runs/]
clients: 16
life: { min: 1s, max: 30s }
sizes: { min: 64KiB, max: 1MiB }
workload: { checkpointBursts: 10, reads: 2 }
disk: { capacity: 10GiB, latency: { min: 0.05ms, max: 1ms } }
ufs:
  latency: 20ms
  bandwidth: 50MiB/s
  outages: [{ at: 10s, for: 5s }]
log: foundationdb
faults: { ufsThrottled: 0.01, kill: 1, dbUnknown: 0.1 }
settings:
  page.store.size: 64MiB
pathConfig:
  apiVersion: v1.0
  defaultRule: { policyMode: WRITE_BACK }
`;

void t.test('scenario: a document is read, and what it leaves out is small and healthy', async (t) => {
  const { scenario, settings } = parseScenario('a.yaml', DOCUMENT);
  t.match(scenario, {
    name: 'checkpoints-of-team-a',
    lives: 1,
    lifeMs: { min: 1000, max: 30_000 },
    sizes: { min: 64 * KIB, max: MIB },
    disk: { latencyMs: { min: 0.05, max: 1 }, syncLatencyMs: SCENARIO_DEFAULTS.disk.syncLatencyMs },
    ufs: { latencyMs: { min: 20, max: 20 }, bytesPerS: 50 * MIB, outages: [{ atMs: 10_000, forMs: 5000 }] },
    log: 'foundationdb',
    faults: { ufsThrottled: 0.01, kill: 1, dbUnknown: 0.1 },
  });
  t.same(settings, { 'page.store.size': '64MiB' });
  t.same(parseScenario('b.yaml', 'base: swarm').scenario.faults, 'swarm');
});

void t.test('scenario: a file that is none is told in one short line, with the place', async (t) => {
  const prose = 'a word of this file\n'.repeat(5000);
  for (const [text, message] of [
    [prose, /^f: line 1: no scenario begins with "a word of this file": it is YAML of the form "name: my-/],
    [`\n# notes\n\n${prose}`, /^f: line 4: no scenario begins with "a word/],
    ['x'.repeat(100_000), /^f: line 1: no scenario begins with "x{80}…": /],
    ['- a list\n- of things\n', /^f: line 1: no scenario begins with "- a list"/],
    ['', /^f: line 1: no scenario begins with nothing/],
    ['# Heading\n\nText: of: a\npage\n', /^f: not YAML: .* at line 3, column \d+$/],
    [`clients: ${'9'.repeat(5000)}x`, /^f: clients must be an integer from 1 to 1000, not "9{79}…$/],
    [`${'k'.repeat(500)}: 1`, /^f: the document has no "k{80}…": it may have name, /],
    ['name: &a one-two\nbucket: *a\n', /^f: aliases \(\*name\) are not allowed$/],
  ] as const) {
    const error = t.throws(() => parseScenario('f', text), { code: 'INVALID_ARGUMENT', message });
    t.ok(error instanceof Error && error.message.length < 400 && !error.message.includes('\n'));
  }
});

void t.test('scenario: training jobs need no other clients, and may have them', async (t) => {
  const { scenario } = parseScenario(
    'a.yaml',
    'checkpoints: { size: 4GiB, every: 30min, bandwidth: 2GiB/s }',
  );
  t.equal(scenario.clients, 0);
  t.same(scenario.checkpoints, {
    jobs: 1,
    files: 1,
    sizeBytes: 4096 * MIB,
    everyMs: 1_800_000,
    keep: 2,
    bytesPerS: 2048 * MIB,
  });
  const both = parseScenario('a.yaml', 'checkpoints: { size: 4GiB, every: 1h }\nworkload: { reads: 1 }');
  t.equal(both.scenario.clients, SCENARIO_DEFAULTS.clients);
});

void t.test('scenario: a mistake is told with its place, the value and what would be right', async (t) => {
  const cases: [text: string, message: RegExp][] = [
    ['clients: many', /^a\.yaml: clients must be an integer from 1 to 1000, not "many"$/],
    ['workers: 3', /workers must be 1: .*, not 3/],
    ['client: 3', /the document has no "client": it may have name, /],
    ['life: 30', /life must be a time with a unit, such as 500ms/],
    ['life: { min: 2s, max: 1s }', /life\.min must not be above life\.max, not "2s"/],
    ['ufs: { outages: [{ at: 1s }] }', /ufs\.outages\[0\]\.for must be a time .*, not nothing/],
    ['ufs: { bandwidth: 0 }', /ufs\.bandwidth must be above 0/],
    ['faults: { kil: 1 }', /faults has no "kil": it may have ufsUnavailable/],
    ['log: foundation', /log must be files or foundationdb, not "foundation"/],
    ['faults: { kill: 2 }', /faults\.kill must be a number from 0 to 1, not 2/],
    ['workload: { reads: 0 }', /workload: give at least one activity a weight above 0/],
    ['checkpoints: { size: 1GiB }', /checkpoints\.every must be a time .*, not nothing/],
    ['checkpoints: { size: 0, every: 1min }', /checkpoints\.size must be above 0, not 0/],
    ['checkpoints: { size: 1, every: 1s, job: 2 }', /checkpoints has no "job": it may have jobs, files, /],
    [
      'checkpoints: { size: 1, every: 1s, jobs: 0 }',
      /checkpoints\.jobs must be a number from 1 to 1000, not 0/,
    ],
    ['prefixes: [a]', /prefixes\[0\] must end with a slash, not "a"/],
    ['pathConfig: { apiVersion: v2 }', /pathConfig: apiVersion: "v2" must be "v1\.0"/],
    ['settings: [1]', /settings must be "key: value" lines/],
    ['base: nothing', /base must be one of swarm, /],
    ['a: [', /not YAML/],
  ];
  for (const [text, message] of cases)
    t.throws(() => parseScenario('a.yaml', text), { code: 'INVALID_ARGUMENT', message }, text);
});
