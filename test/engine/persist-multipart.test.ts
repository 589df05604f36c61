/** Large objects go to the UFS in parts, go on where they were, and leave nothing behind there. */
import t from 'tap';
import { HeadraceError } from '../../src/core/errors.js';
import type { MultipartStore } from '../../src/core/object-store.js';
import { GIB, MIB, MINUTE_MS, SECOND_MS } from '../../src/core/units.js';
import { BUCKET, EngineWorld } from '../support/engine-world.js';
import { makeBody } from '../support/object-model.js';

/** Many bytes are hashed; the machine may be busy. */
t.setTimeout(120_000);

const PART_BYTES = 5 * MIB;
const PARTS = 4;

function openWorld(options: Parameters<typeof EngineWorld.open>[0] = {}): Promise<EngineWorld> {
  return EngineWorld.open({
    ...options,
    engine: { capacityBytes: 256 * MIB, pinnedRatio: 0.8, ...options.engine },
    ufs: { multipart: true, latencyMs: { min: 50, max: 60 }, ...options.ufs },
  });
}

async function putLarge(world: EngineWorld, key = 'key', seed = 1): Promise<Buffer> {
  const uploadId = await world.createUpload(key);
  const bodies = Array.from({ length: PARTS }, (_, i) => makeBody(seed * 100 + i, PART_BYTES));
  const parts = [];
  for (const [at, body] of bodies.entries()) parts.push(await world.putPart(key, uploadId, at + 1, body));
  await world.completeUpload(key, uploadId, parts);
  return Buffer.concat(bodies);
}

/** A small object that came as one part, whose upload hangs at that. */
async function putHangingPart(world: EngineWorld): Promise<void> {
  world.ufs.arm('hang', { operation: 'putPart', times: 100 });
  const uploadId = await world.createUpload('key');
  const part = await world.putPart('key', uploadId, 1, makeBody(1, 1000));
  await world.completeUpload('key', uploadId, [part]);
}

const events = async (world: EngineWorld, type: string): Promise<number> =>
  (await world.eventTypes()).filter((found) => found === type).length;

void t.test('a large object goes in parts with its own boundaries, and its ETag stays', async (t) => {
  const world = await openWorld();
  const body = await putLarge(world);
  await world.drained();
  t.same(world.inUfs('key'), body);
  t.match(world.ufs.contents(BUCKET).get('key')?.etag, /-4$/);
  t.equal(world.ufs.uploads.open.size, 0);
  t.equal(await events(world, 'UfsPartStored'), PARTS);
  t.same([...world.partition.index.scan('m', 'n')], [], 'its parts are forgotten');
});

void t.test(
  'a small object that came in parts has its upload in the log, so that none is left open',
  async (t) => {
    const world = await openWorld();
    await putHangingPart(world);
    await world.until(() => world.ufs.uploads.open.size === 1);
    await world.put('key', Buffer.from('newer'));
    world.ufs.setFaults({});
    await world.drained();
    await world.until(() => world.ufs.uploads.open.size === 0);
    t.equal(world.inUfs('key')?.toString(), 'newer');
  },
);

void t.test(
  'an upload whose version is replaced before its name is known is aborted by its name',
  async (t) => {
    const world = await openWorld();
    await putHangingPart(world);
    const queued = () => [...world.partition.index.scan('q', 'r')].map(([, record]) => record);
    const stale = () => [...world.partition.index.scan('s', 't')].map(([, record]) => record);
    await world.until(() => queued().some((record) => record.kind === 'queued' && record.upload?.id === ''));
    await world.put('key', Buffer.from('newer'));
    t.match(stale(), [{ kind: 'staleUpload', id: '' }], 'nobody knows its name yet');
    await world.until(() => stale().every((record) => record.kind === 'staleUpload' && record.id !== ''));
    world.ufs.setFaults({});
    await world.drained();
    t.equal(world.ufs.uploads.open.size, 0, 'before the newer version went there');
    t.equal(world.inUfs('key')?.toString(), 'newer');
  },
);

for (const way of ['kill', 'crash', 'restart'] as const) {
  void t.test(`after a ${way} an upload goes on behind the parts that the UFS has`, async (t) => {
    const world = await openWorld();
    world.ufs.arm('hang', { operation: 'putPart', times: 100 });
    const body = await putLarge(world);
    await world.sleep(SECOND_MS);
    world.ufs.setFaults({});
    // Two parts get through, then the process ends.
    await world.until(() => world.ufs.uploads.partsPut.length >= 2);
    await world.until(() => [...world.partition.index.scan('m', 'n')].length >= 2);
    const [entry] = (await world.run(world.admin.persists.list({ limit: 1 }))).entries;
    t.ok((entry?.uploadedBytes ?? 0) >= 2 * PART_BYTES, `${entry?.uploadedBytes} bytes are told`);
    if (way === 'restart') await world.stop();
    else world[way]();
    const sent = world.ufs.uploads.partsPut.length;
    await world.start();
    await world.drained();
    t.same(world.inUfs('key'), body);
    const numbers = world.ufs.uploads.partsPut.map(({ number }) => number);
    t.ok(
      numbers.length <= PARTS + 4,
      `${numbers.length} parts were sent for ${PARTS}, ${sent} before the ${way}`,
    );
    t.equal(new Set(world.ufs.uploads.partsPut.map(({ uploadId }) => uploadId)).size, 1, 'one upload');
    t.equal(world.ufs.uploads.open.size, 0);
  });
}

void t.test(
  'a crash at any moment loses nothing, stores nothing twice, and leaves no upload behind',
  async (t) => {
    for (let seed = 1; seed <= 4; seed++) {
      const world = await openWorld({ seed });
      const body = await putLarge(world);
      for (let round = 0; round < 3; round++) {
        await world.sleep(world.random.between(1, 400));
        if (world.random.chance(0.5)) world.kill();
        else world.crash();
        await world.start();
      }
      await world.drained();
      await world.sleep(5 * MINUTE_MS);
      t.same(world.inUfs('key')?.equals(body), true, `seed ${seed}`);
      t.equal(world.ufs.uploads.open.size, 0, `seed ${seed}: no upload is open`);
      t.same([...world.partition.index.scan('m', 'n'), ...world.partition.index.scan('s', 't')], []);
      await world.stop();
    }
  },
);

void t.test('a completion whose answer is lost is found to have happened', async (t) => {
  for (const fault of ['lostAnswer', 'reset'] as const) {
    const world = await openWorld();
    world.ufs.arm(fault, { operation: 'complete' });
    const body = await putLarge(world);
    await world.drained();
    t.same(world.inUfs('key'), body);
    t.equal(world.ufs.history.filter(({ key }) => key === 'key').length, 1, `${fault}: stored once`);
    t.equal(world.ufs.uploads.partsPut.length, PARTS, `${fault}: no part was sent twice`);
  }
});

void t.test('a completion that is refused although it took effect is found to have happened', async (t) => {
  const world = await openWorld();
  const { multipart } = world.ufs;
  const complete = multipart?.complete.bind(multipart);
  Object.assign(multipart ?? {}, {
    complete: async (...request: Parameters<MultipartStore['complete']>) => {
      await complete?.(...request);
      throw new HeadraceError('UFS_REJECTED', 'there are no parts of that upload');
    },
  });
  const body = await putLarge(world);
  await world.drained();
  t.same(world.inUfs('key'), body);
  t.equal(await events(world, 'ObjectPersisted'), 1);
  t.equal(await events(world, 'PersistFailed'), 0, 'it is not quarantined');
});

void t.test('a version that differs in its tags alone is not taken for the one before', async (t) => {
  const world = await openWorld();
  const body = await putLarge(world);
  await world.drained();
  const sent = world.ufs.uploads.partsPut.length;
  world.ufs.arm('throttled', { operation: 'complete' });
  await world.run(world.objects.setObjectTags(BUCKET, 'key', { team: 'red' }));
  await world.until(() => world.logged.some(({ message }) => message === 'a persist failed'));
  // The upload is gone, and what is there has the same bytes, ETag and time.
  world.ufs.uploads.open.clear();
  await world.drained();
  t.same(world.inUfs('key'), body);
  t.same(world.ufs.contents(BUCKET).get('key')?.headers.tags, { team: 'red' });
  t.equal(world.ufs.uploads.partsPut.length, sent + 2 * PARTS);
});

void t.test('an upload that somebody ended begins again', async (t) => {
  const world = await openWorld();
  world.ufs.arm('throttled', { operation: 'complete' });
  const body = await putLarge(world);
  await world.until(() => world.logged.some(({ message }) => message === 'a persist failed'));
  world.ufs.uploads.open.clear();
  await world.drained();
  t.same(world.inUfs('key'), body);
  t.equal(world.ufs.uploads.partsPut.length, 2 * PARTS);
  t.equal(await events(world, 'UfsUploadEnded'), 1);
});

void t.test('the upload of an overwritten or deleted version is aborted, before what is newer', async (t) => {
  for (const [name, change] of [
    ['overwritten', (world: EngineWorld) => world.put('key', makeBody(9, 100))],
    ['deleted', (world: EngineWorld) => world.delete('key')],
  ] as const) {
    const world = await openWorld();
    world.ufs.arm('throttled', { operation: 'complete', times: 1000 });
    await putLarge(world);
    await world.until(() => world.logged.some(({ message }) => message === 'a persist failed'));
    t.equal(world.ufs.uploads.open.size, 1);
    await change(world);
    world.kill();
    world.ufs.setFaults({});
    await world.start();
    await world.drained();
    await world.sleep(MINUTE_MS);
    t.equal(world.ufs.uploads.open.size, 0, `${name}: nothing is left`);
    t.same(world.inUfs('key'), name === 'deleted' ? undefined : makeBody(9, 100));
    t.same([...world.partition.index.scan('s', 't')], []);
  }
});

void t.test("a completion that is still on its way never takes a newer version's place", async (t) => {
  for (let seed = 1; seed <= 3; seed++) {
    const world = await openWorld({ seed, ufs: { lateEffectMs: { min: 1, max: 20_000 } } });
    world.ufs.arm('lateEffect', { operation: 'complete' });
    await putLarge(world);
    await world.until(() => world.logged.some(({ message }) => message === 'a persist failed'));
    await world.put('key', makeBody(9, 100));
    await world.drained();
    await world.sleep(MINUTE_MS);
    t.same(world.inUfs('key'), makeBody(9, 100), `seed ${seed}`);
    await world.stop();
  }
});

void t.test('an upload begun without its name reaching the log is aborted', async (t) => {
  const world = await openWorld();
  world.ufs.arm('lateEffect', { operation: 'begin' });
  const body = await putLarge(world);
  await world.drained();
  t.same(world.inUfs('key'), body);
  await world.sleep(5 * MINUTE_MS);
  t.equal(world.ufs.uploads.open.size, 0);
});

void t.test(
  'uploads begun without an answer are aborted, and so is the one that followed when its object goes',
  async (t) => {
    const world = await openWorld();
    world.ufs.arm('lostAnswer', { operation: 'begin', times: 2 });
    world.ufs.arm('reset', { operation: 'putPart', times: 1000 });
    await putLarge(world);
    await world.until(() => world.ufs.uploads.open.size === 3);
    await world.delete('key');
    await world.drained();
    await world.sleep(5 * MINUTE_MS);
    t.same([...world.ufs.uploads.open.keys()], []);
  },
);

void t.test('an upload begun without an answer is aborted although the next could not begin', async (t) => {
  const world = await openWorld();
  world.ufs.arm('lostAnswer', { operation: 'begin' });
  world.ufs.arm('denied', { operation: 'begin', times: 1000 });
  await putLarge(world);
  await world.until(() => world.state.uploads.quarantined === 1);
  t.equal(world.ufs.uploads.open.size, 1);
  await world.sleep(5 * MINUTE_MS);
  t.equal(world.ufs.uploads.open.size, 0);
});

void t.test('an upload of somebody else for another key stays', async (t) => {
  const world = await openWorld();
  const foreign = world.ufs.uploads.begin(BUCKET, 'key/other');
  world.ufs.arm('lostAnswer', { operation: 'begin' });
  await putLarge(world);
  await world.drained();
  await world.sleep(5 * MINUTE_MS);
  t.same([...world.ufs.uploads.open.keys()], [foreign]);
});

void t.test('what came in one piece goes in one, unless it is larger than the threshold', async (t) => {
  const body = Buffer.alloc(66 * MIB, 7);
  for (const threshold of [5 * GIB, 64 * MIB]) {
    const world = await openWorld({
      engine: { capacityBytes: 256 * MIB, pinnedRatio: 0.8, persist: { multipartThresholdBytes: threshold } },
    });
    await world.put('key', body);
    await world.drained();
    t.equal(world.inUfs('key')?.equals(body), true);
    t.equal(world.ufs.uploads.partsPut.length, threshold < body.length ? 2 : 0);
    await world.stop();
  }
});

void t.test('what was begun in parts and goes whole after all leaves no upload behind', async (t) => {
  const persist = { multipartThresholdBytes: 64 * MIB };
  const world = await openWorld({ engine: { capacityBytes: 256 * MIB, pinnedRatio: 0.8, persist } });
  world.ufs.arm('reset', { operation: 'complete', times: 1000 });
  const body = Buffer.alloc(66 * MIB, 7);
  await world.put('key', body);
  await world.until(() => world.ufs.uploads.partsPut.length === 2);
  t.equal(world.ufs.uploads.open.size, 1);
  persist.multipartThresholdBytes = 5 * GIB;
  await world.restart();
  await world.drained();
  t.equal(world.inUfs('key')?.equals(body), true);
  t.equal(world.ufs.uploads.open.size, 0);
});
