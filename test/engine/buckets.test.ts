/** Buckets: what is in a bucket that is gone was never acknowledged, and what is in one that stays is always served. */
import t from 'tap';
import { MIB, SECOND_MS } from '../../src/core/units.js';
import { BUCKET_LOCATION, type Body } from '../../src/engine/object-service.js';
import { BUCKET, EngineWorld, SlowBody, codeOf } from '../support/engine-world.js';
import { makeBody } from '../support/object-model.js';

const remove = (world: EngineWorld): Promise<string> => codeOf(world.objects.deleteBucket(BUCKET));

void t.test('a bucket with an object is not deleted, wherever the object is', async (t) => {
  const world = await EngineWorld.open();
  world.ufs.putOutOfBand(BUCKET, 'foreign', Buffer.from('x'));
  t.equal(await world.run(remove(world)), 'BUCKET_NOT_EMPTY');
  await world.delete('foreign');
  await world.put('key', makeBody(1, 100));
  t.equal(await world.run(remove(world)), 'BUCKET_NOT_EMPTY');
  await world.drained();
  await world.run(world.admin.free({}));
  t.equal(await world.run(remove(world)), 'BUCKET_NOT_EMPTY');
  await world.delete('key');
  t.equal(await world.run(remove(world)), 'success', 'pending deletes go to the UFS first');
  t.equal(world.ufs.contents(BUCKET).size, 0);
  t.equal(await codeOf(world.put('key', makeBody(1, 100))), 'NO_SUCH_BUCKET');
});

void t.test('a bucket is where was said when it was created, until it is gone', async (t) => {
  const world = await EngineWorld.open();
  const { objects } = world;
  const locations = async (): Promise<unknown[]> =>
    (await world.run(objects.listBuckets())).map(({ location }) => location);
  await world.run(objects.setBucketDocument(BUCKET, BUCKET_LOCATION, 'eu-west-1'));
  t.match(await world.run(objects.headBucket(BUCKET)), { location: 'eu-west-1' });
  t.same(await locations(), ['eu-west-1']);
  t.equal(await world.run(remove(world)), 'success');
  await world.run(objects.createBucket(BUCKET));
  t.same(await locations(), [undefined]);
  t.equal((await world.run(objects.headBucket(BUCKET))).location, undefined);
});

void t.test('objects stay readable while somebody tries to delete their bucket', async (t) => {
  const world = await EngineWorld.open();
  await world.put('key', makeBody(1, 100));
  const removal = remove(world);
  const reads = Array.from({ length: 20 }, async () => {
    await world.clock.sleep(world.random.between(0, 40));
    return (await world.beginGet('key'))?.body.length;
  });
  const [code, ...sizes] = await world.run(Promise.all([removal, ...reads]));
  t.equal(code, 'BUCKET_NOT_EMPTY');
  t.ok(sizes.every((size) => size === 100));
});

void t.test('a bucket to which something is being written is not deleted', async (t) => {
  const world = await EngineWorld.open();
  const stream = new SlowBody();
  const body: Body = { kind: 'stream', stream, size: MIB };
  const put = world.objects.putObject({
    bucket: BUCKET,
    key: 'key',
    body,
    headers: { system: {}, user: {} },
  });
  stream.send(makeBody(1, MIB));
  await world.sleep(10);
  t.equal(await world.run(remove(world)), 'BUCKET_NOT_EMPTY');
  stream.end();
  await world.run(put);
  t.same(await world.read('key'), makeBody(1, MIB));
});

void t.test('a delete of a bucket beside writes to it: the write is in it or was refused', async (t) => {
  for (let seed = 1; seed <= 40; seed++) {
    const world = await EngineWorld.open({ seed });
    const policy = world.random.pick(['WRITE_BACK', 'WRITE_THROUGH', 'TRANSIENT'] as const);
    await world.setPolicies({ default: policy });
    await world.put('old', makeBody(1, 100));
    await world.delete('old');
    const puts = Array.from({ length: 4 }, async (_, i) => {
      await world.clock.sleep(world.random.between(0, 40));
      return codeOf(world.beginPut(`key-${i}`, makeBody(i, 100)));
    });
    await world.sleep(world.random.between(0, 30));
    const [removed, codes] = await world.run(Promise.all([remove(world), Promise.all(puts)]));
    const acknowledged = codes.flatMap((code, i) => (code === 'success' ? [`key-${i}`] : []));
    if (removed === 'success') t.same(acknowledged, [], `seed ${seed}, ${policy}: ${codes.join(', ')}`);
    else t.same(await world.names(), acknowledged, `seed ${seed}, ${policy}: ${removed}`);
    for (const code of codes) t.ok(['success', 'SLOW_DOWN', 'NO_SUCH_BUCKET'].includes(code), code);
  }
});

void t.test('a bucket that is deleted takes its open uploads along', async (t) => {
  const world = await EngineWorld.open();
  const uploadId = await world.createUpload('key');
  await world.putPart('key', uploadId, 1, makeBody(1, MIB));
  t.equal(await world.run(remove(world)), 'success');
  t.equal(world.engine.core.admission.pinnedBytes, 0);
  await world.sleep(SECOND_MS);
  t.equal(world.fileBytes, 0);
  await world.run(world.objects.createBucket(BUCKET));
  t.equal(await codeOf(world.putPart('key', uploadId, 2, makeBody(1, 10))), 'NO_SUCH_UPLOAD');
});

void t.test(
  'a bucket that was created while the UFS was away comes into being there with its first object',
  async (t) => {
    for (const policy of ['WRITE_BACK', 'WRITE_THROUGH'] as const) {
      const world = await EngineWorld.open();
      world.ufs.setFaults({ unavailable: 1 });
      await world.run(world.objects.createBucket('another'));
      world.ufs.setFaults({});
      await world.setPolicies({ default: policy });
      const body: Body = { kind: 'chunks', chunks: [makeBody(1, 100)], size: 100 };
      const headers = { system: {}, user: {} };
      await world.run(world.objects.putObject({ bucket: 'another', key: 'key', body, headers }));
      await world.drained();
      t.equal(world.ufs.contents('another').size, 1, policy);
    }
  },
);

void t.test('a bucket that only the UFS has is served', async (t) => {
  const world = await EngineWorld.open();
  world.ufs.putOutOfBand('foreign', 'key', Buffer.from('bytes'));
  const { object } = await world.run(world.objects.getObject({ bucket: 'foreign', key: 'key' }));
  t.equal(object.size, 5);
  t.equal(
    await codeOf(world.run(world.objects.getObject({ bucket: 'nowhere', key: 'key' }))),
    'NO_SUCH_BUCKET',
  );
});
