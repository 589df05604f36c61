import t from 'tap';
import { BoundedMap } from '../../src/core/bounded-map.js';

void t.test(
  'bounded map: a new key takes the place of the oldest, another value that of its own',
  async (t) => {
    const map = new BoundedMap<string, number>(2);
    map.set('a', 1);
    map.set('b', 2);
    map.set('a', 3);
    t.same([map.get('a'), map.get('b')], [3, 2]);
    map.set('c', 4);
    t.same([map.get('a'), map.get('b'), map.get('c')], [undefined, 2, 4], 'asking does not make younger');
  },
);

void t.test('bounded map: it is never larger than allowed, and keeps the newest seven eighths', async (t) => {
  const map = new BoundedMap<number, number>(80);
  for (let key = 0; key < 1000; key++) {
    map.set(key, key);
    const kept = Array.from({ length: key + 1 }, (_, at) => at).filter((at) => map.get(at) !== undefined);
    if (kept.length > 80) t.fail(`${kept.length} entries`);
    if (kept.length < Math.min(key + 1, 71)) t.fail(`${kept.length} entries after ${key + 1}`);
    if (kept.at(0) !== key + 1 - kept.length) t.fail(`the oldest of ${kept.length} is ${kept.at(0)}`);
  }
  map.delete(999);
  t.equal(map.get(999), undefined);
  t.equal(map.get(998), 998);
});
