/** What operators do with what does not reach the UFS: it is quarantined, looked at, tried again, exported or given up. */
import t from 'tap';
import { HOUR_MS, MINUTE_MS, SECOND_MS } from '../../src/core/units.js';
import type { PersistEntry } from '../../src/engine/admin-service.js';
import type { PersistListRequest } from '../../src/engine/persist-service.js';
import { BUCKET, codeOf, EngineWorld } from '../support/engine-world.js';
import { makeBody } from '../support/object-model.js';

const body = (seed: number, size = 3000): Buffer => makeBody(seed, size);

async function listAll(
  world: EngineWorld,
  request: Partial<PersistListRequest> = {},
): Promise<PersistEntry[]> {
  const entries: PersistEntry[] = [];
  for (let after: string | undefined = ''; after !== undefined;) {
    const page: Awaited<ReturnType<typeof world.admin.persists.list>> = await world.run(
      world.admin.persists.list({ limit: 3, ...request, ...(after === '' ? {} : { after }) }),
    );
    entries.push(...page.entries);
    after = page.nextAfter;
  }
  return entries;
}

async function denied(keys: readonly string[]): Promise<EngineWorld> {
  const world = await EngineWorld.open();
  for (const key of keys) {
    world.ufs.arm('denied', { operation: 'put', keyPrefix: key });
    await world.put(key, body(1));
  }
  await world.drained();
  return world;
}

void t.test('an object that the UFS denies is quarantined with the cause, and stalls no other', async (t) => {
  const world = await EngineWorld.open({ engine: { persistConcurrency: 1 } });
  world.ufs.arm('denied', { operation: 'put', keyPrefix: 'secret/', times: 3 });
  for (let i = 0; i < 3; i++) await world.put(`secret/${i}`, body(i));
  const beganMs = world.scheduler.nowMs;
  for (let i = 0; i < 20; i++) await world.put(`open/${i}`, body(i));
  await world.drained();
  t.ok(world.scheduler.nowMs - beganMs < 5 * SECOND_MS, 'no pause for the others');
  t.equal(world.ufs.contents(BUCKET).size, 20);
  const status = await world.run(world.admin.status());
  t.match(status, { quarantinedObjects: 3, pendingObjects: 0 });
  const failed = (await world.events()).filter(({ type }) => type === 'PersistFailed');
  t.match(failed, Array(3).fill({ cause: 'UFS_DENIED', quarantined: true, attempt: 1 }));
  await world.run(world.admin.free({}));
  await world.restart();
  for (let i = 0; i < 3; i++) {
    t.same(await world.read(`secret/${i}`), body(i), 'kept and served');
    const stat = await world.run(world.admin.persistStat(BUCKET, `secret/${i}`));
    t.match(stat, { state: 'QUARANTINED', persist: { phase: 'QUARANTINED', cause: 'UFS_DENIED' } });
  }
  await world.sleep(HOUR_MS);
  t.equal(world.ufs.contents(BUCKET).size, 20, 'it is not tried again by itself');
});

void t.test('a UFS that denies everything quarantines slowly', async (t) => {
  const world = await EngineWorld.open();
  world.ufs.setFaults({ denied: 1 });
  for (let i = 0; i < 200; i++) await world.put(`key-${i}`, body(i));
  await world.sleep(10 * SECOND_MS);
  t.ok(world.state.uploads.quarantined < 60, `${world.state.uploads.quarantined} are quarantined after 10 s`);
  world.ufs.setFaults({});
  await world.run(world.admin.persists.retry({ state: 'QUARANTINED' }));
  await world.drained();
  t.equal(world.ufs.contents(BUCKET).size, 200);
  t.equal(world.state.uploads.quarantined, 0);
});

void t.test('the list is paged and filtered by path, state and cause', async (t) => {
  const world = await denied(['a/1', 'a/2', 'b/1', 'b/2', 'b/3']);
  const headers = { system: {}, user: { large: 'x'.repeat(3000) } };
  await world.put('a/3', body(1), { headers });
  await world.drained();
  world.ufs.setFaults({ unavailable: 1 });
  await world.put('b/4', body(1));
  await world.sleep(SECOND_MS);
  const keys = async (request: Partial<PersistListRequest>): Promise<string[]> =>
    (await listAll(world, request)).map(({ key }) => key);
  t.same(await keys({}), ['a/1', 'a/2', 'b/1', 'b/2', 'b/3', 'a/3', 'b/4'], 'the oldest first');
  t.same(await keys({ limit: 1 }), await keys({ limit: 100 }));
  t.same(await keys({ path: `/${BUCKET}/a/` }), ['a/1', 'a/2', 'a/3']);
  t.same(await keys({ path: '/other' }), []);
  t.same(await keys({ state: 'QUARANTINED', cause: 'UFS_REJECTED' }), ['a/3']);
  t.same(await keys({ cause: 'UFS_DENIED', path: `/${BUCKET}/b/2` }), ['b/2']);
  t.match(await listAll(world, { state: 'WAITING' }), [{ key: 'b/4', attempt: 1, cause: 'UFS_UNAVAILABLE' }]);
  const bad = world.admin.persists.list({ limit: 1, after: 'x' });
  await t.rejects(world.run(bad), { code: 'INVALID_ARGUMENT', message: /"x" is not of the form/ });
  await t.rejects(world.run(world.admin.persists.list({ limit: 1, path: 'b' })), {
    code: 'INVALID_ARGUMENT',
  });
});

void t.test('a retry of one object, of a prefix, and of everything', async (t) => {
  const world = await denied(['a/1', 'a/2', 'b/1', 'b/2']);
  const { persists } = world.admin;
  t.same(await world.run(persists.retry({ path: `/${BUCKET}/a/1`, exact: true })), { retried: 1 });
  await world.drained();
  t.same(world.inUfs('a/1'), body(1));
  t.equal((await world.run(world.admin.persistStat(BUCKET, 'a/1')))?.state, 'PERSISTED');
  t.equal(world.state.uploads.quarantined, 3, 'nothing else was touched');
  const again = persists.retry({ path: `/${BUCKET}/a/1`, exact: true });
  t.equal(await codeOf(world.run(again)), 'NO_SUCH_KEY');
  t.same(await world.run(persists.retry({ path: `/${BUCKET}/a/` })), { retried: 1 });
  t.same(await world.run(persists.retry({ cause: 'UFS_REJECTED' })), { retried: 0 });
  world.ufs.arm('denied', { operation: 'put', keyPrefix: 'b/2' });
  t.same(await world.run(persists.retry({})), { retried: 2 });
  await world.drained();
  t.equal(world.ufs.contents(BUCKET).size, 3);
  t.match(await listAll(world), [{ key: 'b/2', phase: 'QUARANTINED', attempt: 1 }], 'it failed anew');
});

void t.test('a retry of what waits resets its schedule, and survives a crash', async (t) => {
  const world = await EngineWorld.open({
    engine: { persistRetryInitialMs: HOUR_MS, persistRetryMaxMs: HOUR_MS },
  });
  world.ufs.arm('throttled', { operation: 'put' });
  await world.put('key', body(1));
  await world.until(() => world.logged.some(({ message }) => message === 'a persist failed'));
  world.ufs.setFaults({ hang: 1 });
  await world.run(world.admin.persists.retry({}));
  world.crash();
  world.ufs.setFaults({});
  await world.start();
  await world.until(() => world.inUfs('key') !== undefined, MINUTE_MS);
  t.same(world.inUfs('key'), body(1));
});

void t.test('what is given up is lost, gives its space back, and is told by an event', async (t) => {
  const world = await EngineWorld.open();
  await world.put('key', body(1));
  await world.drained();
  const pinnedBefore = (await world.run(world.admin.status())).pinnedBytes;
  world.ufs.arm('denied', { operation: 'put' });
  await world.put('key', body(2, 5000));
  await world.drained();
  const { persists } = world.admin;
  const stat = await world.run(world.admin.persistStat(BUCKET, 'key'));
  const version = stat?.version ?? 0;
  const request = { bucket: BUCKET, key: 'key', reason: 'superseded' };
  t.equal(await codeOf(world.run(persists.discard({ ...request, version: 1 }))), 'PRECONDITION_FAILED');
  t.equal(await codeOf(world.run(persists.discard({ ...request, reason: ' ' }))), 'INVALID_ARGUMENT');
  const lost = await world.run(persists.discard({ ...request, version }));
  t.match(lost, { version, kind: 'put', size: 5000, reason: 'superseded', ufs: { size: 3000 } });
  const status = await world.run(world.admin.status());
  t.match(status, { quarantinedObjects: 0, pendingObjects: 0, pinnedBytes: pinnedBefore });
  t.same(await world.read('key'), body(1), 'readers get what the UFS holds');
  t.match(
    (await world.events()).findLast(({ type }) => type === 'PersistDiscarded'),
    {
      key: 'key',
      version,
      size: 5000,
      reason: 'superseded',
    },
  );
  t.equal(await codeOf(world.run(persists.discard(request))), 'NO_SUCH_KEY');
  world.crash();
  await world.start();
  t.same(await world.read('key'), body(1), 'also after a crash');
  const verified = await world.run(world.admin.verify({ data: true }));
  t.same(verified.problems, []);
});

void t.test('a pending delete that is given up brings the object back', async (t) => {
  const world = await EngineWorld.open();
  await world.put('key', body(1));
  await world.drained();
  world.ufs.arm('denied', { operation: 'delete' });
  await world.delete('key');
  await world.drained();
  t.equal(await world.read('key'), undefined, 'it hides what the UFS holds');
  t.match(await listAll(world), [{ kind: 'delete', phase: 'QUARANTINED' }]);
  const { persists } = world.admin;
  const opening = persists.open({ bucket: BUCKET, key: 'key' });
  t.equal(await codeOf(world.run(opening)), 'NO_SUCH_KEY', 'there are no bytes to export');
  const request = { bucket: BUCKET, key: 'key', reason: 'the bucket is under retention' };
  t.match(await world.run(persists.discard(request)), { kind: 'delete', size: 0 });
  t.same(await world.read('key'), body(1));
  t.same(await world.names(), ['key']);
});

void t.test(
  'discarding waits for an upload in progress, and finds nothing to give up after it',
  async (t) => {
    const world = await EngineWorld.open({ ufs: { latencyMs: { min: 1000, max: 1000 } } });
    await world.put('key', body(1));
    await world.sleep(500);
    t.match(await listAll(world), [{ phase: 'UPLOADING' }]);
    const request = { bucket: BUCKET, key: 'key', reason: 'no' };
    t.equal(await codeOf(world.run(world.admin.persists.discard(request))), 'NO_SUCH_KEY');
    t.same(world.inUfs('key'), body(1));
  },
);

void t.test('the bytes of what is not persisted can be exported', async (t) => {
  const world = await EngineWorld.open();
  const headers = { system: { 'content-type': 'text/x' }, user: { a: 'b' } };
  world.ufs.arm('denied', { operation: 'put', times: 3 });
  await world.put('small', body(1), { headers });
  await world.put('empty', Buffer.alloc(0));
  await world.put('large', body(2, 2_000_000));
  await world.drained();
  for (const [key, expected] of [
    ['small', body(1)],
    ['empty', Buffer.alloc(0)],
    ['large', body(2, 2_000_000)],
  ] as const) {
    const found = await world.run(world.admin.persists.open({ bucket: BUCKET, key }));
    const chunks: Uint8Array[] = [];
    const read = async (): Promise<void> => {
      for await (const chunk of found.body) chunks.push(Uint8Array.from(chunk));
    };
    await world.run(read());
    t.same(Buffer.concat(chunks), expected, key);
    t.equal(found.size, expected.length);
    if (key === 'small') t.match(found.headers, headers);
  }
});

void t.test(
  'what waits survives a restart exactly: attempts, cause, and the time of the next attempt',
  async (t) => {
    const world = await EngineWorld.open({
      engine: { persistRetryInitialMs: HOUR_MS, persistRetryMaxMs: 10 * HOUR_MS },
    });
    const faults = ['throttled', 'lostAnswer', 'denied'] as const;
    for (const fault of faults) {
      world.ufs.arm(fault, { operation: 'put', keyPrefix: fault });
      await world.put(fault, body(1));
    }
    await world.until(
      () => world.logged.filter(({ message }) => message === 'a persist failed').length === 3,
    );
    await world.sleep(MINUTE_MS);
    const before = await listAll(world);
    t.match(before, [
      { key: 'throttled', phase: 'WAITING', attempt: 1, cause: 'UFS_THROTTLED' },
      { key: 'lostAnswer', phase: 'WAITING', attempt: 1, cause: 'UFS_UNKNOWN_OUTCOME' },
      { key: 'denied', phase: 'QUARANTINED', attempt: 1, cause: 'UFS_DENIED' },
    ]);
    world.crash();
    await world.start();
    await world.sleep(MINUTE_MS);
    t.same(await listAll(world), before);
    await world.restart();
    t.same(await listAll(world), before, 'also through a checkpoint');
    const dueMs = before[0]?.nextAttemptAtMs ?? 0;
    await world.sleep(dueMs - world.clock.wallTimeMs() - 1000);
    t.equal(world.inUfs('throttled'), undefined, 'not before its time');
    await world.sleep(3000);
    t.same(world.inUfs('throttled'), body(1), 'and at its time');
  },
);
