/** Listings: the merge of what the UFS holds and what the cache knows, the same whatever the pages. */
import fc from 'fast-check';
import t from 'tap';
import { SECOND_MS } from '../../src/core/units.js';
import { BUCKET, EngineWorld } from '../support/engine-world.js';
import { makeBody } from '../support/object-model.js';

/** In UTF-8 order. Some differ only above U+FFFF, where UTF-16 order is another. */
const NAMES = [
  '!',
  'a',
  'a-b',
  'a/',
  'a/1',
  'a/2/x',
  'a/2/y',
  'a/3',
  'ab',
  'b',
  'b/',
  'b/1/',
  'b/1/z',
  'c\u007f',
  'd/ä/1',
  'd/ä/2',
  'd/\uffee',
  'd/\u{1f600}/1',
  'e',
];
const utf8 = (a: string, b: string): number => Buffer.compare(Buffer.from(a), Buffer.from(b));

type Place = 'none' | 'ufs' | 'cached' | 'dirty' | 'deleting' | 'overwritten';
const PLACES: readonly Place[] = ['none', 'ufs', 'cached', 'dirty', 'deleting', 'overwritten'];

/** A world in which each name is where the test wants it, and stays there. */
async function worldWith(places: ReadonlyMap<string, Place>): Promise<EngineWorld> {
  const world = await EngineWorld.open({ ufs: { shortPages: 0.3 } });
  const names = (...wanted: Place[]): string[] =>
    [...places].filter(([, place]) => wanted.includes(place)).map(([name]) => name);
  for (const name of names('ufs')) world.ufs.putOutOfBand(BUCKET, name, Buffer.from('foreign'));
  for (const name of names('cached', 'deleting', 'overwritten')) await world.put(name, makeBody(1, 10));
  await world.drained();
  world.ufs.arm('unavailable', { operation: 'put', times: 1e9 });
  world.ufs.arm('unavailable', { operation: 'delete', times: 1e9 });
  for (const name of names('dirty', 'overwritten')) await world.put(name, makeBody(2, 20));
  for (const name of names('deleting')) await world.delete(name);
  return world;
}

/** What S3 lists of these keys. */
function expected(keys: readonly string[], prefix: string, delimiter: string, startAfter: string): string[] {
  const found: string[] = [];
  for (const key of [...keys].sort(utf8)) {
    if (!key.startsWith(prefix) || utf8(key, startAfter) <= 0) continue;
    const at = delimiter === '' ? -1 : key.indexOf(delimiter, prefix.length);
    const name = at < 0 ? key : key.slice(0, at + delimiter.length);
    if (found.at(-1) !== name) found.push(name);
  }
  return found;
}

void t.test('listing: whatever is where, every page size gives the same whole list', async (t) => {
  const arrangement = fc.array(fc.constantFrom(...PLACES), {
    minLength: NAMES.length,
    maxLength: NAMES.length,
  });
  const holds = fc.assert(
    fc.asyncProperty(arrangement, async (chosen) => {
      const places = new Map(NAMES.map((name, at) => [name, chosen[at] ?? 'none']));
      const world = await worldWith(places);
      const keys = NAMES.filter((name) => !['none', 'deleting'].includes(places.get(name) ?? 'none'));
      for (const [prefix, delimiter, startAfter] of [
        ['', '', ''],
        ['', '/', ''],
        ['a', '/', ''],
        ['a/', '/', ''],
        ['d/', '/', ''],
        ['', '', 'a/2/x'],
        ['', '/', 'a/2/x'],
        ['', 'b', ''],
      ] as const) {
        const want = expected(keys, prefix, delimiter, startAfter);
        for (const maxKeys of [1, 2, 3, 7, 1000]) {
          const names = await world.names({ prefix, delimiter, startAfter, maxKeys });
          if (JSON.stringify(names) !== JSON.stringify(want))
            throw new Error(
              `prefix "${prefix}" delimiter "${delimiter}" after "${startAfter}" by ${maxKeys}: ` +
                `${JSON.stringify(names)} instead of ${JSON.stringify(want)}`,
            );
        }
      }
    }),
    { numRuns: 12, seed: 42 },
  );
  await t.resolves(holds);
});

void t.test('listing: sizes and ETags are those of the newest version', async (t) => {
  const world = await worldWith(
    new Map<string, Place>([
      ['cached', 'cached'],
      ['overwritten', 'overwritten'],
      ['foreign', 'ufs'],
    ]),
  );
  t.match(await world.list(), [
    { key: 'cached', size: 10, persisted: true },
    { key: 'foreign', size: 7, persisted: true },
    { key: 'overwritten', size: 20, persisted: false },
  ]);
});

void t.test(
  'listing: a prefix below which everything is deleted is not listed, before and after the UFS knows',
  async (t) => {
    const world = await EngineWorld.open();
    for (const key of ['a/1', 'a/2', 'b/1', 'c']) await world.put(key, makeBody(1, 10));
    await world.drained();
    world.ufs.arm('unavailable', { operation: 'delete', times: 4 });
    await world.run(world.objects.deleteObjects(BUCKET, ['a/1', 'a/2']));
    for (let i = 0; i < 100; i++) {
      t.same(await world.names({ delimiter: '/' }), ['b/', 'c']);
      t.same(await world.names({ prefix: 'a/', delimiter: '/' }), []);
      await world.sleep(world.random.between(0, 200));
    }
    t.same([...world.ufs.contents(BUCKET).keys()], ['b/1', 'c'], 'the deletes arrived meanwhile');
  },
);

void t.test(
  'listing: an object that is evicted or whose delete arrives while it runs is shown as it is',
  async (t) => {
    for (let seed = 1; seed <= 20; seed++) {
      const world = await EngineWorld.open({ seed, ufs: { shortPages: 0.7 } });
      const kept = Array.from({ length: 12 }, (_, i) => `kept/${String(i).padStart(2, '0')}`);
      const gone = Array.from({ length: 12 }, (_, i) => `gone/${String(i).padStart(2, '0')}`);
      for (const key of [...kept, ...gone]) await world.put(key, makeBody(1, 10));
      if (seed % 2 === 0) await world.drained();
      await world.run(world.objects.deleteObjects(BUCKET, gone));
      const lists = Array.from({ length: 10 }, async () => {
        await world.clock.sleep(world.random.between(0, 60));
        const page = await world.objects.listObjects({
          bucket: BUCKET,
          prefix: '',
          delimiter: world.random.pick(['', '/']),
          startAfter: '',
          maxKeys: 1000,
        });
        return page.entries.map((entry) => (entry.kind === 'object' ? entry.key : entry.prefix));
      });
      const frees = Array.from({ length: 8 }, async () => {
        await world.clock.sleep(world.random.between(0, 60));
        await world.admin.free({});
      });
      const [results] = await world.run(Promise.all([Promise.all(lists), Promise.all(frees)]));
      for (const names of results)
        t.ok(
          JSON.stringify(names) === JSON.stringify(kept) ||
            JSON.stringify(names) === JSON.stringify(['kept/']),
          `seed ${seed}: ${names.join(' ')}`,
        );
    }
  },
);

void t.test(
  'listing: what is evicted between two pages of the UFS is listed once, in its place',
  async (t) => {
    for (let seed = 1; seed <= 20; seed++) {
      const world = await EngineWorld.open({ seed, ufs: { shortPages: 1 } });
      const keys = Array.from({ length: 20 }, (_, i) => `key-${String(i).padStart(2, '0')}`);
      for (const key of keys) await world.put(key, makeBody(1, 10));
      await world.drained();
      const listing = world.objects.listObjects({
        bucket: BUCKET,
        prefix: '',
        delimiter: '',
        startAfter: '',
        maxKeys: 1000,
      });
      await world.sleep(world.random.between(15, 60));
      const [page] = await world.run(Promise.all([listing, world.admin.free({})]));
      t.same(
        page.entries.map((entry) => (entry.kind === 'object' ? entry.key : entry.prefix)),
        keys,
        `seed ${seed}`,
      );
    }
  },
);

void t.test('listing: is strong beside writes; what was acknowledged before it is in it', async (t) => {
  const world = await EngineWorld.open();
  for (let i = 0; i < 60; i++) {
    const key = `key-${i % 7}`;
    const isDelete = world.random.chance(0.4);
    if (isDelete) await world.delete(key);
    else await world.put(key, makeBody(i, 10));
    t.equal((await world.names()).includes(key), !isDelete, `${key} after step ${i}`);
    await world.sleep(world.random.between(0, 50));
    if (world.random.chance(0.2)) await world.run(world.admin.free({}));
  }
});

void t.test('listing: TRANSIENT objects are listed, what the UFS has on their path is not', async (t) => {
  const world = await EngineWorld.open({
    policies: { default: 'WRITE_BACK', [`/${BUCKET}/t/**`]: 'TRANSIENT' },
  });
  world.ufs.putOutOfBand(BUCKET, 't/foreign', Buffer.from('x'));
  await world.put('t/here', makeBody(1, 10));
  t.same(await world.names(), ['t/here']);
  t.equal(await world.read('t/foreign'), undefined);
});

void t.test('listing: ends with an error, not with a part, when the UFS is away', async (t) => {
  const world = await EngineWorld.open();
  await world.put('key', makeBody(1, 10));
  await world.sleep(SECOND_MS);
  world.ufs.setFaults({ unavailable: 1 });
  await t.rejects(world.names(), { code: 'UFS_UNAVAILABLE' });
});
