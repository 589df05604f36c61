/** Somebody else in the under-store: conflicts are found and decided, and nothing of theirs is overwritten unasked. */
import t from 'tap';
import { SCENARIOS } from '../../simulations/scenario.js';
import { simulate } from '../../simulations/simulation.js';
import { WORLD_PARTS } from '../support/engine-world.js';

t.setTimeout(240_000);

const SEEDS_MIN = 4;
/** Far more than it takes. */
const SEEDS_MAX = 60;

void t.test(
  'simulation: changes of others meet conditional persists as conflicts, and plain ones as the last writer',
  async (t) => {
    const scenario = SCENARIOS.find(({ name }) => name === 'out-of-band');
    if (scenario === undefined) throw new Error('there is no such scenario');
    const counts = new Map<string, number>();
    const isSeen = (): boolean => ['conflict ours', 'conflict theirs'].every((name) => counts.has(name));
    // What a seed plays changes with each change of the engine.
    for (let at = 1; at <= SEEDS_MIN || (at <= SEEDS_MAX && !isSeen()); at++) {
      const seed = String(at);
      const run = await simulate(WORLD_PARTS, { scenario, seed });
      t.same(run.violation, undefined, `seed ${seed}`);
      for (const [name, count] of Object.entries({ ...run.counts.operations, ...run.counts.faults }))
        counts.set(name, (counts.get(name) ?? 0) + count);
    }
    t.ok((counts.get('ufsForeign') ?? 0) > 10, 'somebody was there');
    t.ok((counts.get('conflict ours') ?? 0) > 0, 'a conflict was decided for ours');
    t.ok((counts.get('conflict theirs') ?? 0) > 0, 'and one for theirs');
  },
);
