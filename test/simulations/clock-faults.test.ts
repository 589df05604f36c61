/** Time that does not behave: pauses longer than any deadline, steps of the wall clock, clocks that are too fast or too slow. */
import t from 'tap';
import { SCENARIO_DEFAULTS } from '../../simulations/scenario.js';
import { simulate } from '../../simulations/simulation.js';
import { WORLD_PARTS } from '../support/engine-world.js';

t.setTimeout(240_000);

void t.test('simulation: pauses, steps and a drifting clock break no promise', async (t) => {
  const faults = { pause: 1, clockDrift: 0.05, clockStep: 1, ufsHang: 0.02, kill: 0.5 };
  for (const seed of ['1', '2']) {
    const scenario = { ...SCENARIO_DEFAULTS, faults };
    const { violation, counts } = await simulate(WORLD_PARTS, { scenario, seed });
    t.same(violation, undefined, `seed ${seed}`);
    t.ok((counts.faults['pause'] ?? 0) > 0);
    t.ok((counts.faults['clockStep'] ?? 0) > 0);
  }
});

void t.test('simulation: a clock that drifts makes another history of the same seed', async (t) => {
  const play = async (clockDrift: number): Promise<string> => {
    const scenario = { ...SCENARIO_DEFAULTS, lives: 1, clients: 2, faults: { clockDrift } };
    const { violation, traceHash } = await simulate(WORLD_PARTS, { scenario, seed: '3' });
    t.same(violation, undefined);
    return traceHash;
  };
  t.not(await play(0), await play(0.05));
});
