/** Somebody else in the under-store: conflicts are found and decided, and nothing of theirs is overwritten unasked. */
import t from 'tap';
import { SCENARIOS } from '../../simulations/scenario.js';
import { simulate } from '../../simulations/simulation.js';
import { WORLD_PARTS } from '../support/engine-world.js';

t.setTimeout(240_000);

void t.test(
  'simulation: changes of others meet conditional persists as conflicts, and plain ones as the last writer',
  async (t) => {
    const scenario = SCENARIOS.find(({ name }) => name === 'out-of-band');
    if (scenario === undefined) throw new Error('there is no such scenario');
    const counts = new Map<string, number>();
    for (const seed of ['1', '2', '3', '4']) {
      const run = await simulate(WORLD_PARTS, { scenario, seed });
      t.same(run.violation, undefined, `seed ${seed}`);
      for (const [name, count] of Object.entries({ ...run.counts.operations, ...run.counts.faults }))
        counts.set(name, (counts.get(name) ?? 0) + count);
    }
    t.ok((counts.get('ufsForeign') ?? 0) > 10, 'somebody was there');
    t.ok((counts.get('conflict ours') ?? 0) > 0, 'a conflict was decided for ours');
  },
);
