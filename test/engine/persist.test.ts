/** How un-persisted data reaches the UFS: in order, once, as soon as it can, and with a schedule that outlives the process. */
import t from 'tap';
import { HOUR_MS, KIB, MINUTE_MS, SECOND_MS } from '../../src/core/units.js';
import { BUCKET, EngineWorld } from '../support/engine-world.js';
import { makeBody } from '../support/object-model.js';

const body = (seed: number, size = 3000): Buffer => makeBody(seed, size);

/** Kind and ETag of every change of a key in the UFS. */
function changes(world: EngineWorld, key: string): string[] {
  return world.ufs.history
    .filter((change) => change.key === key)
    .map(({ kind, size }) => (kind === 'put' ? `put ${size}` : 'delete'));
}

void t.test('an overwritten version is skipped when it was not yet being uploaded', async (t) => {
  const world = await EngineWorld.open({ engine: { persistConcurrency: 1 } });
  world.ufs.setFaults({ unavailable: 1 });
  for (let size = 1; size <= 20; size++) await world.put('key', body(size, size));
  t.equal(world.state.uploads.pending, 1, 'one entry for one object');
  world.ufs.setFaults({});
  await world.drained();
  t.same(changes(world, 'key'), ['put 20']);
});

void t.test('versions, and a delete behind them, reach the UFS in the order of their commits', async (t) => {
  const world = await EngineWorld.open();
  for (let round = 0; round < 30; round++) {
    for (let size = 1; size <= 4; size++) {
      await world.put('key', body(size, round * 10 + size));
      await world.sleep(world.random.between(0, 60));
    }
    await world.delete('key');
    await world.sleep(world.random.between(0, 60));
  }
  await world.drained();
  const sizes = changes(world, 'key').map((change) => Number(change.split(' ')[1] ?? 0));
  t.equal(sizes.at(-1), 0, 'the last change is the delete');
  const puts = sizes.filter((size) => size > 0);
  t.same(
    puts,
    [...puts].sort((a, b) => a - b),
    'no older version after a newer one',
  );
  t.ok(puts.length > 20, `${puts.length} versions were uploaded`);
});

void t.test('an object that is put again takes the place of its pending delete', async (t) => {
  const world = await EngineWorld.open();
  await world.put('key', body(1));
  await world.drained();
  world.ufs.setFaults({ unavailable: 1 });
  await world.delete('key');
  await world.until(() => world.logged.some(({ message }) => message === 'a persist failed'));
  await world.put('key', body(2, 5000));
  world.ufs.setFaults({});
  await world.drained();
  t.same(changes(world, 'key'), ['put 3000', 'put 5000']);
});

void t.test('a failed upload is tried again with doubling delays, up to the longest', async (t) => {
  const world = await EngineWorld.open({ engine: { persistRetryMaxMs: 10 * SECOND_MS } });
  world.ufs.arm('throttled', { operation: 'put', times: 7 });
  await world.put('key', body(1));
  const delays: number[] = [];
  let attempt = 0;
  await world.until(() => {
    const [, record] = [...world.partition.index.scan('q', 'r')][0] ?? [];
    if (record?.kind !== 'queued') return true;
    if (record.attempt > attempt) delays.push(record.nextAttemptAtMs - world.clock.wallTimeMs());
    attempt = record.attempt;
    return false;
  });
  t.equal(attempt, 7);
  for (const [at, expectedMs] of [1000, 2000, 4000, 8000, 10_000, 10_000, 10_000].entries())
    t.ok(Math.abs((delays[at] ?? 0) - expectedMs) <= 200, `attempt ${at + 1} waits ${delays[at]} ms`);
  t.same(world.inUfs('key'), body(1));
});

void t.test('the schedule of retries survives a restart', async (t) => {
  const world = await EngineWorld.open({
    engine: { persistRetryInitialMs: MINUTE_MS, persistRetryMaxMs: HOUR_MS },
  });
  world.ufs.arm('throttled', { operation: 'put', times: 2 });
  await world.put('key', body(1));
  await world.until(() => world.logged.some(({ message }) => message === 'a persist failed'));
  const before = await world.run(world.admin.persistStat(BUCKET, 'key'));
  t.match(before?.persist, { phase: 'WAITING', attempt: 1, cause: 'UFS_THROTTLED' });
  world.kill();
  await world.start();
  const after = await world.run(world.admin.persistStat(BUCKET, 'key'));
  t.same(after, before, 'attempt, cause and time of the next attempt');
  await world.sleep(MINUTE_MS / 2);
  t.equal(world.inUfs('key'), undefined, 'it is not tried before its time');
  await world.until(() => world.logged.filter(({ message }) => message === 'a persist failed').length === 2);
  const again = await world.run(world.admin.persistStat(BUCKET, 'key'));
  t.match(again?.persist, { attempt: 2 });
  t.ok(
    (again?.persist?.nextAttemptAtMs ?? 0) - world.clock.wallTimeMs() > MINUTE_MS,
    'and the delay went on doubling',
  );
  await world.drained();
  t.same(world.inUfs('key'), body(1));
});

void t.test(
  'while the UFS is away objects wait without attempts, and drain soon after its return',
  async (t) => {
    const world = await EngineWorld.open();
    world.ufs.setFaults({ unavailable: 1 });
    for (let i = 0; i < 200; i++) await world.put(`key-${i}`, body(i));
    await world.sleep(HOUR_MS);
    const failures = (await world.eventTypes()).filter((type) => type === 'PersistFailed').length;
    t.ok(failures < 40, `${failures} failures were logged in an hour`);
    const foreground = world.put('another', body(1000));
    await foreground;
    world.ufs.setFaults({});
    const returnedMs = world.scheduler.nowMs;
    await world.drained();
    t.ok(
      world.scheduler.nowMs - returnedMs < 70 * SECOND_MS,
      `drained after ${world.scheduler.nowMs - returnedMs} ms`,
    );
    for (let i = 0; i < 200; i++) t.same(world.inUfs(`key-${i}`), body(i));
  },
);

void t.test('an outage that spans a restart ends in the same way', async (t) => {
  const world = await EngineWorld.open();
  world.ufs.setFaults({ unavailable: 1 });
  for (let i = 0; i < 20; i++) await world.put(`key-${i}`, body(i));
  await world.delete('key-3');
  world.crash();
  await world.start();
  await world.sleep(MINUTE_MS);
  world.ufs.setFaults({});
  await world.drained();
  t.equal(world.ufs.contents(BUCKET).size, 19);
});

void t.test('what the UFS refuses for good is quarantined, and others go on', async (t) => {
  const world = await EngineWorld.open();
  const headers = { system: {}, user: { large: 'x'.repeat(3000) } };
  await world.put('refused', body(1), { headers });
  await world.put('fine', body(2));
  await world.drained();
  t.same(world.inUfs('fine'), body(2));
  t.equal(world.state.uploads.quarantined, 1);
  const stat = await world.run(world.admin.persistStat(BUCKET, 'refused'));
  t.match(stat, { state: 'QUARANTINED', persist: { phase: 'QUARANTINED', cause: 'UFS_REJECTED' } });
  t.same(await world.read('refused'), body(1), 'it is kept and served');
  await world.run(world.admin.free({}));
  await world.restart();
  t.same(await world.read('refused'), body(1), 'also after job free and a restart');
  await world.put('refused', body(3));
  await world.drained();
  t.equal(world.state.uploads.quarantined, 0, 'a new version ends it');
  t.same(world.inUfs('refused'), body(3));
});

void t.test('an upload whose answer was lost is done again and changes nothing', async (t) => {
  const world = await EngineWorld.open();
  world.ufs.arm('lostAnswer', { operation: 'put' });
  await world.put('key', body(1));
  await world.drained();
  t.same(changes(world, 'key'), ['put 3000', 'put 3000']);
  t.same(await world.read('key'), body(1));
});

void t.test('a UFS that hangs holds neither the queue nor the stop', async (t) => {
  const world = await EngineWorld.open({ engine: { persistConcurrency: 2 } });
  world.ufs.arm('hang', { operation: 'put', times: 2 });
  for (let i = 0; i < 6; i++) await world.put(`key-${i}`, body(i));
  await world.drained();
  t.equal(world.ufs.contents(BUCKET).size, 6, 'the deadline ends what hangs');
  world.ufs.setFaults({ hang: 1 });
  await world.put('last', body(7));
  await world.sleep(SECOND_MS);
  const beganMs = world.scheduler.nowMs;
  await world.stop();
  t.ok(
    world.scheduler.nowMs - beganMs < 5 * SECOND_MS,
    `stopped after ${world.scheduler.nowMs - beganMs} ms`,
  );
  world.ufs.setFaults({});
  await world.start();
  await world.drained();
  t.same(world.inUfs('last'), body(7));
});

void t.test('many uploads at once do not collect listeners', async (t) => {
  const warnings: Error[] = [];
  const note = (warning: Error): void => void warnings.push(warning);
  process.on('warning', note);
  t.teardown(() => process.off('warning', note));
  const world = await EngineWorld.open({ engine: { persistConcurrency: 64 } });
  await world.run(Promise.all(Array.from({ length: 100 }, (_, i) => world.beginPut(`key-${i}`, body(i)))));
  await world.drained();
  t.equal(world.ufs.contents(BUCKET).size, 100);
  await new Promise((resolve) => setImmediate(resolve));
  t.same(warnings, []);
});

void t.test('the list of what waits is paged, also through a filter', async (t) => {
  const world = await EngineWorld.open({ engine: { persistConcurrency: 1 } });
  const headers = { system: {}, user: { large: 'x'.repeat(3000) } };
  for (let i = 0; i < 10; i++) await world.put(`refused-${i}`, body(1), { headers });
  await world.drained();
  world.ufs.setFaults({ unavailable: 1 });
  for (let i = 0; i < 10; i++) await world.put(`waiting-${i}`, body(1));
  await world.sleep(SECOND_MS);
  for (const limit of [1, 3, 10, 100]) {
    for (const [state, prefix, count] of [
      ['QUARANTINED', 'refused', 10],
      [undefined, '', 20],
    ] as const) {
      const keys: string[] = [];
      let after: string | undefined;
      do {
        const page = await world.run(
          world.admin.persists.list({
            limit,
            ...(after === undefined ? {} : { after }),
            ...(state && { state }),
          }),
        );
        keys.push(...page.entries.map(({ key }) => key));
        after = page.nextAfter;
      } while (after !== undefined);
      t.equal(keys.length, count, `${state ?? 'all'} by ${limit}`);
      t.ok(keys.every((key) => key.startsWith(prefix)));
      t.equal(new Set(keys).size, count);
    }
  }
});

void t.test('a multipart object keeps its parts and its ETag in the UFS', async (t) => {
  const world = await EngineWorld.open({ ufs: { partBytesMin: 5 * 1024 * KIB } });
  const parts = [body(1, 5 * 1024 * KIB), body(2, 10 * KIB)];
  const uploadId = await world.createUpload('key');
  const uploaded = [];
  for (const [at, part] of parts.entries()) uploaded.push(await world.putPart('key', uploadId, at + 1, part));
  const { etag } = await world.completeUpload('key', uploadId, uploaded);
  await world.drained();
  t.match(etag, /^[0-9a-f]{32}-2$/);
  t.equal(world.ufs.contents(BUCKET).get('key')?.etag, etag);
  t.same(world.inUfs('key'), Buffer.concat(parts));
});

void t.test(
  'an attempt for a version that was deleted meanwhile leaves the delete to its own time',
  async (t) => {
    const world = await EngineWorld.open();
    world.ufs.setFaults({ unavailable: 1 });
    const { offset = '' } = await world.put('key', body(1));
    await world.delete('key');
    await world.sleep(SECOND_MS / 5);
    world.ufs.setFaults({});
    const before = world.ufs.calls('delete');
    await world.run(world.engine.persister.persistLocked(BUCKET, 'key', Number(offset.split(':')[1])));
    t.equal(world.ufs.calls('delete'), before);
    await world.drained();
    t.equal(world.ufs.calls('delete'), before + 1);
  },
);
