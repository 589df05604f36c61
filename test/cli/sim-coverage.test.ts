/** `headrace sim run --require-coverage`: rare branches that no run reached fail the command. */
import t from 'tap';
import type { PreparedScenario, RunReport, Simulator } from '../../src/cli/simulator.js';
import { PROBES, probeOf } from '../../simulations/probes.js';
import { runCli } from './cli-fixture.js';

/** Seed 1 reaches `one`, seed 2 reaches `two`, and nobody `three`. */
function simulatorOf(): Simulator {
  const none = (): Promise<never> => Promise.reject(new Error('not asked for here'));
  const run = async (seed: string): Promise<RunReport> => ({
    seed,
    scenario: 'swarm',
    faults: {},
    violation: undefined,
    counts: { probes: { [seed === '1' ? 'one' : 'two']: 1 } },
    traceHash: '',
    nextRandom: 0,
    clockMs: 1,
    steps: 1,
  });
  const prepared: PreparedScenario = {
    name: 'swarm',
    description: '',
    run,
    countCrashPoints: none,
    crashPoint: none,
    capacity: none,
  };
  return {
    commit: 'abc',
    concurrency: 2,
    cpuMs: 0,
    scenarios: [],
    invariants: {},
    probes: { one: '', two: '', three: '' },
    mutants: [],
    prepare: () => prepared,
    prepareIncident: none,
    runMutant: none,
    close: () => undefined,
  };
}

const options = { openSimulator: async (): Promise<Simulator> => simulatorOf() };

void t.test(
  'sim run: a probe that all runs together leave at zero is named, and fails the command',
  async (t) => {
    const missed = await runCli(['sim', 'run', '--runs', '2', '--require-coverage'], options);
    t.equal(missed.exitCode, 1);
    t.match(missed.stdout, /NOT REACHED three\n/);
    t.notMatch(missed.stdout, /NOT REACHED (one|two)/);
    t.match(missed.stderr, /1 of 3 probes were not reached in 2 runs: three/);
    const one = await runCli(['sim', 'run', '--require-coverage=one,two'], options);
    t.match(one.stderr, /1 of 2 probes were not reached in 1 runs: two/);
    const enough = await runCli(['sim', 'run', '--runs', '2', '--require-coverage=one, two'], options);
    t.equal(enough.exitCode, 0, enough.stderr);
    t.match(enough.stdout, /all 2 required probes were reached\n/);
    t.equal((await runCli(['sim', 'run', '--runs', '1'], options)).exitCode, 0, 'only when asked');
  },
);

void t.test('sim run: a probe that there is not is told, and list names those there are', async (t) => {
  const wrong = await runCli(['sim', 'run', '--require-coverage=on'], options);
  t.equal(wrong.exitCode, 2);
  t.match(wrong.stderr, /there is no probe "on": name some of one, two, three/);
  const list = await runCli(['sim', 'list', '--json'], options);
  t.same(Object.keys((JSON.parse(list.stdout) as { probes: object }).probes), ['one', 'two', 'three']);
});

void t.test('probes: what events show', async (t) => {
  const at = { atMs: 1, bucket: 'b', key: 'k', version: 1 };
  const failed = { ...at, type: 'PersistFailed', cause: '', message: '', nextAttemptAtMs: 0 } as const;
  t.equal(probeOf({ ...failed, attempt: 1, quarantined: false }), undefined);
  t.equal(probeOf({ ...failed, attempt: 3, quarantined: false }), 'several failures in a row');
  t.equal(probeOf({ ...failed, attempt: 1, quarantined: true }), 'quarantined');
  t.equal(probeOf({ ...at, type: 'PersistRetried' }), 'quarantine lifted');
  t.ok(Object.keys(PROBES).length > 15);
});
