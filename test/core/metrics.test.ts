import t from 'tap';
import { CounterFamily, Histogram } from '../../src/core/metrics.js';

void t.test(
  'metrics: a histogram cumulates what is at most each bound, and counts what is above all',
  async (t) => {
    const histogram = new Histogram([1, 2, 5]);
    for (const value of [0, 1, 1.5, 2, 4, 5, 6, 100]) histogram.observe(value);
    t.same(histogram.cumulated(), [2, 4, 6]);
    t.equal(histogram.count, 8);
    t.equal(histogram.sum, 119.5);
  },
);

void t.test('metrics: a family of counters has a bounded number of labels', async (t) => {
  const family = new CounterFamily(2);
  for (const label of ['a', 'b', 'c', 'a', 'd']) family.add(label);
  family.add('b', 10);
  t.same(Object.fromEntries(family.entries()), { a: 2, b: 11, other: 2 });
});
