/** A single write may wait until the UFS has it; its receipt says how far it has come. */
import t from 'tap';
import type { ObjectHeaders } from '../../src/core/object.js';
import { KIB, SECOND_MS } from '../../src/core/units.js';
import type { WriteReceipt } from '../../src/engine/object-service.js';
import { bodyOf, BUCKET, codeOf, EngineWorld } from '../support/engine-world.js';
import { makeBody } from '../support/object-model.js';

const body = (seed: number, size = 3 * KIB): Buffer => makeBody(seed, size);

function put(
  world: EngineWorld,
  key: string,
  bytes: Buffer,
  timeoutMs = 30 * SECOND_MS,
  headers: ObjectHeaders = { system: {}, user: {} },
): Promise<WriteReceipt> {
  return world.objects.putObject({
    bucket: BUCKET,
    key,
    body: bodyOf(bytes),
    headers,
    ack: { level: 'persisted', timeoutMs },
  });
}

void t.test('ack: a WRITE_BACK put is answered when the UFS has it', async (t) => {
  const world = await EngineWorld.open();
  const receipt = await world.run(put(world, 'key', body(1)));
  t.same(receipt.ack, { level: 'persisted', state: 'PERSISTED' });
  t.match(receipt.offset, /^1:\d+$/);
  t.same(world.inUfs('key'), body(1));
});

void t.test('ack: when the deadline passes the write stands and the receipt says why', async (t) => {
  const world = await EngineWorld.open();
  world.ufs.setFaults({ unavailable: 1 });
  const receipt = await world.run(put(world, 'key', body(1), 5 * SECOND_MS));
  t.match(receipt.ack, { level: 'fsynced', state: 'PENDING', cause: 'UFS_UNAVAILABLE' });
  t.same(await world.read('key'), body(1));
  world.ufs.setFaults({});
  await world.drained();
  t.same(world.inUfs('key'), body(1));
});

void t.test('ack: a version that is overwritten is told so at once', async (t) => {
  const world = await EngineWorld.open();
  world.ufs.setFaults({ unavailable: 1 });
  const first = put(world, 'key', body(1));
  await world.until(() => world.state.uploads.pending === 1);
  await world.put('key', body(2));
  t.same((await world.run(first)).ack, { level: 'fsynced', state: 'SUPERSEDED' });
});

void t.test('ack: new tags meanwhile do not end the wait for the bytes', async (t) => {
  const world = await EngineWorld.open();
  world.ufs.setFaults({ unavailable: 1 });
  const first = put(world, 'key', body(1));
  await world.until(() => world.state.uploads.pending === 1);
  await world.run(world.objects.setObjectTags(BUCKET, 'key', { colour: 'red' }));
  world.ufs.setFaults({});
  t.same((await world.run(first)).ack, { level: 'persisted', state: 'PERSISTED' });
});

void t.test('ack: what the UFS refuses for good does not wait for the deadline', async (t) => {
  const world = await EngineWorld.open();
  const startMs = world.clock.wallTimeMs();
  // More metadata than an S3 store takes.
  const headers = { system: {}, user: { large: 'x'.repeat(3000) } };
  const receipt = await world.run(put(world, 'key', body(1), 1000 * SECOND_MS, headers));
  t.match(receipt.ack, { level: 'fsynced', state: 'QUARANTINED', cause: 'UFS_REJECTED' });
  t.ok(world.clock.wallTimeMs() - startMs < 100 * SECOND_MS);
});

void t.test('ack: what is written through is persisted at once; TRANSIENT is refused', async (t) => {
  const world = await EngineWorld.open({
    policies: {
      default: 'WRITE_BACK',
      [`/${BUCKET}/through/**`]: 'WRITE_THROUGH',
      [`/${BUCKET}/direct/**`]: 'NO_CACHE',
      [`/${BUCKET}/transient/**`]: 'TRANSIENT',
    },
  });
  for (const key of ['through/key', 'direct/key']) {
    const receipt = await world.run(put(world, key, body(1), 1));
    t.same(receipt.ack, { level: 'persisted', state: 'PERSISTED' }, key);
  }
  t.equal(await codeOf(world.run(put(world, 'transient/key', body(1)))), 'INVALID_ARGUMENT');
  t.equal(await world.read('transient/key'), undefined, 'nothing was written');
});

void t.test('ack: a copy and a completed upload wait as well', async (t) => {
  const world = await EngineWorld.open();
  await world.put('source', body(1));
  const ack = { level: 'persisted', timeoutMs: 30 * SECOND_MS } as const;
  const copied = await world.run(
    world.objects.copyObject({
      bucket: BUCKET,
      key: 'copy',
      source: { bucket: BUCKET, key: 'source' },
      ack,
    }),
  );
  t.equal(copied.ack?.level, 'persisted');
  t.same(world.inUfs('copy'), body(1));
  const uploadId = await world.createUpload('large');
  const parts = [await world.putPart('large', uploadId, 1, body(2, 300 * KIB))];
  const request = { bucket: BUCKET, key: 'large', uploadId, parts, ack };
  const completed = await world.run(world.objects.completeUpload(request));
  t.equal(completed.ack?.level, 'persisted');
  t.same(world.inUfs('large'), body(2, 300 * KIB));
  const again = await world.run(world.objects.completeUpload(request));
  t.equal(again.ack?.level, 'persisted', 'also for a client that lost the first answer');
});

void t.test('ack: nothing is watched any more when all were answered', async (t) => {
  const world = await EngineWorld.open();
  await world.run(Promise.all([1, 2, 3].map((at) => put(world, `key-${at}`, body(at)))));
  t.equal(world.engine.barriers.watches, 0);
});

void t.test('ack: a write that ends while the engine stops is not waited for', async (t) => {
  const world = await EngineWorld.open();
  world.ufs.setFaults({ hang: 1 });
  const startedMs = world.clock.monotonicTimeMs();
  const written = put(world, 'key', body(1), 600 * SECOND_MS);
  world.engine.barriers.stop();
  t.match((await world.run(written)).ack, { level: 'fsynced', state: 'PENDING' });
  t.ok(world.clock.monotonicTimeMs() - startedMs < SECOND_MS);
});

void t.test('ack: among many versions of one key none is called persisted that is not', async (t) => {
  const world = await EngineWorld.open();
  world.ufs.setFaults({ unavailable: 1 });
  const receipts = await world.run(
    Promise.all(Array.from({ length: 200 }, (_, at) => put(world, 'key', body(at), 5 * SECOND_MS))),
  );
  t.same(
    receipts.filter(({ ack }) => ack?.level === 'persisted'),
    [],
  );
});
