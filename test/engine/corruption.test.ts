/** Damage: found by every read and by verify, healed from the UFS where it can be, and never handed out. */
import t from 'tap';
import { objectKey } from '../../projections/records.js';
import { KIB, MIB, SECOND_MS } from '../../src/core/units.js';
import { BUCKET, EngineWorld, bytesOf, codeOf } from '../support/engine-world.js';
import { makeBody } from '../support/object-model.js';

/** Flips a bit of an object's payload on the disk, `at` bytes from its start. */
function damage(world: EngineWorld, key: string, at: number): void {
  const record = world.partition.index.get(objectKey(BUCKET, key));
  if (record?.kind !== 'object') throw new Error(`${key} is not cached`);
  let start = 0;
  for (const { segment, position, size } of record.extents) {
    if (at < start + size) {
      const path = `segments/${String(segment).padStart(10, '0')}.seg`;
      world.disk.flipAtRest(path, position + at - start, 3);
      return;
    }
    start += size;
  }
  throw new Error(`${key} has no byte ${at}`);
}

for (const [name, size, at] of [
  ['a small object', 10 * KIB, 5000],
  ['the first chunk of a large object', 3 * MIB, 10],
  ['the middle of a large object', 3 * MIB, 2 * MIB],
  ['the end of a large object', 3 * MIB, 3 * MIB - 1],
] as const) {
  void t.test(`damage to ${name} that is persisted is healed from the UFS in the same read`, async (t) => {
    const world = await EngineWorld.open();
    const body = makeBody(1, size);
    const { etag } = await world.put('key', body);
    await world.drained();
    await world.restart();
    damage(world, 'key', at);
    const read = await world.get('key');
    t.same(read?.body, body);
    t.equal(read?.object.etag, etag);
    t.match(
      (await world.events()).at(-1)?.['type'],
      /ObjectEvicted|ObjectCommitted/,
      'the damaged copy is given up',
    );
    t.same(await world.read('key'), body);
    const report = await world.run(world.admin.verify({ data: true }));
    t.ok(report.ok, report.problems.join('; '));
    await world.sleep(SECOND_MS);
  });

  void t.test(`damage to ${name} that is not persisted is an error, never wrong bytes`, async (t) => {
    const world = await EngineWorld.open();
    world.ufs.setFaults({ unavailable: 1 });
    await world.put('key', makeBody(1, size));
    damage(world, 'key', at);
    t.equal(await codeOf(world.get('key')), 'CORRUPT_EXTENT');
    await world.restart();
    t.equal(await codeOf(world.get('key')), 'CORRUPT_EXTENT', 'also when the record comes from the disk');
    world.ufs.setFaults({});
    await world.drained();
    t.equal(world.inUfs('key'), undefined, 'it does not reach the UFS');
    const stat = await world.run(world.admin.persistStat(BUCKET, 'key'));
    t.match(stat, { state: 'QUARANTINED', persist: { cause: 'CORRUPT_EXTENT' } });
    await world.put('key', makeBody(2, size));
    await world.drained();
    t.same(world.inUfs('key'), makeBody(2, size), 'a new version ends it');
  });
}

void t.test('a range in front of the damage is served from the cache', async (t) => {
  const world = await EngineWorld.open();
  const body = makeBody(1, 3 * MIB);
  await world.put('key', body);
  damage(world, 'key', 2 * MIB);
  t.same((await world.get('key', { range: { first: 0, last: 1000 } }))?.body, body.subarray(0, 1001));
});

void t.test(
  'a damaged read that goes on from the UFS ends with an error when the UFS has another version',
  async (t) => {
    const world = await EngineWorld.open();
    await world.put('key', makeBody(1, 3 * MIB));
    await world.drained();
    world.ufs.putOutOfBand(BUCKET, 'key', makeBody(2, 3 * MIB));
    damage(world, 'key', 2 * MIB);
    t.equal(await codeOf(world.get('key')), 'SLOW_DOWN', 'two versions are never mixed');
    t.same(await world.read('key'), makeBody(2, 3 * MIB));
  },
);

void t.test('one wrong bit in the read of an upload is not held against the object', async (t) => {
  const world = await EngineWorld.open();
  for (const size of [10 * KIB, MIB]) {
    world.disk.arm('READ_FLIP', 'segments/');
    await world.put('key', makeBody(1, size));
    await world.drained();
    t.same(world.inUfs('key'), makeBody(1, size));
    t.equal(world.state.uploads.quarantined, 0);
  }
});

void t.test('verify finds a flipped bit, names the object, and finds nothing once it is gone', async (t) => {
  const world = await EngineWorld.open({ policies: { default: 'TRANSIENT' } });
  await world.put('fine', makeBody(1, 10 * KIB));
  await world.put('small', makeBody(2, 10 * KIB));
  await world.put('large', makeBody(3, 2 * MIB));
  const uploadId = await world.createUpload('multi');
  await world.putPart('multi', uploadId, 1, makeBody(4, 10 * KIB));
  const good = await world.run(world.admin.verify({ data: true }));
  t.match(good, { ok: true, extents: 4, extentBytes: 30 * KIB + 2 * MIB, problems: [] });
  t.equal(good.stateHash, good.refoldedHash);
  damage(world, 'small', 100);
  damage(world, 'large', MIB);
  t.match(await world.run(world.admin.verify({ data: false })), { ok: true }, 'without data nothing is read');
  const bad = await world.run(world.admin.verify({ data: true }));
  t.equal(bad.ok, false);
  t.equal(bad.problems.length, 2);
  t.ok(bad.problems.some((problem) => problem.includes('small')));
  t.ok(bad.problems.some((problem) => problem.includes('large')));
  await world.delete('small');
  await world.delete('large');
  t.match(await world.run(world.admin.verify({ data: true })), { ok: true });
});

void t.test('verify finds an index that is not the fold of its log', async (t) => {
  const world = await EngineWorld.open({ policies: { default: 'TRANSIENT' } });
  await world.put('key', makeBody(1, 100));
  t.match(await world.run(world.admin.verify({ data: false })), { ok: true });
  const { index } = world.partition;
  const record = index.get(objectKey(BUCKET, 'key'));
  if (record?.kind !== 'object') return t.fail('it is cached');
  index.set(objectKey(BUCKET, 'key'), { ...record, etag: 'f'.repeat(32) });
  await world.put('another', makeBody(2, 100));
  const report = await world.run(world.admin.verify({ data: false }));
  t.match(report, { ok: false, problems: [/refolded state .* differs/] });
  t.not(report.stateHash, report.refoldedHash);
});

void t.test('verify finds a count that is not the fold of its log', async (t) => {
  const world = await EngineWorld.open({ policies: { default: 'TRANSIENT' } });
  await world.put('key', makeBody(1, 100));
  world.state.cache.objectBytes += 1;
  t.match(await world.run(world.admin.verify({ data: false })), { ok: false });
});

void t.test('verify compares while clients go on writing', async (t) => {
  const world = await EngineWorld.open();
  let stop = false;
  const client = async (name: number): Promise<void> => {
    for (let i = 0; !stop; i++) {
      await world.beginPut(`key-${name}-${i % 5}`, makeBody(i, 3000));
      if (i % 3 === 0) await world.objects.deleteObject(BUCKET, `key-${name}-${i % 5}`);
    }
  };
  const clients = [1, 2, 3].map(client);
  for (let i = 0; i < 5; i++) {
    const report = await world.run(world.admin.verify({ data: true }));
    t.ok(report.ok, report.problems.join('; '));
    t.ok(report.events > 0);
  }
  stop = true;
  await world.run(Promise.all(clients));
});

for (const size of [100 * KIB, 3 * MIB]) {
  void t.test(
    `a body of ${size} bytes that stops in the middle ends in the deadline, and holds nothing`,
    async (t) => {
      const world = await EngineWorld.open();
      const body = makeBody(1, size);
      await world.put('key', body);
      await world.drained();
      await world.run(world.admin.free({}));
      const beganMs = world.scheduler.nowMs;
      const hanging = world.faults.hangNextBody(64 * KIB);
      t.equal(await codeOf(world.run(world.beginGet('key'))), 'UFS_UNAVAILABLE');
      const tookMs = world.scheduler.nowMs - beganMs;
      t.ok(tookMs >= 20 * SECOND_MS && tookMs < 21 * SECOND_MS, `after ${tookMs} ms`);
      t.ok(hanging.aborted, 'and the UFS connection is given up');
      t.same(await world.read('key'), body, 'the next read is served');
      await world.sleep(SECOND_MS);
      t.equal(world.engine.core.admission.reservedBytes, 0);
      const report = await world.run(world.admin.verify({ data: true }));
      t.ok(report.ok, report.problems.join('; '));
    },
  );
}

void t.test('a body that breaks off is an error and is not cached', async (t) => {
  const world = await EngineWorld.open();
  for (const size of [100 * KIB, 3 * MIB]) {
    const body = makeBody(1, size);
    await world.put('key', body);
    await world.drained();
    await world.run(world.admin.free({}));
    world.ufs.arm('brokenBody', { operation: 'get', times: 1000 });
    t.equal(await codeOf(world.get('key')), 'UFS_UNAVAILABLE');
    await world.sleep(SECOND_MS);
    t.equal(world.state.cache.objects, 0);
    world.ufs.setFaults({});
    t.same(await world.read('key'), body);
    await world.until(() => world.state.cache.objects === 1);
  }
});

void t.test('a client that leaves while an object is fetched leaves nothing in the cache', async (t) => {
  const world = await EngineWorld.open();
  await world.put('key', makeBody(1, 3 * MIB));
  await world.drained();
  await world.run(world.admin.free({}));
  const { body } = await world.run(world.objects.getObject({ bucket: BUCKET, key: 'key' }));
  if (body.kind !== 'stream') return t.fail('it is streamed');
  const stream = body.stream[Symbol.asyncIterator]();
  await world.run(stream.next());
  await world.run(Promise.resolve(stream.return?.(undefined)));
  await world.sleep(SECOND_MS);
  t.equal(world.engine.core.admission.reservedBytes, 0);
  t.equal(world.fileBytes, 0);
  t.equal(world.state.cache.objects, 0);
});

void t.test('an object that changes while it is fetched is not cached in its old version', async (t) => {
  for (let seed = 1; seed <= 15; seed++) {
    const world = await EngineWorld.open({ seed });
    const policy = world.random.pick(['WRITE_BACK', 'WRITE_THROUGH', 'NO_CACHE'] as const);
    await world.put('key', makeBody(1, 300 * KIB));
    await world.drained();
    await world.setPolicies({ default: policy });
    await world.run(world.admin.free({}));
    const got = world.objects.getObject({ bucket: BUCKET, key: 'key' }).then(({ body }) => bytesOf(body));
    await world.sleep(world.random.between(0, 40));
    const put = world.beginPut('key', makeBody(2, 300 * KIB));
    const [old] = await world.run(Promise.all([got, put]));
    t.ok(old.equals(makeBody(1, 300 * KIB)) || old.equals(makeBody(2, 300 * KIB)), 'one of the two, whole');
    t.same(await world.read('key'), makeBody(2, 300 * KIB), `seed ${seed}, ${policy}`);
    await world.drained();
    await world.run(world.admin.free({}));
    t.same(await world.read('key'), makeBody(2, 300 * KIB));
  }
});
