/** Receipts: every logged write answers with the place of its event, and an object tells how far it has come. */
import t from 'tap';
import { KIB, SECOND_MS } from '../../src/core/units.js';
import { BUCKET, EngineWorld } from '../support/engine-world.js';
import { makeBody } from '../support/object-model.js';

const body = (seed: number, size = 3 * KIB): Buffer => makeBody(seed, size);

void t.test('receipts: each write names its own event, the newest of several', async (t) => {
  const world = await EngineWorld.open();
  const eventAt = async (offset: string | undefined): Promise<Readonly<Record<string, unknown>>> => {
    const [partition, from] = (offset ?? '').split(':').map(Number);
    const [found] = await world.run(
      world.admin.logRead({ partition: partition ?? 0, from: from ?? 0, limit: 1 }),
    );
    return found?.event ?? {};
  };
  const put = await world.put('key', body(1));
  t.match(await eventAt(put.offset), { type: 'ObjectCommitted', key: 'key', origin: 'WRITE' });
  const tagged = await world.run(world.objects.setObjectTags(BUCKET, 'key', { a: 'b' }));
  t.match(await eventAt(tagged.offset), { type: 'ObjectCommitted', key: 'key', origin: 'TAGS' });
  const copied = await world.run(
    world.objects.copyObject({ bucket: BUCKET, key: 'copy', source: { bucket: BUCKET, key: 'key' } }),
  );
  t.match(await eventAt(copied.offset), { type: 'ObjectCommitted', key: 'copy' });
  const uploadId = await world.createUpload('large');
  const parts = [await world.putPart('large', uploadId, 1, body(2))];
  const completed = await world.completeUpload('large', uploadId, parts);
  t.match(await eventAt(completed.offset), { type: 'ObjectCommitted', key: 'large' });
  const deleted = await world.delete('copy');
  t.match(await eventAt(deleted.offset), { type: 'ObjectDeleted', key: 'copy' });
  const many = await world.run(world.objects.deleteObjects(BUCKET, ['large', 'key']));
  t.same(many.errors, [undefined, undefined]);
  t.match(await eventAt(many.offset), { type: 'ObjectDeleted', key: 'key' });
});

void t.test('status: follows a version from the disk to the UFS and out of the cache', async (t) => {
  const world = await EngineWorld.open();
  const status = async (): Promise<ReturnType<typeof world.objects.objectStatus>> => {
    const object = await world.run(world.objects.headObject({ bucket: BUCKET, key: 'key' }));
    return world.objects.objectStatus(BUCKET, 'key', object);
  };
  world.ufs.setFaults({ throttled: 1 });
  const { offset } = await world.put('key', body(1));
  t.match(await status(), {
    offset,
    policy: 'WRITE_BACK',
    state: 'PENDING',
    ack: 'fsynced',
    attempt: 0,
    extents: [{ size: 3 * KIB }],
    inUfs: false,
  });
  await world.sleep(2 * SECOND_MS);
  const failed = await status();
  t.match(failed, { state: 'PENDING', cause: 'UFS_THROTTLED' });
  t.ok(failed.attempt > 0);
  t.ok((failed.nextAttemptAtMs ?? 0) > world.clock.wallTimeMs());
  world.ufs.setFaults({});
  await world.drained();
  const persisted = await status();
  t.match(persisted, { offset, state: 'PERSISTED', ack: 'persisted', attempt: 0, inUfs: true });
  t.type(persisted.ufsEtag, 'string');
  t.equal(persisted.cause, undefined);
  await world.run(world.admin.free({}));
  t.match(await status(), { state: 'PERSISTED', ack: 'persisted', extents: [], inUfs: true });
});

void t.test('stat: tells the receipt, the level and the place in the UFS', async (t) => {
  const world = await EngineWorld.open();
  world.ufs.setFaults({ throttled: 1 });
  const { offset } = await world.put('key', body(1));
  const place = { mount: '/', store: 'simulated', bucket: BUCKET, key: 'key' };
  t.match(await world.run(world.admin.persistStat(BUCKET, 'key')), {
    offset,
    ack: 'fsynced',
    ufs: { ...place, present: false },
  });
  world.ufs.setFaults({});
  await world.drained();
  t.match(await world.run(world.admin.persistStat(BUCKET, 'key')), {
    offset,
    ack: 'persisted',
    ufs: { ...place, present: true },
  });
});
