/** Writes that nobody will finish: found by the two timeouts, by a restart and by `job free`, and ended exactly once. */
import t from 'tap';
import { HOUR_MS, KIB, MIB, MINUTE_MS, SECOND_MS } from '../../src/core/units.js';
import type { Body } from '../../src/engine/object-service.js';
import { BUCKET, EngineWorld, SlowBody, codeOf } from '../support/engine-world.js';
import { makeBody } from '../support/object-model.js';

const HEADERS = { system: {}, user: {} };

function slowPut(world: EngineWorld, body: SlowBody, size: number | undefined): Promise<unknown> {
  const source: Body = { kind: 'stream', stream: body, size };
  return world.objects.putObject({ bucket: BUCKET, key: 'key', body: source, headers: HEADERS });
}

/** Nothing of the write is left: not in the log's state, in memory or on the disk. */
function traces(world: EngineWorld): object {
  const { admission } = world.engine.core;
  return {
    orphans: world.state.orphans.size,
    reserved: admission.reservedBytes,
    pinned: admission.pinnedBytes,
    logged: world.state.pinned.reservedBytes,
    fileBytes: world.fileBytes,
  };
}
const NO_TRACES = { orphans: 0, reserved: 0, pinned: 0, logged: 0, fileBytes: 0 };

void t.test(
  'a write that received no data for the dangling timeout is ended, and its space is free',
  async (t) => {
    const world = await EngineWorld.open();
    const body = new SlowBody();
    const put = codeOf(slowPut(world, body, 3 * MIB));
    body.send(makeBody(1, MIB));
    await world.sleep(9 * MINUTE_MS);
    t.equal(world.state.orphans.size, 1);
    t.equal(world.engine.core.admission.reservedBytes, 3 * MIB);
    t.equal(await world.run(put), 'REQUEST_TIMEOUT', 'although the client is still connected');
    t.ok(world.scheduler.nowMs < 21 * MINUTE_MS, 'at the first scan after the timeout');
    await world.sleep(SECOND_MS);
    t.same(traces(world), NO_TRACES);
    const [, abandoned] = (await world.events()).slice(-2);
    t.match(abandoned, { type: 'WriteAbandoned', reason: 'DANGLING', reservedBytes: 3 * MIB });
    body.send(makeBody(2, 2 * MIB));
    body.end();
    await world.sleep(MINUTE_MS);
    t.equal(await world.read('key'), undefined, 'late data revives nothing');
  },
);

void t.test('a slow write that goes on receiving data is never ended, however long it takes', async (t) => {
  const world = await EngineWorld.open();
  const body = new SlowBody();
  const put = slowPut(world, body, 40 * KIB);
  for (let i = 0; i < 40; i++) {
    body.send(makeBody(i, KIB));
    await world.sleep(9 * MINUTE_MS);
  }
  body.end();
  await world.run(put);
  t.equal((await world.read('key'))?.length, 40 * KIB);
  t.ok(world.scheduler.nowMs > 6 * HOUR_MS - MINUTE_MS);
});

void t.test('a client that goes away ends its write at once', async (t) => {
  const world = await EngineWorld.open();
  await world.put('key', makeBody(9, 1000));
  const body = new SlowBody();
  const put = slowPut(world, body, 3 * MIB);
  body.send(makeBody(1, MIB));
  await world.sleep(10);
  body.fail(new Error('connection reset'));
  await t.rejects(world.run(put), { message: 'connection reset' });
  t.same(await world.read('key'), makeBody(9, 1000));
  await world.delete('key');
  await world.drained();
  await world.run(world.admin.free({}));
  await world.sleep(SECOND_MS);
  t.same(traces(world), NO_TRACES);
});

for (const death of ['kill', 'crash'] as const) {
  void t.test(`after a ${death} streamed writes are abandoned at once and their space is free`, async (t) => {
    const world = await EngineWorld.open({ engine: { pinnedRatio: 0.9 } });
    for (const size of [3 * MIB, undefined]) {
      const body = new SlowBody();
      void slowPut(world, body, size);
      body.send(makeBody(1, 2 * MIB));
    }
    await world.sleep(100);
    t.equal(world.state.orphans.size, 2);
    world[death]();
    await world.start();
    t.equal(world.state.orphans.size, 0, 'before the first request is served');
    await world.sleep(SECOND_MS);
    t.same(traces(world), NO_TRACES);
    const types = await world.eventTypes('key');
    t.equal(types.filter((type) => type === 'WriteAbandoned').length, 2, 'each exactly once');
    await world.restart();
    t.equal((await world.eventTypes('key')).length, types.length, 'and not again');
  });
}

void t.test('a multipart upload survives restarts and ends when it is silent for too long', async (t) => {
  const world = await EngineWorld.open();
  const uploadId = await world.createUpload('key');
  await world.putPart('key', uploadId, 1, makeBody(1, MIB));
  await world.sleep(9 * MINUTE_MS);
  world.crash();
  await world.start();
  const part = await world.putPart('key', uploadId, 2, makeBody(2, MIB));
  t.ok(part.etag, 'a part resets the timeout');
  await world.sleep(8 * MINUTE_MS);
  t.equal(world.engine.core.admission.pinnedBytes, 2 * MIB);
  await world.until(() => world.state.orphans.size === 0, 25 * MINUTE_MS);
  await world.sleep(SECOND_MS);
  t.same(traces(world), NO_TRACES);
  t.match((await world.events()).at(-1), { type: 'UploadAborted', reason: 'DANGLING', bytes: 2 * MIB });
  t.equal(await codeOf(world.putPart('key', uploadId, 3, makeBody(3, 100))), 'NO_SUCH_UPLOAD');
});

void t.test('the orphan timeout ends an upload that was opened long ago and is idle', async (t) => {
  const world = await EngineWorld.open({
    engine: { orphanTimeoutMs: 5 * MINUTE_MS, danglingAfterMs: HOUR_MS },
  });
  await world.createUpload('key');
  await world.sleep(4 * MINUTE_MS);
  t.equal((await world.run(world.admin.free({}))).abandonedWrites, 0);
  await world.sleep(2 * MINUTE_MS);
  const freed = await world.run(world.admin.free({}));
  t.equal(freed.abandonedWrites, 1, 'job free does not wait for the next scan');
  t.match((await world.events()).at(-1), { type: 'UploadAborted', reason: 'TIMEOUT' });
});

void t.test('scans at the same time, and a commit meanwhile, end each write exactly once', async (t) => {
  const world = await EngineWorld.open({
    engine: { orphanTimeoutMs: MINUTE_MS, danglingAfterMs: MINUTE_MS },
  });
  // Writes whose process died before the log could say so are orphans without a live request.
  for (let i = 0; i < 20; i++) await world.createUpload(`upload-${i}`);
  const bodies = Array.from({ length: 10 }, () => new SlowBody());
  const puts = bodies.map((body) => codeOf(slowPut(world, body, KIB)));
  await world.sleep(2 * MINUTE_MS);
  for (const body of bodies) {
    body.send(makeBody(1, KIB));
    body.end();
  }
  await world.run(Promise.all([world.admin.free({}), world.admin.free({}), world.admin.free({}), ...puts]));
  await world.sleep(MINUTE_MS);
  t.equal(world.state.orphans.size, 0);
  t.equal(world.state.pinned.reservedBytes, 0, 'no reservation was given back twice');
  const types = await world.eventTypes();
  t.equal(types.filter((type) => type === 'UploadAborted').length, 20);
  await world.restart();
  const report = await world.run(world.admin.verify({ data: true }));
  t.ok(report.ok, report.problems.join('; '));
});

void t.test('a write whose condition fails is abandoned exactly once and leaves nothing', async (t) => {
  const world = await EngineWorld.open({ policies: { default: 'TRANSIENT' } });
  await world.put('key', makeBody(1, 100));
  const { etag } = await world.put('key', makeBody(1, 100));
  const before = traces(world);
  for (const conditions of [{ ifNoneMatch: ['*'] }, { ifMatch: ['0'.repeat(32)] }, { ifNoneMatch: [etag] }]) {
    t.equal(await codeOf(world.put('key', makeBody(2, MIB), { conditions })), 'PRECONDITION_FAILED');
    t.equal(await codeOf(world.put('key', makeBody(2, 100), { conditions })), 'PRECONDITION_FAILED');
  }
  await world.sleep(SECOND_MS);
  t.match(traces(world), { ...before, fileBytes: Number });
  t.ok(world.fileBytes <= 32 * KIB, `${world.fileBytes} bytes of files: the streamed ones are gone`);
  const types = await world.eventTypes('key');
  const opened = types.filter((type) => type === 'WriteOpened').length;
  t.equal(types.filter((type) => type === 'WriteAbandoned').length, opened);
});

void t.test('a body that is shorter, longer or other than announced leaves nothing', async (t) => {
  const world = await EngineWorld.open({ policies: { default: 'TRANSIENT' } });
  const send = (bytes: Buffer, size: number | undefined, md5?: Uint8Array): Promise<string> => {
    const body = new SlowBody();
    body.send(bytes);
    body.end();
    const source: Body = { kind: 'stream', stream: body, size };
    return codeOf(
      world.run(world.objects.putObject({ bucket: BUCKET, key: 'key', body: source, headers: HEADERS, md5 })),
    );
  };
  t.equal(await send(makeBody(1, MIB), MIB + 1), 'INCOMPLETE_BODY');
  t.equal(await send(makeBody(1, MIB), MIB - 1), 'INCOMPLETE_BODY');
  t.equal(await send(makeBody(1, MIB), MIB, Buffer.alloc(16)), 'BAD_DIGEST');
  t.equal(await send(makeBody(1, MIB), undefined, Buffer.alloc(16)), 'BAD_DIGEST');
  const small: Body = { kind: 'chunks', chunks: [makeBody(1, 100)], size: 100 };
  const request = { bucket: BUCKET, key: 'key', body: small, headers: HEADERS, md5: Buffer.alloc(16) };
  t.equal(await codeOf(world.run(world.objects.putObject(request))), 'BAD_DIGEST');
  await world.sleep(SECOND_MS);
  await world.run(world.admin.free({}));
  t.same(traces(world), NO_TRACES);
  t.equal(await world.read('key'), undefined);
});

void t.test('an empty streamed body keeps no file', async (t) => {
  const world = await EngineWorld.open({ policies: { default: 'TRANSIENT' } });
  const body = new SlowBody();
  body.end();
  await world.run(slowPut(world, body, undefined));
  t.equal((await world.read('key'))?.length, 0);
  await world.sleep(SECOND_MS);
  t.equal(world.fileBytes, 0);
});
