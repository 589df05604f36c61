/** Whole simulations, few and short: CI runs many more of them by the command line. */
import t from 'tap';
import { playCrashPoint, countCrashPoints } from '../../simulations/crash-points.js';
import { SCENARIOS, type Scenario } from '../../simulations/scenario.js';
import { simulate } from '../../simulations/simulation.js';
import { watchStorePorts } from '../../simulations/port-calls.js';
import { EngineWorld, WORLD_PARTS } from '../support/engine-world.js';

t.setTimeout(240_000);

function scenarioOf(name: string): Scenario {
  const found = SCENARIOS.find((scenario) => scenario.name === name);
  if (found === undefined) throw new Error(`there is no scenario ${name}`);
  return found;
}

for (const { name } of SCENARIOS)
  void t.test(`simulation: ${name} holds every invariant`, async (t) => {
    for (const seed of ['1', '2']) {
      const { violation, counts, traceHash } = await simulate(WORLD_PARTS, {
        scenario: scenarioOf(name),
        seed,
      });
      t.equal(violation, undefined, `seed ${seed}: ${JSON.stringify(violation, undefined, 2)}`);
      t.ok(Object.keys(counts.operations).length > 0);
      t.match(traceHash, /^[0-9a-f]{40}$/);
    }
  });

void t.test('simulation: the same seed gives the same trace, byte for byte', async (t) => {
  const options = { scenario: scenarioOf('swarm'), seed: '7', keepsTrace: true };
  const [first, second] = [await simulate(WORLD_PARTS, options), await simulate(WORLD_PARTS, options)];
  t.same(first, second);
  const other = await simulate(WORLD_PARTS, { ...options, seed: '8' });
  t.not(first.traceHash, other.traceHash);
});

void t.test('simulation: with its log in FoundationDB an engine survives what that does to it', async (t) => {
  const faults = {
    kill: 1,
    dbConflict: 0.1,
    dbUnknown: 0.1,
    dbTimedOut: 0.1,
    dbBusy: 0.1,
    dbHang: 0.01,
    dbStall: 1,
  };
  const scenario = { ...scenarioOf('foundationdb'), faults };
  const options = { scenario, seed: '1', keepsTrace: true };
  const [first, second] = [await simulate(WORLD_PARTS, options), await simulate(WORLD_PARTS, options)];
  t.same(first.violation, undefined);
  t.ok((first.counts.faults['dbStall'] ?? 0) > 0);
  t.same(first, second);
});

void t.test(
  'simulation: a run is crashed at a call that changes the disk, and again in its recovery',
  async (t) => {
    const scenario = scenarioOf('crash-points');
    const { calls, violation } = await countCrashPoints(WORLD_PARTS, scenario, '1');
    t.equal(violation, undefined);
    t.ok(calls > 20, `${calls} crash points`);
    for (const call of [1, Math.floor(calls / 2), calls])
      t.same(
        await playCrashPoint(WORLD_PARTS, scenario, '1', call, 2),
        { runs: 3, failures: [] },
        `call ${call}`,
      );
  },
);

void t.test('simulation: damage inside the log is reported by each start, and then mended', async (t) => {
  const faults = { logDamage: 1, powerCut: 0.5 };
  const scenario = { ...scenarioOf('small-objects'), faults };
  const { violation, counts } = await simulate(WORLD_PARTS, { scenario, seed: '1' });
  t.same(violation, undefined);
  t.equal(counts.probes['damage of the log reported'], scenario.lives);
});

void t.test(
  'simulation: calls to the under-store are crash points, when sent and when answered',
  async (t) => {
    const scenario = scenarioOf('crash-points');
    const silent = {
      ...scenario,
      pathConfig: { ...scenario.pathConfig, defaultRule: { policyMode: 'TRANSIENT' as const } },
    };
    const quiet = await countCrashPoints(WORLD_PARTS, { ...silent, prefixes: ['transient/'] }, '1');
    const { portCalls } = await simulate(WORLD_PARTS, { scenario, seed: '1' });
    t.ok(portCalls.life > quiet.calls, `${portCalls.life} with uploads, ${quiet.calls} without`);
    let calls = 0;
    const world = await EngineWorld.open({
      observer: { wrapStore: (store) => watchStorePorts(store, () => calls++) },
    });
    await world.put('a', Buffer.from('a'));
    const before = calls;
    await world.drained();
    t.equal(calls - before, 2, 'one upload');
  },
);

void t.test('simulation: faults are drawn from the seed, and some seeds have none', async (t) => {
  const lives = { ...scenarioOf('swarm'), lives: 1, clients: 1, lifeMs: { min: 10, max: 10 } };
  const names = new Set<string>();
  for (let seed = 1; seed <= 30; seed++) {
    const { faults, violation } = await simulate(WORLD_PARTS, { scenario: lives, seed: String(seed) });
    t.equal(violation, undefined, `seed ${seed}: ${violation?.message}`);
    names.add(Object.keys(faults).sort().join(' '));
  }
  t.ok(names.size > 20, `${names.size} subsets`);
  t.ok(names.has(''), 'no fault at all');
});
