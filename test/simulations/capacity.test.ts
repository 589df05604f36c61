/** Capacity questions: training jobs against an under-store that is slow and goes away, with sizes that no test could hold. */
import t from 'tap';
import { playCapacity } from '../../simulations/capacity.js';
import { scaled, scaleOf } from '../../simulations/scale-scenario.js';
import { parseScenario } from '../../simulations/scenario-document.js';
import type { Scenario } from '../../simulations/scenario.js';
import { TimeSeriesSampler } from '../../simulations/time-series.js';
import { GIB, HOUR_MS, MIB, MINUTE_MS, TIB } from '../../src/core/units.js';
import { WORLD_PARTS } from '../support/engine-world.js';

t.setTimeout(240_000);

const DOCUMENT = `
name: two-jobs
prefixes: [runs/]
life: 50min
checkpoints: { jobs: 2, files: 4, size: 8GiB, every: 10min, keep: 2, bandwidth: 1GiB/s }
disk: { capacity: 2TiB }
ufs: { latency: 20ms, bandwidth: 500MiB/s, outages: [{ at: 15min, for: 20min }] }
pathConfig: { apiVersion: v1.0, defaultRule: { policyMode: WRITE_BACK } }
`;

function twoJobs(pinnedRatio: number, more = ''): Scenario {
  const { scenario } = parseScenario('two-jobs.yaml', `${DOCUMENT}${more}`);
  return { ...scenario, engine: { capacityBytes: TIB, pinnedRatio, ufsTimeoutMs: MINUTE_MS } };
}

void t.test('capacity: what an outage pins, how old it gets, and that it all drains', async (t) => {
  const run = await playCapacity(WORLD_PARTS, { scenario: twoJobs(0.9), seed: '1', stopsAtRefusal: false });
  t.same(run.violation, undefined);
  t.ok(run.scale >= 4096, `played at 1:${run.scale}`);
  t.equal(run.capacityBytes, TIB);
  t.equal(run.refusals, 0);
  t.equal(run.firstRefusal, undefined);
  t.equal(run.writes, 2 * 5 * 4, 'two jobs write five checkpoints of four files');
  // Each job keeps two checkpoints of 32 GiB and writes a third one: more is never dirty.
  t.ok(
    run.peakPinnedBytes.value > 100 * GIB && run.peakPinnedBytes.value <= 192 * GIB,
    `${run.peakPinnedBytes.value}`,
  );
  t.ok(run.peakPinnedBytes.atMs > 15 * MINUTE_MS && run.peakPinnedBytes.atMs < 45 * MINUTE_MS);
  t.ok(run.longestQueue.value >= 8 && run.longestQueue.value <= 24, `${run.longestQueue.value} in the queue`);
  t.ok(run.oldestDirtyMs.value > 10 * MINUTE_MS && run.oldestDirtyMs.value < 30 * MINUTE_MS);
  t.match(run.outages, [{ fromMs: 15 * MINUTE_MS, toMs: 35 * MINUTE_MS }]);
  t.ok(run.spanMs >= 50 * MINUTE_MS);
  t.equal(Math.max(...run.series.pinnedBytes), run.peakPinnedBytes.value);
  t.equal(run.series.pinnedBytes.at(-1), 0, 'everything was uploaded');
});

void t.test('capacity: the same figures at another scale', async (t) => {
  const scenario = twoJobs(0.9);
  const coarse = await playCapacity(WORLD_PARTS, { scenario, seed: '1', stopsAtRefusal: false });
  const small = scaled(scenario, scaleOf(scenario) / 2);
  const fine = await playCapacity(WORLD_PARTS, { scenario: small, seed: '1', stopsAtRefusal: false });
  t.equal(fine.scale * (scaleOf(scenario) / 2), coarse.scale, 'half of it is left to do');
  t.equal(fine.peakPinnedBytes.value * (scaleOf(scenario) / 2), coarse.peakPinnedBytes.value);
  t.ok(Math.abs(fine.peakPinnedBytes.atMs - coarse.peakPinnedBytes.atMs) < 1000);
});

void t.test(
  'capacity: a ratio that is too small is told with its limit, and at the first refusal',
  async (t) => {
    const scenario = twoJobs(0.9);
    const task = { scenario, seed: '1', pinnedRatio: 0.08 };
    const whole = await playCapacity(WORLD_PARTS, { ...task, stopsAtRefusal: false });
    t.same(whole.violation, undefined);
    t.equal(whole.pinnedRatio, 0.08);
    t.ok(whole.refusals > 0);
    t.equal(whole.firstRefusal?.limit, 'pinned limit');
    t.equal(
      whole.series.refusals.reduce((sum, count) => sum + count, 0),
      whole.refusals,
    );
    t.ok(whole.peakPinnedBytes.value <= whole.pinnedLimitBytes);
    const short = await playCapacity(WORLD_PARTS, { ...task, stopsAtRefusal: true });
    t.ok(short.refusals >= 1 && short.refusals < whole.refusals, `${short.refusals} in one instant`);
    t.same(short.firstRefusal, whole.firstRefusal);
    t.ok(short.spanMs < (short.firstRefusal?.atMs ?? 0) + MINUTE_MS, 'it ends there');
  },
);

void t.test('capacity: a budget and a disk that refuse are told as such', async (t) => {
  const budget = twoJobs(0.9);
  const { pathConfig } = budget;
  const defaultRule = { ...pathConfig.defaultRule, properties: { pinnedBudget: '20GiB' } };
  const first = await playCapacity(WORLD_PARTS, {
    scenario: { ...budget, pathConfig: { ...pathConfig, defaultRule } },
    seed: '1',
    stopsAtRefusal: true,
  });
  t.equal(first.firstRefusal?.limit, 'budget of a path rule');
  const disk = twoJobs(1);
  const second = await playCapacity(WORLD_PARTS, {
    scenario: { ...disk, disk: { ...disk.disk, capacityBytes: 80 * GIB } },
    seed: '1',
    stopsAtRefusal: true,
  });
  t.equal(second.firstRefusal?.limit, 'disk');
});

void t.test('capacity: bytes, bandwidths and budgets are scaled, times and counts are not', async (t) => {
  const scenario = twoJobs(0.5, 'sizes: { min: 0, max: 1GiB }');
  const small = scaled(scenario, 1024);
  t.match(small, {
    scale: 1024,
    lifeMs: scenario.lifeMs,
    sizes: { min: 0, max: MIB },
    ufs: { bytesPerS: 500 * 1024, outages: scenario.ufs.outages },
    checkpoints: { jobs: 2, files: 4, sizeBytes: 8 * MIB, bytesPerS: MIB },
    engine: { capacityBytes: GIB, pinnedRatio: 0.5 },
  });
  t.ok((small.engine.ufsTimeoutMs ?? 0) > MINUTE_MS, 'an upload has the time that its true size has');
  t.equal(scaleOf({ ...scenario, checkpoints: undefined, engine: { capacityBytes: 64 * MIB } }), 1);
});

void t.test('time series: intervals double, and lose neither a peak nor a refusal', async (t) => {
  const sampler = new TimeSeriesSampler();
  sampler.note(0, 1, 1);
  sampler.note(5, 9, 2);
  sampler.refused(7);
  sampler.note(40, 3, 0);
  t.match(sampler.series(2), {
    widthMs: 10,
    pinnedBytes: [18, 18, 18, 18, 6],
    queuedUploads: [2, 2, 2, 2, 0],
    refusals: [1, 0, 0, 0, 0],
  });
  sampler.refused(HOUR_MS);
  const series = sampler.series(1);
  t.equal(series.widthMs, 10 * 1024);
  t.ok(series.pinnedBytes.length <= 512);
  t.equal(series.pinnedBytes[0], 9);
  t.equal(
    series.refusals.reduce((sum, count) => sum + count, 0),
    2,
  );
});
