/** Load jobs: what they take into the cache, how they end, and that they outlive a restart. */
import t from 'tap';
import { KIB, MIB, SECOND_MS } from '../../src/core/units.js';
import type { JobInfo } from '../../src/engine/job-service.js';
import { BUCKET, codeOf, EngineWorld } from '../support/engine-world.js';
import { makeBody } from '../support/object-model.js';

const SIZE = 20 * KIB;

async function worldWith(
  count: number,
  options: Parameters<typeof EngineWorld.open>[0] = {},
): Promise<EngineWorld> {
  const world = await EngineWorld.open({
    ...options,
    engine: { capacityBytes: 128 * MIB, ...options.engine },
  });
  for (let i = 0; i < count; i++) world.ufs.putOutOfBand(BUCKET, nameOf(i), makeBody(i, SIZE));
  world.ufs.putOutOfBand(BUCKET, 'other', makeBody(1, SIZE));
  return world;
}

function nameOf(i: number): string {
  return `in/${String(i).padStart(5, '0')}`;
}

function start(world: EngineWorld, path = `/${BUCKET}/in/`): Promise<JobInfo> {
  return world.run(world.admin.jobs.start({ kind: 'load', path }));
}

void t.test('a load job takes what lies below its path into the cache, and nothing else, once', async (t) => {
  const world = await worldWith(100);
  world.ufs.putOutOfBand(BUCKET, 'in/large', makeBody(7, 3 * MIB));
  await world.read(nameOf(3));
  const started = await start(world);
  t.match(started, { id: '1', state: 'RUNNING', objects: 0 });
  const seen: JobInfo[] = [];
  const ended = await world.run(world.admin.jobs.follow('1', { onProgress: (job) => seen.push(job) }));
  t.match(ended, { state: 'DONE', objects: 100, skippedObjects: 1, failedObjects: 0, totalObjects: 101 });
  t.equal(ended.bytes, 99 * SIZE + 3 * MIB);
  t.ok(seen.length > 0);
  const calls = world.ufs.calls('get');
  t.equal(calls, 101);
  t.same(await world.read(nameOf(99)), makeBody(99, SIZE));
  t.equal(world.ufs.calls('get'), calls, 'reads are hits');
  t.equal(world.state.cache.objects, 101);
  await start(world);
  const again = await world.run(world.admin.jobs.follow('2', {}));
  t.match(again, { state: 'DONE', objects: 0, skippedObjects: 101 });
  t.same(
    world.admin.jobs.list().map(({ id }) => id),
    ['2', '1'],
  );
});

void t.test('a load job fetches no more objects at once than it may', async (t) => {
  const world = await worldWith(40, { engine: { loadConcurrency: 3 } });
  await start(world);
  let most = 0;
  while (world.admin.jobs.get('1').state === 'RUNNING') {
    most = Math.max(most, world.engine.fetches.size);
    await world.sleep(1);
  }
  t.ok(most > 1 && most <= 3, `${most} at once`);
});

void t.test('a load job goes on after a restart and after a crash', async (t) => {
  const world = await worldWith(300);
  await start(world);
  await world.until(() => world.admin.jobs.get('1').objects > 20);
  await world.restart();
  t.equal(world.admin.jobs.get('1').state, 'RUNNING');
  await world.until(() => world.state.cache.objects > 60);
  world.crash();
  await world.start();
  await world.until(() => world.admin.jobs.get('1').state === 'DONE');
  t.equal(world.state.cache.objects, 300);
  t.ok(world.ufs.calls('get') < 340, `${world.ufs.calls('get')} fetches of 300 objects`);
  await world.restart();
  t.equal(world.admin.jobs.get('1').state, 'DONE', 'a job that has ended is not begun again');
});

void t.test('a load job that is cancelled ends, also for good', async (t) => {
  const world = await worldWith(300);
  await start(world);
  await world.until(() => world.admin.jobs.get('1').objects > 10);
  t.equal((await world.run(world.admin.jobs.cancel('1'))).state, 'CANCELLED');
  const { objects } = world.state.cache;
  await world.sleep(60 * SECOND_MS);
  t.ok(world.state.cache.objects <= objects + 4);
  t.equal((await world.run(world.admin.jobs.cancel('1'))).state, 'CANCELLED', 'again is no error');
  await world.restart();
  t.equal(world.admin.jobs.get('1').state, 'CANCELLED');
  t.throws(() => world.admin.jobs.get('9'), { code: 'INVALID_ARGUMENT' });
});

void t.test('a load job waits for a UFS that is away, and passes over what fails', async (t) => {
  const world = await worldWith(20);
  world.ufs.arm('unavailable', { operation: 'list', times: 5 });
  world.ufs.arm('denied', { operation: 'get', keyPrefix: nameOf(7), times: 1000 });
  await start(world);
  const ended = await world.run(world.admin.jobs.follow('1', {}));
  t.match(ended, {
    state: 'FAILED',
    objects: 19,
    failedObjects: 1,
    message: /1 objects were not loaded.*403/,
  });
});

void t.test('a load job stops when there is no room, and never evicts what is not persisted', async (t) => {
  const world = await worldWith(1000, { engine: { capacityBytes: 16 * MIB } });
  world.ufs.arm('unavailable', { operation: 'put', times: 100_000 });
  await world.put('dirty', makeBody(5, MIB));
  await start(world);
  const ended = await world.run(world.admin.jobs.follow('1', {}));
  t.match(ended, { state: 'FAILED', message: /fill the cache|no room/ });
  t.same(await world.read('dirty'), makeBody(5, MIB));
});

void t.test('a load job leaves paths alone that are not to be cached', async (t) => {
  const world = await worldWith(5, { policies: { default: 'WRITE_BACK', [`/${BUCKET}/in/**`]: 'NO_CACHE' } });
  await start(world);
  t.match(await world.run(world.admin.jobs.follow('1', {})), {
    state: 'DONE',
    objects: 0,
    skippedObjects: 5,
  });
  t.equal(world.state.cache.objects, 0);
  t.equal(await codeOf(start(world, '/nobucket')), 'NO_SUCH_BUCKET');
  t.equal(await codeOf(start(world, 'x')), 'INVALID_ARGUMENT');
});

for (const operation of ['list', 'get'] as const) {
  void t.test(`a load job is paused at once also while the UFS does not answer a ${operation}`, async (t) => {
    const world = await worldWith(20, { engine: { ufsTimeoutMs: 600 * SECOND_MS } });
    world.ufs.arm('hang', { operation, times: 1000 });
    await start(world);
    await world.sleep(SECOND_MS);
    const startedMs = world.clock.monotonicTimeMs();
    await world.stop();
    t.ok(world.clock.monotonicTimeMs() - startedMs < 10 * SECOND_MS);
    world.ufs.setFaults({});
    await world.start();
    t.match(await world.run(world.admin.jobs.follow('1', {})), { state: 'DONE', objects: 20 });
  });
}
