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
