/** Mounts, also inside each other: whose object is whose, what a listing shows, and what removing one does. */
import t from 'tap';
import { MIB, SECOND_MS } from '../../src/core/units.js';
import { BUCKET, codeOf, EngineWorld } from '../support/engine-world.js';
import { makeBody } from '../support/object-model.js';

const bytes = (seed: number): Buffer => makeBody(seed, 1000);

/** The bucket, in it `a/` elsewhere, and in that `a/b/` elsewhere again. */
async function nestedWorld(options: Parameters<typeof EngineWorld.open>[0] = {}): Promise<EngineWorld> {
  const world = await EngineWorld.open(options);
  for (const [bucket, key] of [
    [BUCKET, '0'],
    [BUCKET, 'a/hidden'],
    [BUCKET, 'a/b/hidden'],
    [BUCKET, 'b'],
    [BUCKET, 'c/d'],
    ['outer', 'x/1'],
    ['outer', 'x/b/hidden'],
    ['outer', 'x/c'],
    ['outer', 'elsewhere'],
    ['inner', '2'],
    ['inner', 'y/3'],
  ] as const)
    world.ufs.putOutOfBand(bucket, key, bytes(1));
  await world.run(world.admin.addMount({ path: `/${BUCKET}/a`, ufs: 'sim://outer/x/', options: {} }));
  await world.run(world.admin.addMount({ path: `/${BUCKET}/a/b/`, ufs: 'sim://inner', options: {} }));
  return world;
}

const ALL = ['0', 'a/1', 'a/b/2', 'a/b/y/3', 'a/c', 'b', 'c/d'];

void t.test(
  'nested mounts: the longest path that contains an object wins, for reads and writes',
  async (t) => {
    const world = await nestedWorld({ policies: { default: 'WRITE_THROUGH' } });
    await world.put('a/new', bytes(2));
    await world.put('a/b/new', bytes(3));
    t.ok(world.ufs.contents('outer').has('x/new'));
    t.ok(world.ufs.contents('inner').has('new'));
    t.notOk(world.ufs.contents(BUCKET).has('a/new'));
    t.same(await world.read('a/b/y/3'), bytes(1));
    t.equal(await world.read('a/hidden'), undefined);
    await world.delete('a/1');
    t.notOk(world.ufs.contents('outer').has('x/1'));
    await world.restart();
    t.same(await world.read('a/b/2'), bytes(1), 'mounts come back after a restart');
  },
);

void t.test(
  'nested mounts: a listing merges them, whatever its prefix, delimiter, start and page size',
  async (t) => {
    const world = await nestedWorld();
    for (let maxKeys = 1; maxKeys <= 8; maxKeys++) {
      t.same(await world.names({ maxKeys }), ALL, `pages of ${maxKeys}`);
      t.same(await world.names({ maxKeys, delimiter: '/' }), ['0', 'a/', 'b', 'c/']);
      t.same(await world.names({ maxKeys, prefix: 'a/', delimiter: '/' }), ['a/1', 'a/b/', 'a/c']);
      t.same(await world.names({ maxKeys, prefix: 'a' }), ALL.slice(1, 5));
      t.same(await world.names({ maxKeys, prefix: 'a/b/' }), ['a/b/2', 'a/b/y/3']);
      t.same(await world.names({ maxKeys, prefix: 'a/b/y' }), ['a/b/y/3']);
      for (const startAfter of ['0', 'a/', 'a/1', 'a/b/', 'a/b/2', 'a/b/z', 'a/c', 'b'])
        t.same(
          await world.names({ maxKeys, startAfter }),
          ALL.filter((key) => key > startAfter),
        );
    }
  },
);

void t.test('nested mounts: what only hidden objects have is no directory', async (t) => {
  const world = await EngineWorld.open();
  world.ufs.putOutOfBand(BUCKET, 'a/hidden', bytes(1));
  world.ufs.putOutOfBand(BUCKET, 'c/m/hidden', bytes(1));
  world.ufs.putOutOfBand('outer', 'elsewhere', bytes(1));
  world.ufs.deleteOutOfBand('outer', 'elsewhere');
  await world.run(world.admin.addMount({ path: `/${BUCKET}/a`, ufs: 'sim://outer/a/', options: {} }));
  await world.run(world.admin.addMount({ path: `/${BUCKET}/c/m`, ufs: 'sim://outer/m/', options: {} }));
  t.same(await world.names({ delimiter: '/' }), []);
  t.same(await world.names(), []);
  await world.put('c/m/dirty', bytes(2));
  t.same(await world.names({ delimiter: '/' }), ['c/'], 'dirty objects of a mount appear');
  await world.drained();
  t.same(await world.names({ delimiter: '/' }), ['c/']);
  world.ufs.putOutOfBand(BUCKET, 'c/shown', bytes(1));
  t.same(await world.names({ delimiter: '/' }), ['c/']);
});

void t.test('a mount with something dirty below it is not removed unless it is drained', async (t) => {
  const world = await nestedWorld();
  world.ufs.arm('unavailable', { operation: 'put', times: 1000 });
  await world.put('a/dirty', bytes(2));
  const path = `/${BUCKET}/a`;
  t.equal(await codeOf(world.run(world.admin.removeMount({ path }))), 'INVALID_ARGUMENT');
  t.equal(
    await codeOf(world.run(world.admin.removeMount({ path, drain: true, timeoutMs: 5 * SECOND_MS }))),
    'INVALID_ARGUMENT',
  );
  t.same(world.ufs.contents(BUCKET).has('a/dirty'), false);
  t.equal((await world.run(world.admin.mounts())).length, 2, 'a drain that failed leaves it mounted');
  world.ufs.setFaults({});
  const removed = await world.run(world.admin.removeMount({ path, drain: true }));
  t.same(removed, { path, lostObjects: 0, lostBytes: 0, lostDeletes: 0 });
  t.ok(world.ufs.contents('outer').has('x/dirty'), 'it is where it belongs');
  t.equal(await world.read('a/dirty'), undefined, 'and no longer seen');
  t.same(await world.read('a/hidden'), bytes(1), 'what was hidden is seen again');
  t.same(await world.read('a/b/2'), bytes(1), 'a mount inside stays');
});

void t.test(
  'a mount that is removed by force says what is lost, and it is neither here nor there',
  async (t) => {
    const world = await nestedWorld();
    await world.drained();
    world.ufs.arm('unavailable', { operation: 'put', times: 1000 });
    world.ufs.arm('unavailable', { operation: 'delete', times: 1000 });
    await world.put('a/dirty', bytes(2));
    await world.put('a/big', makeBody(3, MIB));
    await world.put('a/b/inner', bytes(4));
    await world.delete('a/1');
    const removed = await world.run(world.admin.removeMount({ path: `/${BUCKET}/a`, force: true }));
    t.same(removed, { path: `/${BUCKET}/a`, lostObjects: 2, lostBytes: MIB + 1000, lostDeletes: 1 });
    world.ufs.setFaults({});
    await world.drained();
    t.equal(await world.read('a/dirty'), undefined);
    t.notOk(world.ufs.contents(BUCKET).has('a/dirty'), 'it does not go to the store of the bucket');
    t.ok(world.ufs.contents('outer').has('x/1'), 'nor does the delete happen');
    t.ok(world.ufs.contents('inner').has('inner'), 'a mount inside keeps what is its own');
    t.equal(world.engine.core.admission.pinnedBytes, 0);
    t.ok((await world.run(world.admin.verify({ data: true }))).ok);
  },
);

void t.test(
  'adding a mount: cached copies of what it hides are given up, dirty ones refuse it',
  async (t) => {
    const world = await EngineWorld.open();
    world.ufs.putOutOfBand('other', 'key', bytes(9));
    await world.put('m/key', bytes(1));
    world.ufs.arm('unavailable', { operation: 'put', times: 1000 });
    await world.put('m/dirty', bytes(2));
    const mount = { path: `/${BUCKET}/m`, ufs: 'sim://other', options: {} };
    t.equal(await codeOf(world.run(world.admin.addMount(mount))), 'INVALID_ARGUMENT');
    world.ufs.setFaults({});
    await world.drained();
    await world.run(world.admin.addMount(mount));
    t.same(await world.read('m/key'), bytes(9));
    t.equal(
      await codeOf(world.run(world.admin.addMount(mount))),
      'INVALID_ARGUMENT',
      'it is mounted already',
    );
    t.equal(await codeOf(world.run(world.admin.removeMount({ path: '/none' }))), 'INVALID_ARGUMENT');
    await world.run(world.admin.removeMount({ path: `/${BUCKET}/m/` }));
    t.same(await world.read('m/key'), bytes(1), 'and back again');
  },
);

void t.test('a mount that was removed while its store was away does not count as away', async (t) => {
  const world = await EngineWorld.open();
  world.ufs.putOutOfBand('other', 'x', bytes(1));
  const path = `/${BUCKET}/m`;
  await world.run(world.admin.addMount({ path, ufs: 'sim://other', options: {} }));
  world.ufs.arm('unavailable', { operation: 'put', bucket: 'other', times: 100 });
  world.ufs.arm('unavailable', { operation: 'check', times: 1000 });
  await world.put('m/x', bytes(2));
  await world.until(() => !world.engine.persister.storesAnswer || world.state.uploads.pending === 1);
  await world.sleep(3 * SECOND_MS);
  await world.run(world.admin.removeMount({ path, force: true }));
  await world.put('y', bytes(3));
  await world.drained();
  t.ok(world.engine.persister.storesAnswer, 'the root answers');
});

void t.test('what is written while a mount is opened is not taken to the wrong store', async (t) => {
  const world = await EngineWorld.open({ mountDelayMs: SECOND_MS });
  world.ufs.putOutOfBand('other', 'x', bytes(1));
  world.ufs.putOutOfBand(BUCKET, 'm/x', bytes(2));
  world.ufs.setFaults({ unavailable: 1 });
  const adding = codeOf(world.admin.addMount({ path: `/${BUCKET}/m`, ufs: 'sim://other', options: {} }));
  await world.sleep(SECOND_MS / 2);
  await world.delete('m/x');
  const code = await world.run(adding);
  world.ufs.setFaults({});
  await world.drained();
  t.ok(world.ufs.contents('other').has('x'), 'the delete was of another object');
  t.equal(code, 'INVALID_ARGUMENT');
  t.same(await world.run(world.admin.mounts()), [], 'it is not mounted');
});

for (const change of ['added', 'removed'] as const) {
  void t.test(`a crash just after a mount was ${change} leaves no copies of the other store`, async (t) => {
    const world = await EngineWorld.open();
    world.ufs.putOutOfBand('other', 'x', bytes(1));
    world.ufs.putOutOfBand(BUCKET, 'm/x', bytes(2));
    const path = `/${BUCKET}/m`;
    const add = (): Promise<void> => world.admin.addMount({ path, ufs: 'sim://other', options: {} });
    if (change === 'removed') await world.run(add());
    await world.read('m/x');
    await world.until(() => world.state.cache.objects === 1);
    const changed = new Promise<void>((resolve) =>
      world.engine.core.control.listen(({ type }) => {
        if (type === 'MountAdded' || type === 'MountRemoved') resolve();
      }),
    );
    void (change === 'added' ? add() : world.admin.removeMount({ path }));
    await world.run(changed);
    world.kill();
    await world.start();
    t.same(await world.read('m/x'), change === 'added' ? bytes(1) : bytes(2));
    t.same([...world.engine.core.control.state.unsettledMounts], []);
  });
}

void t.test('a write through a mount that changes meanwhile is not shown as if it were there', async (t) => {
  const world = await EngineWorld.open({
    policies: { default: 'WRITE_THROUGH' },
    ufs: { latencyMs: { min: 400, max: 500 } },
  });
  world.ufs.putOutOfBand('other', 'x', bytes(1));
  // The store is looked at while the write is on its way.
  const adding = world.admin.addMount({ path: `/${BUCKET}/m`, ufs: 'sim://other', options: {} });
  await world.sleep(200);
  const written = codeOf(world.beginPut('m/x', bytes(2)));
  await world.run(adding);
  t.equal(await world.run(written), 'SLOW_DOWN');
  t.same(await world.read('m/x'), bytes(1));
});

void t.test('a mount path that is none is refused, and says which part of it is wrong', async (t) => {
  const world = await EngineWorld.open();
  for (const [path, message] of [
    ['nowhere', /"nowhere" is not of the form \/<bucket> or \/<bucket>\/<prefix>$/],
    ['//prefix', /is not of the form/],
    ['/b', /begins with "b", which is no bucket name: 3 to 63 lower-case letters/],
    ['/Upper/prefix', /begins with "Upper", which is no bucket name/],
  ] as const) {
    const adding = world.run(world.admin.addMount({ path, ufs: 'sim://other', options: {} }));
    await t.rejects(adding, { code: 'INVALID_ARGUMENT', message });
  }
});
