/** What the under-store said is believed for a while by reads, never against an own write, and in bounded memory. */
import t from 'tap';
import { KIB, SECOND_MS } from '../../src/core/units.js';
import { isErrorCode } from '../../src/core/errors.js';
import { BUCKET, EngineWorld } from '../support/engine-world.js';
import { makeBody } from '../support/object-model.js';

const TTL_MS = 10 * SECOND_MS;
const bytes = (seed: number): Buffer => makeBody(seed, 1000);

function open(options: Parameters<typeof EngineWorld.open>[0] = {}): Promise<EngineWorld> {
  return EngineWorld.open({ ...options, engine: { ufsMetadataTtlMs: TTL_MS, ...options.engine } });
}

function head(world: EngineWorld, key: string): Promise<string | undefined> {
  return world.run(
    world.objects.headObject({ bucket: BUCKET, key }).then(
      ({ etag }) => etag,
      (error: unknown) => {
        if (isErrorCode(error, 'NO_SUCH_KEY')) return undefined;
        throw error;
      },
    ),
  );
}

void t.test('HEAD of what only the UFS holds, or does not hold, asks it once per time to live', async (t) => {
  const world = await open();
  world.ufs.putOutOfBand(BUCKET, 'key', bytes(1));
  const etag = await head(world, 'key');
  for (let i = 0; i < 5; i++) {
    t.equal(await head(world, 'key'), etag);
    t.equal(await head(world, 'none'), undefined);
  }
  t.equal(world.ufs.calls('head'), 2);
  world.ufs.putOutOfBand(BUCKET, 'none', bytes(2));
  await world.sleep(TTL_MS);
  t.not(await head(world, 'none'), undefined, 'somebody else is seen after it');
  t.equal(world.ufs.calls('head'), 3);
});

void t.test('many HEADs at once share one answer', async (t) => {
  const world = await open();
  world.ufs.putOutOfBand(BUCKET, 'key', bytes(1));
  await world.run(
    Promise.all(Array.from({ length: 50 }, () => world.objects.headObject({ bucket: BUCKET, key: 'key' }))),
  );
  t.equal(world.ufs.calls('head'), 1);
});

void t.test('a listing is asked for once per time to live', async (t) => {
  const world = await open();
  for (const key of ['a/1', 'a/2', 'b']) world.ufs.putOutOfBand(BUCKET, key, bytes(1));
  for (let i = 0; i < 5; i++) t.same(await world.names({ delimiter: '/' }), ['a/', 'b']);
  const calls = world.ufs.calls('list');
  t.ok(calls <= 3, `${calls} calls`);
  world.ufs.putOutOfBand(BUCKET, 'c', bytes(1));
  await world.sleep(TTL_MS);
  t.same(await world.names({ delimiter: '/' }), ['a/', 'b', 'c']);
});

for (const policy of ['WRITE_BACK', 'WRITE_THROUGH', 'NO_CACHE'] as const) {
  void t.test(
    `${policy}: own writes and deletes are seen at once, by HEAD, GET and listing, also after eviction`,
    async (t) => {
      const world = await open({ policies: { default: policy } });
      const look = async (expected: Buffer | undefined, what: string): Promise<void> => {
        t.equal((await head(world, 'dir/key')) !== undefined, expected !== undefined, `${what}: HEAD`);
        t.same(await world.read('dir/key'), expected, `${what}: GET`);
        const range = await world.get('dir/key', { range: { first: 0, last: 9 } });
        t.same(range?.body, expected?.subarray(0, 10), `${what}: range`);
        t.same(
          await world.names({ prefix: 'dir/' }),
          expected === undefined ? [] : ['dir/key'],
          `${what}: listing`,
        );
        t.same(
          await world.names({ delimiter: '/' }),
          expected === undefined ? [] : ['dir/'],
          `${what}: directories`,
        );
      };
      await look(undefined, 'before');
      for (let round = 1; round <= 3; round++) {
        await world.put('dir/key', bytes(round));
        await look(bytes(round), 'written');
        await world.drained();
        await world.run(world.admin.free({}));
        await look(bytes(round), 'evicted');
        await world.delete('dir/key');
        await look(undefined, 'deleted');
        await world.drained();
        await look(undefined, 'gone');
      }
    },
  );
}

void t.test('an answer that was on its way while the object was written is not believed', async (t) => {
  for (let seed = 1; seed <= 20; seed++) {
    const world = await open({ seed, policies: { default: policyOf(seed) } });
    const asked = world.objects.headObject({ bucket: BUCKET, key: 'key' }).catch(() => undefined);
    const listed = world.objects.listObjects({
      bucket: BUCKET,
      prefix: '',
      delimiter: '',
      startAfter: '',
      maxKeys: 10,
    });
    await world.sleep(world.random.between(0, 30));
    await world.put('key', bytes(1));
    await world.run(Promise.all([asked, listed]));
    await world.drained();
    await world.run(world.admin.free({}));
    t.not(await head(world, 'key'), undefined, `seed ${seed}`);
    t.same(await world.names(), ['key']);
  }
});

function policyOf(seed: number): 'WRITE_BACK' | 'WRITE_THROUGH' | 'NO_CACHE' {
  return (['WRITE_BACK', 'WRITE_THROUGH', 'NO_CACHE'] as const)[seed % 3] ?? 'WRITE_BACK';
}

void t.test('conditional writes ask the UFS itself', async (t) => {
  const world = await open({ policies: { default: 'WRITE_THROUGH' } });
  t.equal(await head(world, 'key'), undefined);
  world.ufs.putOutOfBand(BUCKET, 'key', bytes(1));
  await t.rejects(world.put('key', bytes(2), { conditions: { ifNoneMatch: ['*'] } }), {
    code: 'PRECONDITION_FAILED',
  });
});

void t.test('what is known takes bounded memory', async (t) => {
  const world = await open({ engine: { ufsMetadataBytes: 64 * KIB, ufsMetadataTtlMs: 1000 * SECOND_MS } });
  for (let i = 0; i < 300; i++) {
    await head(world, `none/${i}`);
    await world.names({ prefix: `dir${i}/` });
  }
  t.ok(world.engine.core.known.bytes <= 64 * KIB, `${world.engine.core.known.bytes} bytes`);
});

void t.test(
  'a cached object that somebody else changed or deleted in the UFS is noticed by reads',
  async (t) => {
    const world = await open({ engine: { ufsRevalidateMs: 60 * SECOND_MS } });
    for (const key of ['changed', 'deleted', 'same']) await world.put(key, bytes(1));
    await world.drained();
    const keys = ['changed', 'deleted', 'same'];
    for (const key of keys) t.same(await world.read(key), bytes(1));
    world.ufs.putOutOfBand(BUCKET, 'changed', bytes(2));
    world.ufs.deleteOutOfBand(BUCKET, 'deleted');
    for (const key of keys) t.same(await world.read(key), bytes(1), 'hits do not ask');
    t.equal(world.ufs.calls('head'), 0);
    await world.sleep(60 * SECOND_MS);
    world.ufs.arm('unavailable', { operation: 'head', times: 3 });
    for (const key of keys) t.same(await world.read(key), bytes(1), 'the read that is due does not wait');
    await world.sleep(60 * SECOND_MS);
    for (const key of keys) t.same(await world.read(key), bytes(1), 'a UFS that is away proves nothing');
    await world.sleep(SECOND_MS);
    t.same(await world.read('changed'), bytes(2));
    t.equal(await world.read('deleted'), undefined);
    t.same(await world.read('same'), bytes(1));
    t.equal(world.ufs.calls('head'), 6);
  },
);

void t.test('a version that is written while the old one is compared stays', async (t) => {
  const world = await open({ engine: { ufsRevalidateMs: SECOND_MS } });
  await world.put('key', bytes(1));
  await world.drained();
  await world.read('key');
  world.ufs.putOutOfBand(BUCKET, 'key', bytes(2));
  await world.sleep(SECOND_MS);
  await world.read('key');
  await world.put('key', bytes(3));
  await world.sleep(10 * SECOND_MS);
  t.same(await world.read('key'), bytes(3));
});
