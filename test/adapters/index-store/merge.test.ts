/** Merges: what they choose, what they cost, what they leave. */
import t from 'tap';
import { chooseMerge, entriesExpected } from '../../../src/adapters/index-store/merge-policy.js';
import { resolveOptions } from '../../../src/adapters/index-store/options.js';
import type { RunDescriptor } from '../../../src/adapters/index-store/run-format.js';
import { contentOf, item, META } from '../../contracts/index-store-model.js';
import { IndexWorld, TINY_OPTIONS } from './world.js';

const OPTIONS = resolveOptions({ fanIn: 3, garbageEntriesMin: 100 });

let number = 0;

function run(level: number, entries: number, garbage: Partial<RunDescriptor> = {}): RunDescriptor {
  const sizes = { fileBytes: 1, dataBytes: 1, checksum: 0n };
  return { number: number++, level, entries, deletions: 0, superseded: 0, ...sizes, ...garbage };
}

void t.test('index merge: as many runs of a level as the fan-in become one of the next', async (t) => {
  t.equal(chooseMerge([run(0, 10), run(0, 10), run(1, 30)], OPTIONS), undefined);
  t.match(chooseMerge([run(0, 10), run(0, 10), run(0, 10), run(1, 30)], OPTIONS), {
    first: 0,
    end: 3,
    level: 1,
    withOldest: false,
  });
  t.match(chooseMerge([run(0, 10), run(1, 30), run(1, 30), run(1, 30)], OPTIONS), {
    first: 1,
    end: 4,
    level: 2,
    withOldest: true,
  });
});

void t.test('index merge: a backlog of one level goes in bounded pieces, the oldest first', async (t) => {
  const runs = Array.from({ length: 10 }, () => run(0, 10));
  t.match(chooseMerge(runs, OPTIONS), { first: 4, end: 10, isUrgent: true });
});

void t.test('index merge: half garbage is a reason to rewrite everything, if it is worth it', async (t) => {
  const overwritten = [run(0, 100, { superseded: 60, deletions: 40 }), run(4, 100)];
  t.match(chooseMerge(overwritten, OPTIONS), { first: 0, end: 2, level: 4, withOldest: true });
  t.equal(entriesExpected(overwritten, true), 100);
  t.equal(chooseMerge([run(0, 100, { superseded: 90 }), run(4, 100)], OPTIONS), undefined);
  t.equal(chooseMerge([run(0, 10, { superseded: 10 }), run(4, 10)], OPTIONS), undefined);
});

void t.test(
  'index merge: overwriting and deleting everything leaves no files but those that are kept',
  async (t) => {
    const world = new IndexWorld('garbage');
    await world.run(async () => {
      const { store } = await world.open();
      for (let round = 0; round < 12; round++) {
        for (let i = 0; i < 64; i++) store.set(`key/${i}`, item(`${round}`));
        await store.checkpoint(round, META);
        await store.settled();
        t.ok(store.statistics.entries <= 3 * 64, `round ${round}: ${store.statistics.entries} entries`);
      }
      for (let i = 0; i < 64; i++) store.delete(`key/${i}`);
      await store.checkpoint(20, META);
      await store.settled();
      t.same(contentOf(store), []);
      for (const offset of [21, 22]) await store.checkpoint(offset, META);
      await store.settled();
      t.match(store.statistics, { runs: 0, entries: 0, fileBytes: 0 });
      t.equal((await world.names()).length, 2);
      await store.close();
    });
  },
);

void t.test('index merge: what was set and deleted between two checkpoints is never written', async (t) => {
  const world = new IndexWorld('short-lived');
  await world.run(async () => {
    const { store } = await world.open();
    store.set('stays', item('1'));
    await store.checkpoint(1, META);
    const { checkpointBytes } = store.statistics;
    for (let i = 0; i < 100; i++) {
      store.set(`queue/${i}`, item('queued'));
      store.delete(`queue/${i}`);
    }
    await store.checkpoint(2, META);
    // A filter may let a few of them through.
    t.ok(store.statistics.checkpointBytes - checkpointBytes < 1000);
    t.ok(store.statistics.entries < 20);
    await store.close();
  });
});

void t.test('index merge: a deletion stays as long as an older run may have the key', async (t) => {
  const world = new IndexWorld('deletions', { ...TINY_OPTIONS, garbageEntriesMin: 1000 });
  await world.run(async () => {
    const { store } = await world.open();
    const fill = async (prefix: string): Promise<void> => {
      for (let round = 0; round < 3; round++) {
        for (let i = 0; i < 8; i++) store.set(`${prefix}/${round}/${i}`, item(prefix));
        if (prefix === 'new') store.delete(`old/${round}/1`);
        await store.checkpoint(round, META);
        await store.settled();
      }
    };
    await fill('old');
    t.equal(store.statistics.runs, 1);
    await fill('new');
    t.equal(store.statistics.runs, 2, 'the newer runs were merged without the oldest');
    t.equal(contentOf(store).length, 45);
    t.equal(store.get('old/1/1'), undefined);
    t.equal(store.statistics.entries, 51);
    for (const prefix of ['newer', 'newest']) await fill(prefix);
    t.equal(contentOf(store).length, 93);
    await store.close();
  });
});

void t.test('index merge: each entry is written about once per level', async (t) => {
  const world = new IndexWorld('amplification', { ...TINY_OPTIONS, fanIn: 4 });
  await world.run(async () => {
    const { store } = await world.open();
    for (let round = 0; round < 64; round++) {
      for (let i = 0; i < 50; i++) store.set(`key/${(i * 64 + round) % 3200}`, item('value'));
      await store.checkpoint(round, META);
      await store.settled();
    }
    const { checkpointBytes, mergeBytes, runs } = store.statistics;
    t.equal(runs, 1, '64 runs are three levels of four');
    t.ok(
      mergeBytes < 3.1 * checkpointBytes,
      `${mergeBytes} bytes by merges, ${checkpointBytes} by checkpoints`,
    );
    t.equal(contentOf(store).length, 3200);
    await store.close();
  });
});

void t.test('index merge: files of a view stay until it is closed', async (t) => {
  const world = new IndexWorld('view');
  await world.run(async () => {
    const { store } = await world.open();
    const fill = async (from: number, to: number): Promise<void> => {
      for (let round = from; round <= to; round++) {
        for (let i = 0; i < 64; i++) store.set(`key/${i}`, item(`${round}`));
        await store.checkpoint(round, META);
        await store.settled();
      }
    };
    await fill(1, 2);
    const viewed = (await world.names()).filter((name) => name.startsWith('run'));
    const view = await store.openAt(store.checkpoints.at(-1)!);
    await fill(3, 12);
    t.ok(contentOf(view).every((entry) => entry.endsWith('=2')));
    t.ok((await world.names()).some((name) => viewed.includes(name)));
    await view.close();
    await store.settled();
    t.notOk((await world.names()).some((name) => viewed.includes(name)));
    await store.close();
  });
});

void t.test(
  'index store: a cache that is much smaller than the index changes nothing but the time',
  async (t) => {
    const world = new IndexWorld('cache', { ...TINY_OPTIONS, blockBytes: 1024, blockCacheBytes: 256 * 1024 });
    await world.run(async () => {
      const { store } = await world.open();
      const text = (i: number): string => `value ${i} ${'x'.repeat(i % 300)}`;
      for (let i = 0; i < 6000; i++) {
        store.set(`key/${(i * 7919) % 6000}`, item(text((i * 7919) % 6000)));
        if (i % 1000 === 999) await store.checkpoint(i, META);
      }
      t.ok(store.statistics.fileBytes > 3 * 256 * 1024);
      for (const step of [1, 4799, 31])
        for (let i = 0; i < 6000; i++) {
          const key = (i * step) % 6000;
          if (store.get(`key/${key}`)?.text !== text(key)) t.fail(`key/${key}`);
        }
      await store.close();
    });
  },
);
