/** The plot of a capacity run: that it is a document, that its axes say what they measure, and that names cannot break it. */
import t from 'tap';
import { byteTicks, countTicks, timeTicks } from '../../src/cli/axis-ticks.js';
import { capacityPlot } from '../../src/cli/capacity-plot.js';
import type { CapacityReport } from '../../src/cli/simulator.js';
import { GIB, HOUR_MS, MINUTE_MS } from '../../src/core/units.js';
import { CAPACITY_REPORT } from './capacity-report.js';

/** Opening and closing tags, that each closes what is open. */
function tagsOf(svg: string): string[] {
  const open: string[] = [];
  const seen: string[] = [];
  for (const [, closing, name = '', selfClosing] of svg.matchAll(/<(\/)?([a-z]+)(?:\s[^<>]*?)?(\/)?>/g)) {
    if (closing !== undefined) {
      if (open.pop() !== name) throw new Error(`</${name}> closes nothing`);
    } else {
      seen.push(name);
      if (selfClosing === undefined) open.push(name);
    }
  }
  if (open.length > 0) throw new Error(`${open.join(', ')} stay open`);
  return seen;
}

void t.test('plot: three panels with units, axes, a legend and the limit, on a light ground', async (t) => {
  const svg = capacityPlot(CAPACITY_REPORT);
  const tags = tagsOf(svg);
  t.equal(tags[0], 'svg');
  t.equal(tags.filter((tag) => tag === 'path').length, 4, 'an area and a line for each of two curves');
  t.match(svg, /<rect width="960" height="\d+" fill="#ffffff"\/>/);
  for (const said of [
    'Capacity of ckpt, seed 7',
    'Pinned (bytes)',
    'Waiting for their upload (objects)',
    'Refused (writes in each 60 s)',
    'Under-store away',
    'limit 4 GiB',
    '2 GiB',
    '10min',
    'simulated time',
  ])
    t.ok(svg.includes(`>${said}</text>`), said);
  t.notMatch(svg, /NaN|Infinity|undefined/);
});

void t.test('plot: curves and bars stand where their values are', async (t) => {
  const svg = capacityPlot(CAPACITY_REPORT);
  // The axis goes to the limit and 8 % more, over 240 pixels that end at 328.
  const yOf = (bytes: number): string =>
    String(Math.round((328 - (bytes / (4 * GIB * 1.08)) * 240) * 10) / 10);
  t.ok(svg.includes(`V${yOf(GIB)}H176.4V${yOf(3 * GIB)}H260.8`), 'one interval is a tenth of the width');
  const bars = [...svg.matchAll(/<rect [^>]*fill="#cf222e"\/>/g)];
  t.equal(bars.length, 1, 'one interval has refusals');
  t.match(bars[0]?.[0], /x="260.8" .*width="84.4"/);
  t.match(svg, /<rect x="176.4" y="88" width="168.8" height="240" fill="#fff1d6"\/>/, 'the outage');
});

void t.test('plot: an empty run, and a name that looks like markup', async (t) => {
  const empty: CapacityReport = {
    ...CAPACITY_REPORT,
    scenario: 'a<b>&"\u0001',
    spanMs: 0,
    pinnedLimitBytes: 0,
    outages: [],
    series: { widthMs: 10, pinnedBytes: [], queuedUploads: [], refusals: [] },
  };
  const svg = capacityPlot(empty);
  t.ok(tagsOf(svg).length > 10);
  t.ok(svg.includes('a&lt;b&gt;&amp;&quot;?'));
  t.notMatch(svg, /NaN|Infinity|undefined|Under-store away/);
});

void t.test('plot: marks are at round values, and not too many', async (t) => {
  t.same(timeTicks(HOUR_MS, 12).length, 13);
  t.same(
    timeTicks(25 * MINUTE_MS, 6),
    [0, 5, 10, 15, 20, 25].map((minutes) => minutes * MINUTE_MS),
  );
  t.same(
    byteTicks(3 * GIB, 5),
    [0, 1, 2, 3].map((units) => units * GIB),
  );
  t.same(countTicks(192, 5), [0, 50, 100, 150]);
  t.same(countTicks(1.08, 5), [0, 1]);
  for (const end of [1, 7, 99, 1234, 5_000_000]) {
    t.ok(countTicks(end, 5).length <= 6, `${end}`);
    t.ok(byteTicks(end, 5).length <= 6, `${end} bytes`);
    t.ok(timeTicks(end * 1000, 12).length <= 13, `${end} s`);
  }
});
