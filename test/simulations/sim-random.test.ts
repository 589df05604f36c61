import t from 'tap';
import { SimRandom } from '../../simulations/sim-random.js';
import { randomContract } from '../contracts/random.js';

randomContract('simulated random', () => new SimRandom('contract'));

const draw = (random: SimRandom): number[] => Array.from({ length: 8 }, () => random.uint32());

void t.test('simulated random: a seed gives the same numbers for ever', async (t) => {
  t.strictSame(draw(new SimRandom(42)).slice(0, 3), [3910467116, 1414390698, 3052375698]);
  t.strictSame(draw(new SimRandom('42')), draw(new SimRandom(42)));
  t.notSame(draw(new SimRandom(42)), draw(new SimRandom(43)));
});

void t.test('simulated random: a fork does not depend on what was drawn before', async (t) => {
  const early = new SimRandom(7).fork('disk');
  const parent = new SimRandom(7);
  draw(parent);
  t.strictSame(draw(parent.fork('disk')), draw(early));
  t.notSame(draw(parent.fork('network')), draw(parent.fork('disk')));
  t.equal(parent.fork('disk').seed, '7/disk');
});

void t.test('simulated random: ranges, chances and orders keep to their bounds', async (t) => {
  const random = new SimRandom('bounds');
  const seen = new Set<number>();
  for (let i = 0; i < 1000; i++) {
    seen.add(random.below(5));
    const between = random.between(2, 3);
    if (between < 2 || between >= 3) t.fail(`${between} is not from 2 to 3`);
  }
  t.strictSame(
    [...seen].sort((a, b) => a - b),
    [0, 1, 2, 3, 4],
  );
  t.equal(random.between(4, 4), 4);
  t.notOk(random.chance(0));
  t.ok(random.chance(1));
  t.strictSame(
    random.shuffle([1, 2, 3, 4, 5]).sort((a, b) => a - b),
    [1, 2, 3, 4, 5],
  );
  t.ok(['a', 'b'].includes(random.pick(['a', 'b'])));
});
