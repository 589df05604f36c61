/** The bucket that a mount stands for and that is not made here: when it is not there, and when it is back. */
import t from 'tap';
import { SECOND_MS } from '../../src/core/units.js';
import { BUCKET, bodyOf, EngineWorld } from '../support/engine-world.js';
import { makeBody } from '../support/object-model.js';

const bytes = (seed: number): Buffer => makeBody(seed, 1000);

void t.test('a mount of a bucket that its store does not have is refused, and says so', async (t) => {
  const world = await EngineWorld.open();
  const path = `/${BUCKET}/m`;
  const add = (): Promise<void> =>
    world.run(world.admin.addMount({ path, ufs: 'sim-fixed://misspelt', options: {} }));
  await t.rejects(add(), {
    code: 'NO_SUCH_BUCKET',
    message:
      /^sim-fixed:\/\/misspelt was not mounted at "\/bucket\/m\/?": the store has no bucket "misspelt"/,
  });
  t.same(await world.run(world.admin.mounts()), [], 'nothing is mounted');
  await world.put('m/x', bytes(1));
  await world.drained();
  t.ok(world.inUfs('m/x'), 'the path belongs to the store that it belonged to');
  await world.run(world.ufs.createBucket('misspelt'));
  await add();
  t.equal((await world.run(world.admin.mounts())).length, 1);
});

void t.test('a store that is away, or does not let us look, can be mounted', async (t) => {
  const world = await EngineWorld.open();
  for (const fault of ['unavailable', 'denied'] as const) {
    world.ufs.arm(fault, { operation: 'bucketExists', times: 1 });
    await world.run(
      world.admin.addMount({ path: `/${BUCKET}/${fault}`, ufs: 'sim-fixed://other', options: {} }),
    );
  }
  t.equal((await world.run(world.admin.mounts())).length, 2);
  const unchecked = world.logged.filter(({ message }) => message.includes('could not be checked'));
  t.equal(unchecked.length, 2, 'the log says that they were not checked');
});

void t.test(
  'a bucket that is gone from the store of a mount holds its objects up, and nothing is quarantined',
  async (t) => {
    const world = await EngineWorld.open();
    await world.run(world.ufs.createBucket('lake'));
    const path = `/${BUCKET}/m`;
    await world.run(world.admin.addMount({ path, ufs: 'sim-fixed://lake', options: {} }));
    await world.run(world.ufs.deleteBucket('lake'));
    const count = 20;
    for (let at = 0; at < count; at++) await world.put(`m/${at}`, bytes(at));
    await world.put('elsewhere', bytes(1));
    await world.sleep(30 * SECOND_MS);
    t.same(world.inUfs('elsewhere'), bytes(1), 'other stores go on');
    t.equal(world.state.uploads.pending, count);
    t.equal(world.state.uploads.quarantined, 0);
    const { summary, details } = await world.run(
      world.admin.inspection.explain({ bucket: BUCKET, key: 'm/0' }),
    );
    t.match(summary, /upload attempt 1 failed because the store has no bucket "lake".*NO_SUCH_BUCKET/);
    t.match(details.join('\n'), /takes nothing now, and said why: the store has no bucket "lake"/);
    const last = await world.run(world.admin.inspection.explain({ bucket: BUCKET, key: `m/${count - 1}` }));
    t.match(last.details.join('\n'), /the store has no bucket "lake"/, 'also of one that was not tried');
    await world.restart();
    await world.sleep(5 * SECOND_MS);
    t.equal(world.state.uploads.quarantined, 0);
    await world.run(world.ufs.createBucket('lake'));
    await world.drained();
    t.equal(world.ufs.contents('lake').size, count, 'it goes on by itself when the bucket is back');
  },
);

void t.test('a write through to a mount whose bucket is gone meets an outage, which says why', async (t) => {
  const world = await EngineWorld.open({ policies: { default: 'WRITE_THROUGH' } });
  await world.run(world.ufs.createBucket('lake'));
  await world.run(world.admin.addMount({ path: `/${BUCKET}/m`, ufs: 'sim-fixed://lake', options: {} }));
  await world.run(world.ufs.deleteBucket('lake'));
  await t.rejects(world.put('m/x', bytes(1)), {
    code: 'UFS_UNAVAILABLE',
    message: /no bucket "lake": create it there/,
  });
  t.equal(await world.read('m/x'), undefined);
  await world.run(world.ufs.createBucket('lake'));
  await world.put('m/x', bytes(2));
  t.same(world.ufs.contents('lake').size, 1);
});

void t.test('a write through to a mounted directory that is not there yet makes it', async (t) => {
  const world = await EngineWorld.open({ policies: { default: 'WRITE_THROUGH' } });
  await world.run(world.admin.addMount({ path: '/whole', ufs: 'sim://directory', options: {} }));
  const headers = { system: {}, user: {} };
  const body = bodyOf(bytes(1));
  await world.run(world.objects.putObject({ bucket: 'whole', key: 'x', body, headers }));
  t.ok(world.ufs.contents('directory').has('x'));
});

void t.test('a listing of a mount whose bucket is gone is an outage, not an empty bucket', async (t) => {
  const world = await EngineWorld.open({ policies: { default: 'WRITE_THROUGH' } });
  await world.run(world.ufs.createBucket('lake'));
  await world.run(world.admin.addMount({ path: `/${BUCKET}/m`, ufs: 'sim-fixed://lake', options: {} }));
  t.same(await world.names({ prefix: 'm/' }), []);
  await world.run(world.ufs.deleteBucket('lake'));
  await t.rejects(world.names({ prefix: 'm/' }), {
    code: 'UFS_UNAVAILABLE',
    message: /no bucket "lake": create it there/,
  });
  await world.run(world.admin.addMount({ path: '/whole', ufs: 'sim://directory', options: {} }));
  const all = { bucket: 'whole', prefix: '', delimiter: '', startAfter: '', maxKeys: 10 };
  const page = await world.run(world.objects.listObjects(all));
  t.same(page.entries, [], 'a directory that is not there yet is empty');
});
