/** How many uploads go to a store at once, and how fast: limits, and giving way to a store that asks for it. */
import t from 'tap';
import { Scheduler } from '../../simulations/scheduler.js';
import { SimClock } from '../../simulations/sim-clock.js';
import { KIB, MIB, MINUTE_MS, SECOND_MS } from '../../src/core/units.js';
import type { ObjectStore } from '../../src/core/object-store.js';
import { PersistPace } from '../../src/engine/persist-pace.js';
import { BUCKET, EngineWorld } from '../support/engine-world.js';
import { makeBody } from '../support/object-model.js';

const [a, b] = ['a', 'b'].map((description) => ({ description }) as ObjectStore) as [
  ObjectStore,
  ObjectStore,
];

function openPace(storeConcurrency?: number) {
  const scheduler = new Scheduler();
  const pace = new PersistPace({ concurrency: 16, storeConcurrency }, new SimClock(scheduler));
  const run = (store: ObjectStore, outcome: 'ok' | 'throttled' | 'denied' | 'failed', times = 1): void => {
    for (let i = 0; i < times; i++) pace.begin(store)(outcome);
  };
  /** Calls that the store takes at once now. */
  const room = (store: ObjectStore): number => {
    const ends = [];
    while (pace.mayStart(store)) ends.push(pace.begin(store));
    for (const end of ends) end('failed');
    return ends.length;
  };
  const sleep = (durationMs: number): Promise<void> => scheduler.run(scheduler.nowMs + durationMs);
  return { pace, run, room, sleep };
}

void t.test('persist pace: one store gets all, and none of several may take all', async (t) => {
  const { run, room } = openPace();
  t.equal(room(a), 16);
  run(b, 'ok');
  t.equal(room(a), 12, 'a store that hangs leaves some for the others');
  t.equal(openPace(3).room(a), 3);
});

void t.test('persist pace: the share of a store whose mount is gone goes to the others', async (t) => {
  const world = await EngineWorld.open({ engine: { persistConcurrency: 8 } });
  const uploads = async (prefix: string): Promise<number> => {
    world.ufs.setFaults({ hang: 1 });
    for (let i = 0; i < 20; i++) await world.put(`${prefix}${i}`, makeBody(i, KIB));
    await world.sleep(50);
    const { entries } = await world.run(world.admin.persists.list({ limit: 100 }));
    world.ufs.setFaults({});
    return entries.filter(({ phase }) => phase === 'UPLOADING').length;
  };
  await world.run(world.admin.addMount({ path: `/${BUCKET}/m`, ufs: `sim://${BUCKET}/m`, options: {} }));
  await world.put('m/first', makeBody(1, KIB));
  await world.put('first', makeBody(1, KIB));
  await world.drained();
  t.equal(await uploads('shared-'), 6, 'with a mount beside, three quarters');
  await world.drained();
  await world.run(world.admin.removeMount({ path: `/${BUCKET}/m` }));
  t.equal(await uploads('alone-'), 8);
});

void t.test(
  'persist pace: a store that asks to slow down gets half, after a pause, and more by and by',
  async (t) => {
    const { pace, run, room, sleep } = openPace();
    const ends = Array.from({ length: 16 }, () => pace.begin(a));
    await sleep(10);
    for (const end of ends) end('throttled');
    t.equal(room(a), 0, 'a pause');
    t.ok((pace.resumesInMs ?? 0) > 0);
    await sleep(SECOND_MS);
    t.equal(room(a), 8, 'half, although sixteen calls said so: they began before');
    run(a, 'throttled');
    await sleep(SECOND_MS);
    t.equal(room(a), 4);
    run(a, 'ok', 30);
    t.ok(room(a) > 6 && room(a) < 12, `${room(a)} after some successes`);
    run(a, 'ok', 500);
    t.equal(room(a), 16, 'and all in the end');
  },
);

void t.test(
  'persist pace: never less than one, a growing pause, and the one the store asks for',
  async (t) => {
    const { pace, run, room, sleep } = openPace();
    const pauses: number[] = [];
    for (let i = 0; i < 8; i++) {
      run(a, 'throttled');
      pauses.push(pace.resumesInMs ?? 0);
      await sleep(10 * SECOND_MS);
      t.ok(room(a) >= 1);
    }
    t.same(pauses, [200, 400, 800, 1600, 3200, 5000, 5000, 5000]);
    pace.begin(a)('throttled', 20 * SECOND_MS);
    t.equal(pace.resumesInMs, 20 * SECOND_MS);
    t.ok(pace.mayStart(b), 'another store goes on');
  },
);

void t.test('the number of objects per second is limited, and a burst is a second long', async (t) => {
  const world = await EngineWorld.open({ engine: { persistConcurrency: 16, persist: { objectsPerS: 20 } } });
  for (let i = 0; i < 100; i++) await world.put(`key-${i}`, makeBody(i, 100));
  await world.drained();
  const times = world.ufs.history.map(({ atMs }) => atMs);
  const lastMs = (times.at(-1) ?? 0) - (times[0] ?? 0);
  t.ok(lastMs > 3500 && lastMs < 5500, `100 objects took ${lastMs} ms`);
  for (const fromMs of times)
    t.ok(times.filter((atMs) => atMs >= fromMs && atMs < fromMs + SECOND_MS).length <= 42);
});

void t.test('bytes per second are limited, of small bodies and within a large one', async (t) => {
  const persist = { bytesPerS: 500 * KIB };
  const world = await EngineWorld.open({ engine: { persist, capacityBytes: 64 * MIB } });
  for (let i = 0; i < 50; i++) await world.put(`key-${i}`, makeBody(i, 50 * KIB));
  let beganMs = world.scheduler.nowMs;
  await world.drained();
  let tookMs = world.scheduler.nowMs - beganMs;
  t.ok(tookMs > 3000 && tookMs < 6000, `2,500 KiB took ${tookMs} ms`);
  const large = makeBody(1, 20 * MIB);
  await world.put('large', large);
  beganMs = world.scheduler.nowMs;
  await world.drained();
  tookMs = world.scheduler.nowMs - beganMs;
  t.ok(
    tookMs > 35 * SECOND_MS && tookMs < 50 * SECOND_MS,
    `20 MiB took ${tookMs} ms, and no deadline struck`,
  );
  t.same(world.inUfs('large')?.equals(large), true);
});

void t.test('a UFS that is asked for too much gets less, and everything drains', async (t) => {
  const world = await EngineWorld.open({
    engine: { persistConcurrency: 16, persistRetryMaxMs: 5 * SECOND_MS },
  });
  world.ufs.setFaults({ throttled: 0.7 });
  for (let i = 0; i < 100; i++) await world.put(`key-${i}`, makeBody(i, 100));
  await world.sleep(5 * SECOND_MS);
  t.ok(world.engine.persister.concurrencyOf(world.engine.core.mounts.root) <= 8, 'the limit has fallen');
  world.ufs.setFaults({});
  await world.drained();
  t.equal(world.ufs.contents(BUCKET).size, 100);
});

void t.test('one object whose calls fail or hang holds up no other', async (t) => {
  for (const fault of ['hang', 'unavailable'] as const) {
    const world = await EngineWorld.open({ engine: { persistConcurrency: 4 } });
    world.ufs.arm(fault, { operation: 'put', keyPrefix: 'bad', times: 1_000_000 });
    await world.put('bad', makeBody(1, 100));
    for (let i = 0; i < 200; i++) {
      await world.put(`good-${i}`, makeBody(i, 100));
      await world.sleep(50);
    }
    await world.until(() => world.state.uploads.pending === 1, 5 * SECOND_MS);
    t.equal(world.ufs.contents(BUCKET).size, 200, fault);
    t.notOk(
      world.logged.some(({ message }) => message.startsWith('the UFS does not answer')),
      'the store answers',
    );
    await world.sleep(MINUTE_MS);
    t.equal(world.state.uploads.quarantined, 0, 'and it is tried again');
    world.ufs.setFaults({});
    await world.drained();
    t.same(world.inUfs('bad'), makeBody(1, 100));
  }
});

void t.test('priorities of path rules decide who goes first, also about what waits already', async (t) => {
  const world = await EngineWorld.open({ engine: { persistConcurrency: 1 } });
  world.ufs.setFaults({ unavailable: 1 });
  for (let i = 0; i < 20; i++) await world.put(`low/${i}`, makeBody(i, 100));
  for (let i = 0; i < 20; i++) await world.put(`high/${i}`, makeBody(i, 100));
  await world.run(
    world.admin.setPathConfig({
      apiVersion: 'v1.0',
      defaultRule: { policyMode: 'WRITE_BACK' },
      pathRules: [
        { path: `/${BUCKET}/high/**`, policyMode: 'WRITE_BACK', properties: { persistPriority: 9 } },
      ],
    }),
  );
  world.ufs.setFaults({});
  await world.drained();
  const keys = world.ufs.history.map(({ key }) => key);
  const lastHigh = keys.findLastIndex((key) => key.startsWith('high/'));
  const lowBefore = keys.slice(0, lastHigh).filter((key) => key.startsWith('low/')).length;
  t.ok(lowBefore <= 1, `${lowBefore} low ones went before: ${keys.join(' ')}`);
  const order = keys.filter((key) => key.startsWith('high/'));
  t.same(
    order,
    Array.from({ length: 20 }, (_, i) => `high/${i}`),
    'FIFO inside the priority',
  );
});
