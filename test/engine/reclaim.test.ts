/** Bytes that nobody needs any more go back to the file system: after a free, an overwrite, a delete, and the last reader. */
import t from 'tap';
import { KIB, MIB, SECOND_MS } from '../../src/core/units.js';
import { BUCKET, EngineWorld } from '../support/engine-world.js';
import { makeBody } from '../support/object-model.js';

void t.test('job free gives the bytes of files back, and compacts what is left', async (t) => {
  const world = await EngineWorld.open({
    policies: { default: 'WRITE_BACK', [`/${BUCKET}/keep/**`]: 'TRANSIENT' },
  });
  // Every tenth object stays, so that each segment keeps a little.
  for (let i = 0; i < 100; i++)
    await world.put(i % 10 === 0 ? `keep/${i}` : `key-${i}`, makeBody(i, 60 * KIB));
  for (let i = 0; i < 3; i++) await world.put(`large-${i}`, makeBody(i, MIB));
  await world.drained();
  const before = world.fileBytes;
  const freed = await world.run(world.admin.free({}));
  t.equal(freed.objects, 93);
  t.equal(freed.bytes, 90 * 60 * KIB + 3 * MIB);
  await world.sleep(SECOND_MS);
  t.ok(before > 8 * MIB, `${before} bytes were used`);
  t.ok(world.fileBytes < 1.5 * MIB, `${world.fileBytes} bytes are used for ${world.liveBytes}`);
  for (let i = 0; i < 100; i += 10) t.same(await world.read(`keep/${i}`), makeBody(i, 60 * KIB));
  const report = await world.run(world.admin.verify({ data: true }));
  t.ok(report.ok, report.problems.join('; '));
  await world.restart();
  for (let i = 0; i < 100; i += 10) t.same(await world.read(`keep/${i}`), makeBody(i, 60 * KIB));
});

void t.test('job free of a path frees what lies below it and nothing else', async (t) => {
  const world = await EngineWorld.open();
  for (const key of ['a/1', 'a/2', 'ab', 'b/1']) await world.put(key, makeBody(1, 1000));
  await world.drained();
  const freed = await world.run(world.admin.free({ path: `/${BUCKET}/a/` }));
  t.equal(freed.objects, 2);
  t.notOk(await world.isCached('a/1'));
  t.ok(await world.isCached('ab'));
});

void t.test('overwriting and deleting give space back by themselves', async (t) => {
  const world = await EngineWorld.open({ policies: { default: 'TRANSIENT' } });
  for (let i = 0; i < 50; i++) {
    await world.put('key', makeBody(i, MIB));
    await world.sleep(300);
    t.ok(world.fileBytes < 3 * MIB, `${world.fileBytes} bytes after ${i + 1} versions`);
  }
  await world.delete('key');
  await world.sleep(300);
  t.equal(world.fileBytes, 0);
});

void t.test(
  'compaction beside overwrites and uploads of the same objects loses and mixes nothing',
  async (t) => {
    const world = await EngineWorld.open({ engine: { persistConcurrency: 8 } });
    const current = new Map<string, Buffer>();
    for (let round = 0; round < 8; round++) {
      for (let i = 0; i < 40; i++) {
        const key = `key-${i % 25}`;
        const body = makeBody(round * 100 + i, 20 * KIB);
        current.set(key, body);
        await world.put(key, body);
      }
      const frees = Promise.all([world.admin.free({}), world.admin.free({})]);
      const puts = Array.from({ length: 10 }, (_, i) => {
        const body = makeBody(round * 100 + 50 + i, 10 * KIB);
        current.set(`key-${i}`, body);
        return world.beginPut(`key-${i}`, body);
      });
      await world.run(Promise.all([frees, ...puts]));
    }
    for (const [key, body] of current) t.same(await world.read(key), body);
    await world.drained();
    for (const [key, body] of current) t.same(world.inUfs(key), body);
    const report = await world.run(world.admin.verify({ data: true }));
    t.ok(report.ok, report.problems.join('; '));
  },
);

void t.test(
  'a slow reader keeps its segment until it is done, also when the object is deleted',
  async (t) => {
    const world = await EngineWorld.open({ policies: { default: 'TRANSIENT' } });
    const body = makeBody(1, 3 * MIB);
    await world.put('key', body);
    const { body: read } = await world.run(world.objects.getObject({ bucket: BUCKET, key: 'key' }));
    if (read.kind !== 'stream') return t.fail('it is streamed');
    const stream = read.stream[Symbol.asyncIterator]();
    const chunks: Buffer[] = [];
    const next = async (): Promise<boolean> => {
      const step = await world.run(stream.next());
      if (step.done !== true) chunks.push(Buffer.from(step.value));
      return step.done !== true;
    };
    await next();
    await world.delete('key');
    await world.sleep(20 * SECOND_MS);
    t.not(world.fileBytes, 0);
    while (await next());
    t.same(Buffer.concat(chunks), body);
    await world.sleep(20 * SECOND_MS);
    t.equal(world.fileBytes, 0, 'then the file goes');
  },
);

void t.test('a reader that leaves early lets the segment go', async (t) => {
  const world = await EngineWorld.open({ policies: { default: 'TRANSIENT' } });
  await world.put('key', makeBody(1, 3 * MIB));
  for (const reads of [0, 1]) {
    const { body } = await world.run(world.objects.getObject({ bucket: BUCKET, key: 'key' }));
    if (body.kind !== 'stream') return t.fail('it is streamed');
    const stream = body.stream[Symbol.asyncIterator]();
    for (let i = 0; i < reads; i++) await world.run(stream.next());
    await world.run(Promise.resolve(stream.return?.(undefined)));
  }
  await world.delete('key');
  await world.sleep(SECOND_MS);
  t.equal(world.fileBytes, 0);
});
