/** What each policy promises for PUT, GET and DELETE, and what is left when the UFS does not take part. */
import t from 'tap';
import { MIB, SECOND_MS } from '../../src/core/units.js';
import { BUCKET, EngineWorld, bodyOf, codeOf } from '../support/engine-world.js';
import { makeBody } from '../support/object-model.js';

const HEADERS = {
  system: { 'content-type': 'text/plain', 'cache-control': 'no-cache' },
  user: { colour: 'blue' },
  tags: { a: '1' },
};
const SMALL = makeBody(1, 10_000);
const LARGE = makeBody(2, 700_000);
const OTHER = makeBody(3, 12_345);

for (const [name, body] of [
  ['small', SMALL],
  ['large', LARGE],
  ['empty', Buffer.alloc(0)],
] as const) {
  void t.test(`WRITE_THROUGH: a ${name} PUT is acknowledged only when the UFS has it`, async (t) => {
    const world = await EngineWorld.open({ policies: { default: 'WRITE_THROUGH' } });
    const put = world.beginPut('key', body, { headers: HEADERS });
    let acknowledged = false;
    put.then(
      () => (acknowledged = true),
      () => undefined,
    );
    while (!acknowledged) {
      await world.sleep(0.2);
      if (acknowledged) t.same(world.inUfs('key'), body, 'the UFS has it at the acknowledgement');
    }
    const read = await world.get('key');
    t.same(read?.body, body);
    t.match(read?.object, { headers: HEADERS, state: 'PERSISTED', policy: 'WRITE_THROUGH' });
    t.equal(world.state.uploads.pending, 0, 'nothing waits to be persisted');
    t.equal(world.engine.core.admission.pinnedBytes, 0);
    await world.delete('key');
    t.equal(world.inUfs('key'), undefined, 'a DELETE is acknowledged when the UFS has it no more');
    t.equal(await world.read('key'), undefined);
  });

  void t.test(`WRITE_BACK: a ${name} PUT is acknowledged without the UFS and persisted later`, async (t) => {
    const world = await EngineWorld.open();
    world.ufs.arm('unavailable', { operation: 'put', times: 1000 });
    const receipt = await world.put('key', body, { headers: HEADERS });
    t.equal(world.inUfs('key'), undefined);
    t.same(await world.read('key'), body);
    t.match(await world.list(), [{ key: 'key', size: body.length, etag: receipt.etag, persisted: false }]);
    world.ufs.setFaults({});
    await world.drained();
    t.same(world.inUfs('key'), body);
    const held = world.ufs.contents(BUCKET).get('key');
    t.match(held, { etag: receipt.etag, lastModifiedMs: receipt.lastModifiedMs, headers: HEADERS });
    t.match(await world.list(), [{ key: 'key', persisted: true }]);
    world.ufs.arm('unavailable', { operation: 'delete', times: 1000 });
    await world.delete('key');
    t.equal(await world.read('key'), undefined, 'a DELETE hides it at once');
    t.same(await world.list(), []);
    t.same(world.inUfs('key'), body, 'though the UFS still has it');
    world.ufs.setFaults({});
    await world.drained();
    t.equal(world.inUfs('key'), undefined);
  });

  void t.test(
    `TRANSIENT: a ${name} object never touches the UFS and is neither evicted nor freed`,
    async (t) => {
      const world = await EngineWorld.open({ policies: { default: 'TRANSIENT' } });
      await world.put('key', body, { headers: HEADERS });
      await world.sleep(60 * SECOND_MS);
      await world.run(world.admin.free({}));
      t.not(await world.run(world.engine.core.admission.reserve(7 * MIB)), undefined);
      t.same(await world.read('key'), body);
      t.equal(world.engine.core.admission.pinnedBytes, body.length + 7 * MIB);
      await world.restart();
      t.same(await world.read('key'), body);
      await world.delete('key');
      t.equal(await world.read('key'), undefined);
      await world.sleep(60 * SECOND_MS);
      t.same(world.ufs.history, [], 'the UFS never heard of it');
      t.equal(world.engine.core.admission.pinnedBytes, 0);
    },
  );

  void t.test(`NO_CACHE: a ${name} PUT and GET go to the UFS and leave nothing here`, async (t) => {
    const world = await EngineWorld.open({ policies: { default: 'NO_CACHE' } });
    const receipt = await world.put('key', body, { headers: HEADERS });
    t.equal(receipt.offset, undefined, 'nothing was logged');
    t.same(world.inUfs('key'), body);
    const read = await world.get('key');
    t.same(read?.body, body);
    t.match(read?.object, { headers: HEADERS, etag: receipt.etag });
    t.equal(world.state.cache.objects, 0);
    t.equal(world.engine.core.segments.statistics.payloadBytes, 0, 'no byte was written here');
    t.match(await world.names(), ['key']);
    await world.delete('key');
    t.equal(world.inUfs('key'), undefined);
  });
}

for (const fault of ['unavailable', 'denied', 'throttled'] as const) {
  void t.test(`WRITE_THROUGH: a UFS that is ${fault} leaves the old version, here and there`, async (t) => {
    const world = await EngineWorld.open({ policies: { default: 'WRITE_THROUGH' } });
    for (const [key, old] of [
      ['small', SMALL],
      ['large', LARGE],
    ] as const) {
      await world.put(key, old);
      const before = await world.get(key);
      world.ufs.setFaults({ [fault]: 1 });
      t.match(await codeOf(world.put(key, OTHER)), /^UFS_/);
      const after = await world.get(key);
      t.same(after?.body, old, 'the cached copy is served while the UFS is away');
      t.match(after?.object, { etag: before?.object.etag, lastModifiedMs: before?.object.lastModifiedMs });
      t.match(await codeOf(world.delete(key)), /^UFS_/);
      t.same(await world.read(key), old, 'also after a DELETE that failed');
      world.ufs.setFaults({});
      t.same(world.inUfs(key), old);
      t.same(await world.read(key), old);
    }
    const report = await world.run(world.admin.verify({ data: true }));
    t.ok(report.ok, report.problems.join('; '));
    t.equal(world.engine.core.admission.reservedBytes, 0);
    t.equal(world.state.orphans.size, 0, 'no write is left open');
  });
}

void t.test('WRITE_THROUGH: a first PUT that the UFS refuses leaves nothing behind', async (t) => {
  const world = await EngineWorld.open({ policies: { default: 'WRITE_THROUGH' } });
  world.ufs.setFaults({ unavailable: 1 });
  for (const body of [SMALL, LARGE]) t.equal(await codeOf(world.put('key', body)), 'UFS_UNAVAILABLE');
  world.ufs.setFaults({});
  t.equal(await world.read('key'), undefined);
  t.same(await world.names(), []);
  await world.sleep(10 * SECOND_MS);
  await world.run(world.admin.free({}));
  t.equal(world.liveBytes, 0);
  t.ok(world.fileBytes < SMALL.length, `${world.fileBytes} bytes of files are left`);
});

void t.test(
  'WRITE_THROUGH: an answer that was lost is an error, and what the UFS did is what is served',
  async (t) => {
    const world = await EngineWorld.open({ policies: { default: 'WRITE_THROUGH' } });
    await world.put('key', SMALL);
    world.ufs.arm('lostAnswer', { operation: 'put' });
    t.equal(await codeOf(world.put('key', OTHER)), 'UFS_UNKNOWN_OUTCOME');
    t.same(world.inUfs('key'), OTHER);
    t.same(await world.read('key'), OTHER);
    world.ufs.arm('reset', { operation: 'put' });
    t.equal(await codeOf(world.put('key', SMALL)), 'UFS_UNKNOWN_OUTCOME');
    t.same(await world.read('key'), OTHER);
  },
);

void t.test(
  'WRITE_THROUGH: a UFS that hangs is given up after the deadline, and nothing is held',
  async (t) => {
    const world = await EngineWorld.open({ policies: { default: 'WRITE_THROUGH' } });
    world.ufs.arm('hang', { operation: 'put' });
    t.equal(await codeOf(world.put('key', LARGE)), 'UFS_UNAVAILABLE');
    t.equal(world.engine.core.admission.reservedBytes, 0);
    await world.put('key', SMALL);
    t.same(await world.read('key'), SMALL, 'the object is not locked');
  },
);

void t.test(
  'READ_ONLY: every write, delete and multipart call is refused, and reads are served',
  async (t) => {
    const world = await EngineWorld.open({ policies: { default: 'WRITE_BACK' } });
    await world.put('key', SMALL);
    const uploadId = await world.createUpload('multi');
    const part = await world.putPart('multi', uploadId, 1, SMALL);
    await world.drained();
    await world.setPolicies({ default: 'READ_ONLY' });
    const headers = { system: {}, user: {} };
    const target = { bucket: BUCKET, key: 'multi', uploadId };
    const source = { bucket: BUCKET, key: 'key' };
    const calls = {
      put: () => world.objects.putObject({ bucket: BUCKET, key: 'new', body: bodyOf(SMALL), headers }),
      putLarge: () => world.objects.putObject({ bucket: BUCKET, key: 'new', body: bodyOf(LARGE), headers }),
      copy: () => world.objects.copyObject({ bucket: BUCKET, key: 'new', source }),
      delete: () => world.objects.deleteObject(BUCKET, 'key'),
      tags: () => world.objects.setObjectTags(BUCKET, 'key', {}),
      create: () => world.objects.createUpload({ bucket: BUCKET, key: 'new', headers }),
      part: () => world.objects.putPart({ ...target, partNumber: 2, body: bodyOf(SMALL) }),
      partCopy: () => world.objects.copyPart({ ...target, partNumber: 2, source }),
      complete: () => world.objects.completeUpload({ ...target, parts: [part] }),
      abort: () => world.objects.abortUpload(BUCKET, 'multi', uploadId),
      createBucket: () => world.objects.createBucket('another'),
      deleteBucket: () => world.objects.deleteBucket(BUCKET),
    };
    for (const [name, call] of Object.entries(calls))
      t.equal(await codeOf(world.run<unknown>(call())), 'READ_ONLY_PATH', name);
    const { errors } = await world.run(world.objects.deleteObjects(BUCKET, ['key']));
    const [refused] = errors;
    t.match(refused, { code: 'READ_ONLY_PATH' });
    t.same(await world.read('key'), SMALL);
    t.same(world.inUfs('key'), SMALL);
    t.same(await world.names(), ['key']);
  },
);

void t.test(
  'without the write cache every rule that keeps un-persisted data means WRITE_THROUGH',
  async (t) => {
    const world = await EngineWorld.open({ engine: { writeCacheEnabled: false } });
    await world.put('key', SMALL);
    t.same(world.inUfs('key'), SMALL);
  },
);

void t.test(
  'a rule that changes: an acknowledged delete reaches the UFS also under a TRANSIENT version',
  async (t) => {
    const world = await EngineWorld.open();
    await world.put('key', SMALL);
    await world.drained();
    world.ufs.arm('unavailable', { operation: 'delete', times: 3 });
    await world.delete('key');
    await world.setPolicies({ default: 'TRANSIENT' });
    t.equal(await codeOf(world.put('key', OTHER)), 'UFS_UNAVAILABLE', 'it cannot pass the delete');
    await world.drained();
    await world.put('key', OTHER);
    t.equal(world.inUfs('key'), undefined, 'the pending delete came first');
    t.same(await world.read('key'), OTHER);
    await world.setPolicies({ default: 'WRITE_THROUGH' });
    await world.put('key', LARGE);
    await world.sleep(120 * SECOND_MS);
    t.same(world.inUfs('key'), LARGE, 'and no late delete takes what is written through afterwards');
    t.same(await world.read('key'), LARGE);
  },
);

void t.test(
  'a rule that changes under a WRITE_THROUGH PUT: a delete decided meanwhile never takes the new version',
  async (t) => {
    const world = await EngineWorld.open({ policies: { default: 'WRITE_THROUGH' } });
    await world.put('key', SMALL);
    world.ufs.setFaults({});
    const put = world.beginPut('key', OTHER);
    await world.sleep(1);
    await world.setPolicies({ default: 'WRITE_BACK' });
    const deleted = world.objects.deleteObject(BUCKET, 'key');
    await world.run(Promise.all([put, deleted]));
    await world.drained();
    const body = await world.read('key');
    t.same(world.inUfs('key'), body, 'cache and UFS agree');
  },
);

void t.test(
  'a rule that changes: what is TRANSIENT stays so until it is deleted or written again',
  async (t) => {
    const world = await EngineWorld.open({ policies: { default: 'TRANSIENT' } });
    await world.put('key', SMALL);
    await world.put('other', SMALL);
    await world.setPolicies({ default: 'WRITE_BACK' });
    await world.sleep(10 * SECOND_MS);
    t.equal(world.inUfs('key'), undefined);
    t.same(await world.read('key'), SMALL);
    await world.delete('key');
    t.equal(await world.read('key'), undefined);
    await world.put('other', OTHER);
    await world.drained();
    t.same(world.inUfs('other'), OTHER);
    t.equal(world.state.pinned.transientBytes, 0);
  },
);

for (const policy of ['WRITE_THROUGH', 'NO_CACHE', 'WRITE_BACK'] as const) {
  void t.test(
    `${policy}: a change beside a read that caches the object is never hidden by the cached copy`,
    async (t) => {
      for (let seed = 1; seed <= 60; seed++) {
        const world = await EngineWorld.open({ seed });
        await world.put('key', SMALL);
        await world.drained();
        await world.run(world.admin.free({}));
        const read = world.beginGet('key');
        await world.sleep(world.random.between(0, 45));
        await world.setPolicies({ default: policy });
        const isDelete = world.random.chance(0.5);
        if (isDelete) await world.delete('key');
        else await world.put('key', OTHER);
        const after = await world.read('key');
        t.same(after, isDelete ? undefined : OTHER, `seed ${seed}`);
        await world.run(read);
        t.same(await world.read('key'), after, `seed ${seed}: also when the read has ended`);
      }
    },
  );
}
