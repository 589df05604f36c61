/** `headrace sim capacity`: what it asks of the simulator, and what it tells. */
import t from 'tap';
import { RATIO_RUNS_MAX, searchRatio } from '../../src/cli/commands/ratio-search.js';
import type { CapacityReport, PreparedScenario, Simulator } from '../../src/cli/simulator.js';
import { CAPACITY_REPORT } from './capacity-report.js';
import { runCli } from './cli-fixture.js';

interface Asked {
  readonly pinnedRatio: number | undefined;
  readonly stopsAtRefusal: boolean;
}

/** A simulator in which `needed` is the smallest ratio that refuses nothing. */
function simulatorOf(needed: number, asked: Asked[] = [], report: Partial<CapacityReport> = {}): Simulator {
  const none = (): Promise<never> => Promise.reject(new Error('not asked for here'));
  const prepared: PreparedScenario = {
    name: 'ckpt',
    description: '',
    run: none,
    countCrashPoints: none,
    crashPoint: none,
    capacity: async (seed, { pinnedRatio, stopsAtRefusal }) => {
      asked.push({ pinnedRatio, stopsAtRefusal });
      const ratio = pinnedRatio ?? CAPACITY_REPORT.pinnedRatio;
      const fits = ratio >= needed;
      return {
        ...CAPACITY_REPORT,
        seed,
        ...(fits ? { refusals: 0, firstRefusal: undefined } : {}),
        ...report,
      };
    },
  };
  return {
    commit: 'abc',
    concurrency: 2,
    cpuMs: 0,
    scenarios: [],
    invariants: {},
    probes: {},
    mutants: [],
    prepare: () => prepared,
    prepareIncident: none,
    runMutant: none,
    close: () => undefined,
  };
}

const FILES = { 'ckpt.yaml': 'name: ckpt' };

void t.test(
  'sim capacity: peak, time to out of space, oldest age, refusals and the smallest ratio',
  async (t) => {
    const asked: Asked[] = [];
    const run = await runCli(['sim', 'capacity', '--scenario', 'ckpt.yaml', '--seed', '7'], {
      files: FILES,
      openSimulator: async () => simulatorOf(0.55, asked),
    });
    t.equal(run.exitCode, 0, run.stderr);
    const lines = run.stdout.trimEnd().split('\n');
    t.equal(lines[0], 'SEED=7 COMMIT=abc headrace sim capacity --seed 7 --scenario ckpt.yaml');
    t.equal(lines.at(-1), lines[0]);
    t.match(run.stdout, /cache +10 GiB; 4 GiB may be pinned \(ratio 0\.4\)/);
    t.match(run.stdout, /peak pinned +4 GiB after 2min\n/);
    t.match(run.stdout, /out of space +after 2min 5s: pinned limit\n/);
    t.match(run.stdout, /oldest dirty age +1min 30s after 4min\n/);
    t.match(run.stdout, /longest queue +12 objects after 3min\n/);
    t.match(run.stdout, /refused writes +3 of 20\n/);
    t.match(run.stdout, /smallest pinned ratio +0\.55 refuses no write; 0\.54 refuses writes \(\d+ runs\)\n/);
    t.match(run.stdout, /played at 1:1024/);
    t.same(asked[0], { pinnedRatio: undefined, stopsAtRefusal: false }, 'first as it is configured');
    t.ok(asked.slice(1).every((how) => how.stopsAtRefusal && how.pinnedRatio !== undefined));
    t.ok(asked.length <= 1 + RATIO_RUNS_MAX);
  },
);

void t.test(
  'sim capacity: the plot is written, JSON holds the series, and a refusal can fail a build',
  async (t) => {
    const binaries = new Map<string, Buffer>();
    const openSimulator = async (): Promise<Simulator> => simulatorOf(0.55);
    const json = await runCli(['sim', 'capacity', '--scenario', 'ckpt.yaml', '-o', 'plot.svg', '--json'], {
      files: FILES,
      binaries,
      openSimulator,
    });
    t.equal(json.exitCode, 0, json.stderr);
    const found = JSON.parse(json.stdout) as CapacityReport & { smallestPinnedRatio: number };
    t.equal(found.smallestPinnedRatio, 0.55);
    t.same(found.series.refusals, CAPACITY_REPORT.series.refusals);
    t.match(binaries.get('plot.svg')?.toString(), /^<svg /);
    const args = ['sim', 'capacity', '--scenario', 'ckpt.yaml', '--fail-on-refusal'];
    const failed = await runCli(args, { files: FILES, openSimulator });
    t.equal(failed.exitCode, 1);
    t.match(failed.stderr, /3 of 20 writes were refused with a pinned ratio of 0\.4/);
    const fits = await runCli(args, { files: FILES, openSimulator: async () => simulatorOf(0.4) });
    t.equal(fits.exitCode, 0, fits.stderr);
    t.match(fits.stdout, /out of space +never\n/);
  },
);

void t.test('sim capacity: a violation is a failure, and a scenario must be named', async (t) => {
  const violation = { invariant: 'pinned-limit', message: 'too much', key: undefined, window: [] };
  const broken = await runCli(['sim', 'capacity', '--scenario', 'ckpt.yaml'], {
    files: FILES,
    openSimulator: async () => simulatorOf(0.1, [], { violation }),
  });
  t.equal(broken.exitCode, 1);
  t.match(broken.stdout, /VIOLATION seed 1: pinned-limit/);
  const without = await runCli(['sim', 'capacity'], { openSimulator: async () => simulatorOf(1) });
  t.equal(without.exitCode, 2);
  t.match(without.stderr, /--scenario/);
});

void t.test('sim capacity: a scenario that cannot be read is told in one line', async (t) => {
  const files = {
    get './directory'(): string {
      throw new Error('EISDIR: illegal operation on a directory, read');
    },
  };
  for (const [file, why] of [
    ['./directory', 'it cannot be read: EISDIR: illegal operation on a directory, read'],
    ['none.yaml', 'there is no such file'],
  ] as const) {
    const run = await runCli(['sim', 'capacity', '--scenario', file], {
      files,
      openSimulator: async () => simulatorOf(1),
    });
    t.equal(run.exitCode, 2);
    t.equal(run.stderr.trimEnd().split('\n').at(-1), `error: --scenario ${file}: ${why}`);
  }
});

void t.test('ratio search: every hundredth is found, in a bounded number of runs', async (t) => {
  for (let needed = 1; needed <= 100; needed++) {
    let runs = 0;
    const found = await searchRatio(
      async (ratio) => Math.round(ratio * 100) < needed,
      (count) => (runs = count),
    );
    t.equal(found.smallest, needed / 100);
    t.equal(found.largestRefusing, needed === 1 ? undefined : (needed - 1) / 100);
    t.ok(runs <= RATIO_RUNS_MAX && runs === found.runs, `${runs} runs`);
  }
  const never = await searchRatio(
    async () => true,
    () => undefined,
  );
  t.same(never, { smallest: undefined, largestRefusing: 1, runs: 1 });
});
