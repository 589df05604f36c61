/** The bench runs here with few entries, so that it cannot rot; its times mean nothing. */
import t from 'tap';
import { benchIndexStore } from '../../../bench/index-store.js';

void t.test(
  'index store: the bench measures what it promises, within the budgets that are not times',
  async (t) => {
    const load = { entries: 20_000, changesPerCheckpoint: 2000, lookups: 1000, directory: t.testdir() };
    const figures = await benchIndexStore(load);
    t.equal(figures.entries, 20_000);
    for (const [name, value] of Object.entries(figures)) t.ok(Number.isFinite(value), `${name}: ${value}`);
    t.ok(figures.writtenBytesPerEntry < 500, `${figures.writtenBytesPerEntry} bytes written per entry`);
    t.ok(figures.runs < 16, `${figures.runs} runs`);
  },
);
