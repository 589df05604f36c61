import t from 'tap';
import { Histogram } from '../../bench/histogram.js';

void t.test(
  'histogram: a percentile is within 1.1 % of the exact one, from microseconds to seconds',
  async (t) => {
    const histogram = new Histogram();
    const values = Array.from({ length: 10_000 }, (_, i) => 0.002 * 1.0015 ** i);
    for (const value of values) histogram.record(value);
    for (const fraction of [0.01, 0.5, 0.9, 0.99, 0.999]) {
      const exact = values[Math.ceil(fraction * values.length) - 1] ?? 0;
      const error = Math.abs(histogram.percentileMs(fraction) / exact - 1);
      t.ok(error < 0.011, `p${fraction * 100} is off by ${(error * 100).toFixed(2)} %`);
    }
  },
);

void t.test('histogram: counts sent to another process give the same percentiles', async (t) => {
  const histogram = new Histogram();
  for (let i = 1; i <= 100; i++) histogram.record(i);
  const copy = new Histogram(histogram.toCounts());
  t.equal(copy.total, 100);
  t.equal(copy.percentileMs(0.9), histogram.percentileMs(0.9));
});

void t.test('histogram: an empty one has percentiles of zero', async (t) => {
  t.equal(new Histogram().percentileMs(0.5), 0);
});

void t.test('histogram: latencies beyond both ends are counted at the ends', async (t) => {
  const histogram = new Histogram();
  histogram.record(0);
  histogram.record(1e12);
  t.equal(histogram.total, 2);
  t.ok(histogram.percentileMs(0.5) < 0.002);
  t.ok(histogram.percentileMs(1) > 3_600_000);
});
