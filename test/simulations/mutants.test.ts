/** Teeth: each mutant fits the engine of today, and some of them are hunted here; CI hunts all of them by the command line. */
import { readFileSync } from 'node:fs';
import t from 'tap';
import { MUTANTS } from '../../simulations/mutants.js';
import { SCENARIOS } from '../../simulations/scenario.js';
import { openSimulator } from '../../src/composition/simulator.js';

t.setTimeout(240_000);
const ROOT = new URL('../../', import.meta.url);
const SEEDS_MAX = 30;
const HUNTED = [
  'recovery-skips-a-bad-frame',
  'epoch-stands-still',
  'persisted-on-timeout',
  'acknowledge-before-bytes',
  'ignore-if-none-match',
];

void t.test(
  'mutants: each changes one place of one module, and is looked for where it can be found',
  async (t) => {
    t.ok(MUTANTS.length >= 16, `${MUTANTS.length} mutants`);
    t.equal(new Set(MUTANTS.map(({ name }) => name)).size, MUTANTS.length, 'names differ');
    for (const { name, module, find, replace, scenario, caughtBy } of MUTANTS) {
      const text = readFileSync(new URL(module, ROOT), 'utf8');
      t.equal(text.split(find).length, 2, `${name}: its text is in ${module} once`);
      t.not(find, replace, name);
      t.ok(SCENARIOS.some((candidate) => candidate.name === scenario));
      t.ok(caughtBy.length > 0);
    }
  },
);

void t.test('mutants: what they break is found', async (t) => {
  const simulator = openSimulator('test');
  t.teardown(() => simulator.close());
  for (const name of HUNTED) {
    const caughtBy = MUTANTS.find((mutant) => mutant.name === name)?.caughtBy ?? [];
    let found: string | undefined;
    for (let seed = 1; seed <= SEEDS_MAX && found === undefined; seed++)
      found = (await simulator.runMutant(name, String(seed))).violation?.invariant;
    t.ok(
      caughtBy.some((invariant) => invariant === found),
      `${name} is found by ${found}`,
    );
  }
});

void t.test('mutants: a process without one finds nothing in the same seeds', async (t) => {
  const simulator = openSimulator('test');
  t.teardown(() => simulator.close());
  const swarm = simulator.prepare({ name: 'swarm' });
  t.equal((await swarm.run('1')).violation, undefined);
  t.throws(() => simulator.prepare({ name: 'nothing' }), {
    code: 'INVALID_ARGUMENT',
    message: /name a file, or one of swarm/,
  });
});
