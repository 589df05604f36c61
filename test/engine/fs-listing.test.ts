/** `fs ls`: the same entries, whatever the pages. */
import t from 'tap';
import { EngineWorld } from '../support/engine-world.js';
import { makeBody } from '../support/object-model.js';

void t.test('fs: buckets, and everything below them, come in pages of any size', async (t) => {
  const world = await EngineWorld.open();
  for (const name of ['aaa', 'zzz', 'mmm']) await world.run(world.objects.createBucket(name));
  for (const key of ['d/1', 'd/2', 'e']) await world.put(key, makeBody(1, 10));
  const headers = { system: {}, user: {} };
  await world.run(
    world.objects.putObject({
      bucket: 'mmm',
      key: 'k',
      headers,
      body: { kind: 'chunks', chunks: [makeBody(1, 5)], size: 5 },
    }),
  );
  const all = async (path: string, recursive: boolean, limit: number): Promise<string[]> => {
    const paths: string[] = [];
    for (let startAfter = ''; ;) {
      const page = await world.run(world.admin.list({ path, startAfter, limit, recursive }));
      t.ok(page.length <= limit, `at most ${limit}, not ${page.length}`);
      paths.push(...page.map((entry) => entry.path));
      const last = page.at(-1);
      if (last === undefined || page.length < limit) return paths;
      startAfter = last.path;
    }
  };
  const buckets = ['/aaa/', '/bucket/', '/mmm/', '/zzz/'];
  const objects = ['/bucket/d/1', '/bucket/d/2', '/bucket/e', '/mmm/k'];
  for (const limit of [1, 2, 3, 4, 5, 100]) {
    t.same(await all('/', false, limit), buckets, `buckets by ${limit}`);
    t.same(await all('/', true, limit), objects, `objects by ${limit}`);
  }
  t.same(await all('/bucket/', false, 100), ['/bucket/d/', '/bucket/e']);
});
