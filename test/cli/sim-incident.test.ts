/** `headrace sim run --from`: what it asks of the simulator, and what it tells of the state it goes on from. */
import t from 'tap';
import type { PreparedIncident, RunReport, ScenarioSource, Simulator } from '../../src/cli/simulator.js';
import { runCli } from './cli-fixture.js';

const INCIDENT: PreparedIncident['incident'] = {
  atMs: Date.UTC(2026, 0, 7, 3, 12, 44),
  offsets: [{ partition: 1, offset: 48213 }],
  complete: false,
  objects: 12,
  pending: 3,
  quarantined: 1,
  pinnedBytes: 4096,
  openWrites: 2,
  openUploads: 0,
  mounts: 1,
  conflicts: 1,
  ufsUploads: 2,
  staleUploads: 0,
  leftOut: ['only s3://b/ was exported'],
  scale: 8,
};

function simulatorOf(asked: (ScenarioSource & { isQuiet: boolean })[], read: string[]): Simulator {
  const none = (): Promise<never> => Promise.reject(new Error('not asked for here'));
  const run = async (seed: string): Promise<RunReport> => ({
    seed,
    scenario: 'incident',
    faults: {},
    violation: undefined,
    counts: {},
    traceHash: '',
    nextRandom: 0,
    clockMs: 60_000,
    steps: 1,
    drainedMs: 42_000,
  });
  return {
    commit: 'abc',
    concurrency: 1,
    cpuMs: 0,
    scenarios: [],
    invariants: {},
    probes: {},
    mutants: [],
    prepare: () => {
      throw new Error('not asked for here');
    },
    prepareIncident: async (source, open) => {
      asked.push(source);
      for await (const piece of open()) read.push(Buffer.from(piece).toString());
      return {
        name: 'incident',
        description: '',
        run,
        countCrashPoints: none,
        crashPoint: none,
        capacity: none,
        incident: INCIDENT,
      };
    },
    runMutant: none,
    close: () => undefined,
  };
}

void t.test('sim run --from: the state is told, and how long it took to drain', async (t) => {
  const asked: (ScenarioSource & { isQuiet: boolean })[] = [];
  const read: string[] = [];
  const options = {
    files: { 'faults.yaml': 'name: faults' },
    binaries: new Map([['incident.hrlog', Buffer.from('an export')]]),
    openSimulator: async () => simulatorOf(asked, read),
  };
  const quiet = await runCli(['sim', 'run', '--from', 'incident.hrlog'], options);
  t.equal(quiet.exitCode, 0, quiet.stderr);
  t.same(read, ['an export']);
  const lines = quiet.stdout.split('\n');
  t.equal(lines[0], 'SEED=1 COMMIT=abc headrace sim run --seed 1 --from incident.hrlog');
  t.equal(
    lines[1],
    'continues at offset 48213 of partition 1 (2026-01-07 03:12:44 UTC): 12 objects, 3 waiting for their upload (1 quarantined, 1 in conflict), 4 KiB pinned, 2 open writes, 2 uploads in parts under way at the UFS, 1 mount',
  );
  t.match(lines[2], /does not tell the whole state/);
  t.equal(lines[3], 'only s3://b/ was exported');
  t.equal(lines[4], 'one simulated byte stands for 8');
  t.match(quiet.stdout, /everything was uploaded 42\.0 s after the faults had stopped\n/);
  const args = ['sim', 'run', '--from', 'incident.hrlog', '--scenario', 'faults.yaml', '--seed', '9'];
  const faulty = await runCli(args, options);
  t.equal(faulty.exitCode, 0, faulty.stderr);
  t.match(
    faulty.stdout,
    /^SEED=9 COMMIT=abc headrace sim run --seed 9 --from incident\.hrlog --scenario faults\.yaml\n/,
  );
  t.match(asked, [{ isQuiet: true }, { isQuiet: false, document: { text: 'name: faults' } }]);
  const missing = await runCli(['sim', 'run', '--from', 'nothing.hrlog'], options);
  t.equal(missing.exitCode, 1);
  t.match(missing.stderr, /--from nothing\.hrlog: there is no such file/);
});
