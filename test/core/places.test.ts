/** Numbered places of what is under way. */
import t from 'tap';
import { Places } from '../../src/core/places.js';

void t.test('places: one that was left is taken again, and nobody is at one that is free', (t) => {
  const places = new Places<{ name: string }>();
  const [a, b, c] = ['a', 'b', 'c'].map((name) => ({ name }));
  t.same(
    [a, b].map((thing) => places.add(thing as { name: string })),
    [0, 1],
  );
  places.remove(0);
  t.equal(places.get(0), undefined);
  t.equal(places.add(c as { name: string }), 0);
  t.same(places.all(), [c, b]);
  t.equal(places.count, 2);
  t.throws(() => places.remove(2), /nothing is at place 2/);
  t.end();
});
