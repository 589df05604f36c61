/** Whole directories: measured as they are, and removed without leaving anything behind. */
import t from 'tap';
import type { RemoveReport, TreeUsage, UsageReport } from '../../src/engine/tree-service.js';
import { BUCKET, EngineWorld } from '../support/engine-world.js';
import { makeBody } from '../support/object-model.js';

function usage(world: EngineWorld, path: string, depth = 1): Promise<UsageReport> {
  return world.run(world.admin.trees.usage({ path, depth }));
}

function remove(world: EngineWorld, path: string, recursive = true): Promise<RemoveReport> {
  return world.run(world.admin.trees.remove({ path, recursive }));
}

function sums({ objects, bytes, cachedBytes, dirtyBytes, persistedBytes }: TreeUsage): number[] {
  return [objects, bytes, cachedBytes, dirtyBytes, persistedBytes];
}

void t.test('usage: tells apart what is cached, dirty and persisted, at any depth', async (t) => {
  const world = await EngineWorld.open();
  await world.put('a/x/1', makeBody(1, 100));
  await world.put('a/y/2', makeBody(1, 10));
  await world.drained();
  await world.run(world.admin.free({ path: `/${BUCKET}/a/x/` }));
  world.ufs.setFaults({});
  world.ufs.putOutOfBand(BUCKET, 'b/ufs-only', makeBody(1, 1000));
  world.ufs.arm('unavailable', { operation: 'put', times: 100 });
  await world.put('top', makeBody(1, 1));
  const top = await usage(world, `/${BUCKET}/`);
  t.same(
    top.entries.map(({ path }) => path),
    [`/${BUCKET}/a/`, `/${BUCKET}/b/`, `/${BUCKET}/top`],
  );
  t.same(top.entries.map(sums), [
    [2, 110, 10, 0, 110],
    [1, 1000, 0, 0, 1000],
    [1, 1, 1, 1, 0],
  ]);
  t.same(sums(top.total), [4, 1111, 11, 1, 1110]);
  t.same(
    (await usage(world, `/${BUCKET}/`, 2)).entries.map(({ path }) => path),
    [`/${BUCKET}/a/x/`, `/${BUCKET}/a/y/`, `/${BUCKET}/b/ufs-only`, `/${BUCKET}/top`],
  );
  t.same(
    (await usage(world, '/')).entries.map(({ path, objects }) => [path, objects]),
    [[`/${BUCKET}/`, 4]],
  );
  t.same(
    (await usage(world, `/${BUCKET}/a/x/`)).entries.map(({ path }) => path),
    [`/${BUCKET}/a/x/1`],
  );
  await t.rejects(usage(world, '/nowhere/'), { code: 'NO_SUCH_BUCKET' });
});

void t.test('remove: everything below a directory, over pages, and nothing beside it', async (t) => {
  const world = await EngineWorld.open();
  for (let i = 0; i < 1100; i++)
    world.ufs.putOutOfBand(BUCKET, `dir/${String(i).padStart(4, '0')}`, makeBody(i, 2));
  await world.put('dir/dirty', makeBody(1, 5));
  await world.put('dirt', makeBody(1, 5));
  const report = await remove(world, `/${BUCKET}/dir`);
  t.match(report, { objects: 1101, bytes: 2205, failed: 0, failures: [] });
  t.same(await world.names(), ['dirt']);
  await world.drained();
  t.same(await world.names(), ['dirt']);
  t.match(await remove(world, `/${BUCKET}/dir`), { objects: 0, failed: 0 }, 'again does no harm');
});

void t.test('remove: what cannot be removed is named, and the rest removed', async (t) => {
  const world = await EngineWorld.open();
  await world.put('dir/kept/1', makeBody(1, 5));
  await world.put('dir/gone', makeBody(1, 5));
  await world.setPolicies({ default: 'WRITE_BACK', [`/${BUCKET}/dir/kept/**`]: 'READ_ONLY' });
  const report = await remove(world, `/${BUCKET}/dir/`);
  t.match(report, {
    objects: 1,
    failed: 1,
    failures: [{ path: `/${BUCKET}/dir/kept/1`, code: 'READ_ONLY_PATH', message: String }],
  });
  t.same(await world.names(), ['dir/kept/1']);
});

void t.test('remove: one object by its name, and a mistake in it is told', async (t) => {
  const world = await EngineWorld.open();
  await world.put('dir/key', makeBody(1, 5));
  await t.rejects(remove(world, `/${BUCKET}/dir/kye`, false), { code: 'NO_SUCH_KEY' });
  await t.rejects(remove(world, `/${BUCKET}/dir/`, false), {
    code: 'INVALID_ARGUMENT',
    message: /say recursive/,
  });
  await t.rejects(remove(world, '/', true), { code: 'INVALID_ARGUMENT', message: /is everything/ });
  t.match(await remove(world, `/${BUCKET}/dir/key`, false), { objects: 1, bytes: 5 });
  t.same(await world.names(), []);
});
