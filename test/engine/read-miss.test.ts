/** Reading what only the UFS holds: one fetch for many, whole answers only, and nothing kept that is not right. */
import t from 'tap';
import { KIB, MIB, SECOND_MS } from '../../src/core/units.js';
import { BUCKET, codeOf, EngineWorld } from '../support/engine-world.js';
import { makeBody } from '../support/object-model.js';
import { worldWith } from './ufs-world.js';

const LARGE = makeBody(1, 6 * MIB);

async function streamOf(world: EngineWorld, key: string): Promise<AsyncIterator<Uint8Array>> {
  const { body } = await world.run(world.objects.getObject({ bucket: BUCKET, key }));
  if (body.kind !== 'stream') throw new Error(`${key} is not streamed`);
  return body.stream[Symbol.asyncIterator]();
}

async function rest(iterator: AsyncIterator<Uint8Array>): Promise<Buffer> {
  const pieces: Uint8Array[] = [];
  for (;;) {
    const step = await iterator.next();
    if (step.done === true) return Buffer.concat(pieces);
    pieces.push(Uint8Array.from(step.value));
  }
}

for (const [name, bytes] of [
  ['small', makeBody(2, 10 * KIB)],
  ['middling', makeBody(3, 200 * KIB)],
  ['large', LARGE],
] as const) {
  void t.test(`64 readers of one missing ${name} object cause one fetch, and it is cached`, async (t) => {
    const world = await worldWith({ key: bytes });
    const reads = Array.from({ length: 64 }, () => world.beginGet('key'));
    for (const read of await world.run(Promise.all(reads))) t.ok(read?.body.equals(bytes));
    t.equal(world.ufs.calls('get'), 1);
    t.equal(world.ufs.calls('head'), 0);
    await world.until(() => world.state.cache.objects === 1);
    t.ok((await world.read('key'))?.equals(bytes));
    t.equal(world.ufs.calls('get'), 1, 'the next read is a hit');
    t.ok((await world.run(world.admin.verify({ data: true }))).ok);
    t.equal(world.engine.core.admission.reservedBytes, 0);
  });
}

void t.test('readers that come while an object is fetched join, and get all of it', async (t) => {
  const bytes = makeBody(4, 20 * MIB);
  const world = await worldWith({ key: bytes }, { engine: { capacityBytes: 256 * MIB } });
  const reads = [];
  for (let i = 0; i < 12; i++) {
    reads.push(world.beginGet('key'));
    await world.sleep(25);
  }
  for (const read of await world.run(Promise.all(reads))) t.ok(read?.body.equals(bytes));
  t.equal(world.ufs.calls('get'), 1);
});

void t.test(
  'a slow reader of an object that is being cached holds up neither the fetch nor others',
  async (t) => {
    const bytes = makeBody(5, 20 * MIB);
    const world = await worldWith({ key: bytes }, { engine: { capacityBytes: 256 * MIB } });
    const slow = await streamOf(world, 'key');
    const first = await world.run(slow.next());
    t.ok((await world.read('key'))?.equals(bytes), 'another one reads all of it meanwhile');
    await world.until(() => world.state.cache.objects === 1);
    const begun = Buffer.from(first.value as Uint8Array);
    t.ok(Buffer.concat([begun, await world.run(rest(slow))]).equals(bytes), 'and the slow one as well');
    t.equal(world.ufs.calls('get'), 1);
  },
);

void t.test(
  'without room nothing is cached, readers share the fetch, and a slow one delays others for a moment only',
  async (t) => {
    const bytes = makeBody(6, 12 * MIB);
    const world = await worldWith({ key: bytes }, { engine: { capacityBytes: 16 * MIB } });
    const slow = await streamOf(world, 'key');
    const first = await world.run(slow.next());
    const beganMs = world.scheduler.nowMs;
    t.ok((await world.read('key'))?.equals(bytes));
    t.equal(world.ufs.calls('get'), 1);
    t.ok(world.scheduler.nowMs - beganMs < 5 * SECOND_MS, `it took ${world.scheduler.nowMs - beganMs} ms`);
    const begun = Buffer.from(first.value as Uint8Array);
    t.ok(Buffer.concat([begun, await world.run(rest(slow))]).equals(bytes), 'the slow one goes on by itself');
    t.equal(world.ufs.calls('get'), 2);
    t.equal(world.state.cache.objects, 0);
    t.equal(world.engine.core.admission.reservedBytes, 0);
  },
);

void t.test('a reader alone, without room, is served at its own pace', async (t) => {
  const bytes = makeBody(7, 12 * MIB);
  const world = await worldWith({ key: bytes }, { engine: { capacityBytes: 16 * MIB } });
  const slow = await streamOf(world, 'key');
  await world.run(slow.next());
  await world.sleep(60 * SECOND_MS);
  t.equal((await world.run(rest(slow))).length, bytes.length - 64 * KIB);
  t.equal(world.ufs.calls('get'), 1);
});

void t.test('the first reader vanishing does not end the others', async (t) => {
  const world = await worldWith({ key: LARGE });
  const first = await streamOf(world, 'key');
  await world.run(first.next());
  const others = [world.beginGet('key'), world.beginGet('key')];
  await world.sleep(1);
  await world.run(Promise.resolve(first.return?.(undefined)));
  for (const read of await world.run(Promise.all(others))) t.ok(read?.body.equals(LARGE));
  t.equal(world.ufs.calls('get'), 1);
});

void t.test('a fetch that all readers have left is given up, unless most of it is there', async (t) => {
  const world = await worldWith({ early: LARGE, late: LARGE });
  const early = await streamOf(world, 'early');
  await world.run(early.next());
  await world.run(Promise.resolve(early.return?.(undefined)));
  await world.sleep(10 * SECOND_MS);
  t.equal(world.state.cache.objects, 0);
  t.equal(world.fileBytes, 0);
  const late = await streamOf(world, 'late');
  for (let i = 0; i < 60; i++) await world.run(late.next());
  await world.run(Promise.resolve(late.return?.(undefined)));
  await world.until(() => world.state.cache.objects === 1);
  t.equal(world.engine.core.admission.reservedBytes, 0);
});

void t.test(
  'a body that breaks off is fetched on from there; one that goes on breaking is an error for all',
  async (t) => {
    const world = await worldWith({ key: LARGE });
    world.ufs.arm('brokenBody', { operation: 'get' });
    t.ok((await world.read('key'))?.equals(LARGE));
    t.equal(world.ufs.calls('get'), 2);
    await world.until(() => world.state.cache.objects === 1);
    await world.run(world.admin.free({}));
    world.ufs.arm('brokenBody', { operation: 'get', times: 100 });
    const codes = await world.run(Promise.all([1, 2, 3].map(() => codeOf(world.beginGet('key')))));
    t.same(codes, ['UFS_UNAVAILABLE', 'UFS_UNAVAILABLE', 'UFS_UNAVAILABLE']);
    await world.sleep(SECOND_MS);
    t.equal(world.state.cache.objects, 0);
  },
);

void t.test('an object that changes in the UFS while it is fetched is never a mixture', async (t) => {
  for (let seed = 1; seed <= 10; seed++) {
    const world = await worldWith({ key: LARGE }, { seed });
    const other = makeBody(9, LARGE.length);
    world.ufs.arm('brokenBody', { operation: 'get' });
    const read = world.beginGet('key').catch(() => undefined);
    await world.sleep(world.random.between(1, 60));
    world.ufs.putOutOfBand(BUCKET, 'key', other);
    const body = (await world.run(read))?.body;
    t.ok(body === undefined || body.equals(LARGE) || body.equals(other), `seed ${seed}`);
    await world.sleep(SECOND_MS);
    const now = await world.read('key');
    t.ok(now?.equals(LARGE) === true || now?.equals(other) === true);
  }
});

void t.test('a read after a write never joins a fetch of what was there before', async (t) => {
  for (const policy of ['WRITE_BACK', 'WRITE_THROUGH'] as const) {
    const world = await worldWith({ key: LARGE }, { policies: { default: policy } });
    const old = await streamOf(world, 'key');
    await world.run(old.next());
    await world.put('key', makeBody(9, 300 * KIB));
    t.ok((await world.read('key'))?.equals(makeBody(9, 300 * KIB)), policy);
    t.equal(
      (await world.run(rest(old))).length,
      LARGE.length - 64 * KIB,
      'the read before it ends as it began',
    );
    await world.drained();
    await world.run(world.admin.free({}));
    t.ok((await world.read('key'))?.equals(makeBody(9, 300 * KIB)));
  }
});

void t.test('a stop while objects are fetched ends the fetches and leaves nothing behind', async (t) => {
  const world = await worldWith({ key: LARGE });
  const reader = await streamOf(world, 'key');
  await world.run(reader.next());
  await world.restart();
  t.equal(world.state.cache.objects, 0);
  t.ok((await world.read('key'))?.equals(LARGE));
});

void t.test(
  'a body of the UFS that a reader leaves is ended once, and so when it is left again',
  async (t) => {
    const world = await worldWith({ key: LARGE });
    const { ufs } = world;
    const get = ufs.get.bind(ufs);
    let ends = 0;
    async function* counted(body: AsyncIterable<Uint8Array>): AsyncGenerator<Uint8Array> {
      try {
        yield* body;
      } finally {
        ends += 1;
      }
    }
    ufs.get = async (...parameters) => {
      const result = await get(...parameters);
      return result && { ...result, body: counted(result.body) };
    };
    const stream = await streamOf(world, 'key');
    await world.run(stream.next());
    t.equal(ends, 0);
    await world.run(Promise.resolve(stream.return?.(undefined)));
    await world.run(Promise.resolve(stream.return?.(undefined)));
    await world.sleep(SECOND_MS);
    t.equal(ends, 1);
    t.equal(world.engine.core.admission.reservedBytes, 0);
  },
);

void t.test(
  'an object that shrank in the UFS while it was fetched asks the reader to come again',
  async (t) => {
    // Broken off somewhere in the middle, as the seed has it.
    for (let seed = 1; seed <= 5; seed++) {
      const world = await worldWith({ key: LARGE }, { seed });
      world.ufs.arm('brokenBody', { operation: 'get' });
      const stream = await streamOf(world, 'key');
      world.ufs.putOutOfBand(BUCKET, 'key', makeBody(9, 1));
      t.equal(await codeOf(world.run(rest(stream))), 'SLOW_DOWN');
    }
  },
);

void t.test('a stop does not wait for the UFS to go on with a body', async (t) => {
  const world = await worldWith({ key: LARGE }, { engine: { ufsTimeoutMs: 600 * SECOND_MS } });
  const { ufs } = world;
  const get = ufs.get.bind(ufs);
  ufs.get = async (...parameters) => {
    const result = await get(...parameters);
    return result && { ...result, body: stallingAfterFirst(result.body) };
  };
  const stream = await streamOf(world, 'key');
  await world.run(stream.next());
  const startedMs = world.clock.monotonicTimeMs();
  await world.run(world.engine.close());
  t.ok(world.clock.monotonicTimeMs() - startedMs < 60 * SECOND_MS);
});

async function* stallingAfterFirst(body: AsyncIterable<Uint8Array>): AsyncGenerator<Uint8Array> {
  for await (const piece of body) {
    yield piece;
    await new Promise(() => undefined);
  }
}
