/** Reading what only the UFS holds: one fetch for many, whole answers only, and nothing kept that is not right. */
import t from 'tap';
import { KIB, MIB, SECOND_MS } from '../../src/core/units.js';
import type { ReadBody } from '../../src/engine/object-service.js';
import { BUCKET, bytesOf, codeOf, EngineWorld } from '../support/engine-world.js';
import { makeBody } from '../support/object-model.js';

const LARGE = makeBody(1, 6 * MIB);

/** A world in whose UFS are objects that nobody here wrote; and the calls that it counts. */
async function worldWith(
  objects: Readonly<Record<string, Uint8Array>>,
  options: Parameters<typeof EngineWorld.open>[0] = {},
): Promise<EngineWorld> {
  const world = await EngineWorld.open({
    ...options,
    engine: { capacityBytes: 64 * MIB, ...options.engine },
  });
  for (const [key, bytes] of Object.entries(objects)) world.ufs.putOutOfBand(BUCKET, key, bytes);
  return world;
}

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

void t.test('a range of a large missing object fetches its blocks only, once for many readers', async (t) => {
  const bytes = makeBody(10, 20 * MIB);
  const world = await worldWith({ key: bytes }, { engine: { ufsMetadataTtlMs: 10 * SECOND_MS } });
  const range = { first: 5 * MIB + 1000, last: 5 * MIB + 2999 };
  const reads = Array.from({ length: 16 }, () => world.beginGet('key', { range }));
  for (const read of await world.run(Promise.all(reads)))
    t.ok(read?.body.equals(bytes.subarray(range.first, range.last + 1)));
  t.equal(world.ufs.calls('get'), 1);
  t.equal(world.ufs.calls('head'), 0, 'nor is it asked for its size first');
  t.ok(world.ufs.sentBytes <= 512 * KIB, `${world.ufs.sentBytes} bytes were sent`);
  t.equal(world.state.cache.objects, 0);
});

void t.test('a reader that goes on where it ended is fetched ahead of; a random one is not', async (t) => {
  const bytes = makeBody(11, 24 * MIB);
  const world = await worldWith(
    { key: bytes },
    { engine: { ufsMetadataTtlMs: 60 * SECOND_MS, capacityBytes: 16 * MIB } },
  );
  for (let at = 0; at < bytes.length; at += 128 * KIB) {
    const range = { first: at, last: at + 128 * KIB - 1 };
    t.ok((await world.get('key', { range }))?.body.equals(bytes.subarray(at, at + 128 * KIB)));
  }
  t.ok(world.ufs.calls('get') <= 20, `${world.ufs.calls('get')} requests for 192 ranges`);
  t.equal(world.ufs.sentBytes, bytes.length, 'nothing is fetched twice');
});

void t.test('ranges of every shape are what the object has there', async (t) => {
  const bytes = makeBody(12, 3 * MIB + 77);
  const world = await worldWith(
    { key: bytes, small: bytes.subarray(0, 300 * KIB) },
    { engine: { ufsMetadataTtlMs: SECOND_MS } },
  );
  for (let i = 0; i < 40; i++) {
    const first = Math.floor(world.random.between(0, bytes.length - 1));
    const last = Math.floor(world.random.between(first, bytes.length + 1000));
    const read = await world.get('key', { range: { first, last } });
    t.ok(read?.body.equals(bytes.subarray(first, last + 1)), `${first}-${last}`);
  }
  t.ok((await world.get('key', { range: { suffix: 1000 } }))?.body.equals(bytes.subarray(-1000)));
  t.ok((await world.get('key', { range: { first: 0 } }))?.body.equals(bytes));
  t.equal(await codeOf(world.get('small', { range: { first: 300 * KIB } })), 'INVALID_RANGE');
  t.ok((await world.get('small', { range: { first: 5, last: 9 } }))?.body.equals(bytes.subarray(5, 10)));
  await world.until(() => world.state.cache.objects === 2, 60 * SECOND_MS);
  t.equal(await world.get('none', { range: { first: 5, last: 9 } }), undefined);
});

void t.test('ranges of an object that changed in the UFS are never of two versions', async (t) => {
  const bytes = makeBody(13, 8 * MIB);
  const other = makeBody(14, 9 * MIB);
  const world = await worldWith(
    { key: bytes },
    { engine: { ufsMetadataTtlMs: 10 * SECOND_MS, capacityBytes: 16 * MIB } },
  );
  await world.get('key', { range: { first: 0, last: 999 } });
  world.ufs.putOutOfBand(BUCKET, 'key', other);
  const range = { first: 4 * MIB, last: 4 * MIB + 999 };
  const read = await world.get('key', { range });
  t.ok(read?.body.equals(other.subarray(range.first, range.last + 1)), 'the change is noticed by the fetch');
  t.equal(read?.object.size, other.length);
});

void t.test('a range that breaks off is an error or goes on, never short', async (t) => {
  const bytes = makeBody(15, 8 * MIB);
  const world = await worldWith({ key: bytes }, { engine: { capacityBytes: 16 * MIB } });
  const range = { first: MIB, last: 5 * MIB };
  world.ufs.arm('brokenBody', { operation: 'get' });
  t.ok((await world.get('key', { range }))?.body.equals(bytes.subarray(MIB, 5 * MIB + 1)));
  world.ufs.setFaults({ brokenBody: 1 });
  for (let first = 5 * MIB; first < 7 * MIB; first += 100 * KIB) {
    const read = await world.get('key', { range: { first, last: first + MIB } }).catch((error: unknown) => {
      t.match(error, { code: 'UFS_UNAVAILABLE' });
    });
    t.ok(read?.body.equals(bytes.subarray(first, first + MIB + 1)) ?? true);
  }
});

void t.test('an object that is read by ranges is cached as a whole in the end', async (t) => {
  const bytes = makeBody(16, 4 * MIB);
  const world = await worldWith({ key: bytes });
  for (let at = 0; at < 3 * MIB; at += MIB)
    await world.get('key', { range: { first: at, last: at + MIB - 1 } });
  await world.until(() => world.state.cache.objects === 1);
  const calls = world.ufs.calls('get');
  t.ok((await world.read('key'))?.equals(bytes));
  t.equal(world.ufs.calls('get'), calls);
});

void t.test('a body is ended exactly once however it is left', async (t) => {
  const world = await worldWith({ key: LARGE });
  const { body }: { body: ReadBody } = await world.run(
    world.objects.getObject({ bucket: BUCKET, key: 'key' }),
  );
  if (body.kind !== 'stream') return t.fail('it is streamed');
  const iterator = body.stream[Symbol.asyncIterator]();
  await world.run(Promise.resolve(iterator.return?.(undefined)));
  await world.run(Promise.resolve(iterator.return?.(undefined)));
  await world.sleep(SECOND_MS);
  t.equal(world.engine.core.admission.reservedBytes, 0);
  t.ok(bytesOf);
});

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

void t.test('a range that is read after a delete is not that of the object before it', async (t) => {
  const world = await worldWith({ key: LARGE }, { policies: { default: 'WRITE_THROUGH' } });
  const range = { first: 1000, last: 2000 };
  world.ufs.arm('hang', { operation: 'get' });
  const before = codeOf(world.beginGet('key', { range }));
  await world.sleep(SECOND_MS);
  await world.delete('key');
  t.equal(await world.get('key', { range }), undefined);
  t.equal(await world.run(before), 'UFS_UNAVAILABLE');
});

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
