/** Pressure: what writers meet when more is written than the UFS takes, from a short delay to a refusal that says why. */
import t from 'tap';
import { GIB, HOUR_MS, KIB, MIB, MINUTE_MS, SECOND_MS } from '../../src/core/units.js';
import { DEFAULT_PATH_CONFIG, type PathRuleProperties } from '../../src/engine/path-config.js';
import { Admission } from '../../src/engine/admission.js';
import { Scheduler } from '../../simulations/scheduler.js';
import { SimClock } from '../../simulations/sim-clock.js';
import { BUCKET, EngineWorld, codeOf } from '../support/engine-world.js';
import { makeBody } from '../support/object-model.js';

const LIMIT_BYTES = 8 * MIB;
const SOFT_BYTES = 4 * MIB;
const DELAY_MS = SECOND_MS;
const PRESSURE = { pinnedRatio: 0.5, pinnedSoftRatio: 0.5, pressureDelayMaxMs: DELAY_MS };

/** How long a write took, in virtual time. */
async function timeOf(world: EngineWorld, write: () => Promise<unknown>): Promise<number> {
  const startedMs = world.clock.monotonicTimeMs();
  await write();
  return world.clock.monotonicTimeMs() - startedMs;
}

async function setRules(
  world: EngineWorld,
  rules: Readonly<Record<string, PathRuleProperties>>,
): Promise<void> {
  await world.run(
    world.admin.setPathConfig({
      ...DEFAULT_PATH_CONFIG,
      defaultRule: { policyMode: 'WRITE_BACK' },
      pathRules: Object.entries(rules).map(([path, properties]) => ({
        path,
        policyMode: 'WRITE_BACK',
        properties,
      })),
    }),
  );
}

/** A world whose UFS answers uploads after an hour, and that holds so many un-persisted bytes. */
async function heldWorld(bytes: number): Promise<EngineWorld> {
  const world = await EngineWorld.open({ engine: { ...PRESSURE, ufsTimeoutMs: HOUR_MS } });
  world.ufs.setFaults({ hang: 1 });
  for (let i = 0; i < bytes / MIB; i++) await world.put(`held-${i}`, makeBody(i, MIB));
  return world;
}

void t.test('below the soft limit writers are not held up', async (t) => {
  const world = await heldWorld(SOFT_BYTES - MIB);
  t.ok((await timeOf(world, () => world.put('key', makeBody(1, 100 * KIB)))) < 20);
});

void t.test('above the soft limit writers are held up, the longer the closer the limit is', async (t) => {
  const world = await heldWorld(SOFT_BYTES);
  const delays: number[] = [];
  for (let i = 0; i < 3; i++) delays.push(await timeOf(world, () => world.put(`key-${i}`, makeBody(i, MIB))));
  const quarter = DELAY_MS / 4;
  for (const [at, delayMs] of delays.entries()) {
    const expectedMs = (at + 1) * quarter;
    t.ok(delayMs >= expectedMs && delayMs < expectedMs + 100, `${delayMs} ms at ${at + 1} of 4 MiB`);
  }
});

void t.test('at the limit a write waits, and is told to slow down when no upload ends in time', async (t) => {
  const world = await heldWorld(LIMIT_BYTES);
  let refused: unknown;
  const tookMs = await timeOf(world, async () => {
    refused = await world.put('beyond', makeBody(9, MIB)).catch((error: unknown) => error);
  });
  t.match(refused, { code: 'SLOW_DOWN', details: { retryAfterMs: SECOND_MS } });
  t.match(refused, { message: new RegExp(`under-store.*limit of ${LIMIT_BYTES}`) });
  t.ok(tookMs >= DELAY_MS && tookMs < DELAY_MS + 100, `${tookMs} ms`);
  t.equal(await codeOf(world.put('never', makeBody(9, LIMIT_BYTES + 1))), 'OUT_OF_SPACE', 'it can never fit');
  t.equal(world.engine.core.admission.pinnedBytes, LIMIT_BYTES);
});

void t.test('writers at the limit go on one by one, in their order, as uploads make room', async (t) => {
  const world = await EngineWorld.open({
    engine: { ...PRESSURE, pressureDelayMaxMs: MINUTE_MS, persistConcurrency: 1 },
    ufs: { latencyMs: { min: 300, max: 400 } },
  });
  const done: number[] = [];
  const puts = Array.from({ length: 24 }, async (_, i) => {
    await world.objects.putObject({
      bucket: BUCKET,
      key: `key-${i}`,
      body: { kind: 'chunks', chunks: [makeBody(i, 250 * KIB)], size: 250 * KIB },
      headers: { system: {}, user: {} },
    });
    done.push(i);
    const { pinnedBytes } = world.engine.core.admission;
    t.ok(pinnedBytes <= LIMIT_BYTES, `${pinnedBytes} bytes are pinned`);
  });
  const more = Array.from({ length: 24 }, (_, i) =>
    world.objects.putObject({
      bucket: BUCKET,
      key: `more-${i}`,
      body: { kind: 'chunks', chunks: [makeBody(i, 250 * KIB)], size: 250 * KIB },
      headers: { system: {}, user: {} },
    }),
  );
  await world.run(Promise.all([...puts, ...more]));
  t.equal(done.length, 24, 'every writer was taken');
  await world.drained();
  t.equal(world.engine.core.admission.pinnedBytes, 0);
});

void t.test('when the UFS is away nothing makes room: out of space, at once', async (t) => {
  const world = await EngineWorld.open({ engine: PRESSURE });
  world.ufs.setFaults({ unavailable: 1 });
  for (let i = 0; i < 8; i++) await world.put(`key-${i}`, makeBody(i, MIB));
  await world.sleep(5 * SECOND_MS);
  let code = '';
  const tookMs = await timeOf(world, async () => {
    code = await codeOf(world.put('beyond', makeBody(9, MIB)));
  });
  t.equal(code, 'OUT_OF_SPACE');
  t.ok(tookMs < 20, `${tookMs} ms`);
  world.ufs.setFaults({});
  await world.drained();
  t.equal(await codeOf(world.put('beyond', makeBody(9, MIB))), 'success');
});

void t.test('a path that may degrade is written through near the limit; others are held up', async (t) => {
  const world = await EngineWorld.open({ engine: { ...PRESSURE, ufsTimeoutMs: HOUR_MS } });
  await setRules(world, { [`/${BUCKET}/through/**`]: { onPressure: 'writeThrough' } });
  world.ufs.setFaults({ hang: 1 });
  for (let i = 0; i < 7; i++) await world.put(`held-${i}`, makeBody(i, MIB));
  world.ufs.setFaults({});
  const tookMs = await timeOf(world, () => world.put('through/key', makeBody(8, MIB)));
  t.ok(tookMs < DELAY_MS / 2, `${tookMs} ms`);
  t.notOk(
    (await world.eventTypes('through/key')).includes('ObjectCommitted'),
    'the cache holds nothing of it',
  );
  t.same(await world.read('through/key'), makeBody(8, MIB));
  t.equal(world.engine.core.admission.pinnedBytes, 7 * MIB);
});

void t.test('a budget: the objects of one rule are limited, the others are not', async (t) => {
  const world = await EngineWorld.open({
    engine: { ...PRESSURE, pinnedSoftRatio: 1, pressureDelayMaxMs: 0 },
  });
  world.ufs.setFaults({ unavailable: 1 });
  await setRules(world, { [`/${BUCKET}/small/**`]: { pinnedBudget: '2MiB' } });
  for (let i = 0; i < 2; i++) await world.put(`small/${i}`, makeBody(i, MIB));
  await world.sleep(5 * SECOND_MS);
  const refused: unknown = await world.put('small/2', makeBody(2, 1)).catch((error: unknown) => error);
  t.match(refused, { code: 'OUT_OF_SPACE', message: /below \/bucket\/small\/\*\*.*budget of 2097152/ });
  await world.put('other', makeBody(3, MIB));
  await world.put('small/0', makeBody(4, 0), {}).catch(() => undefined);
  const used = (): number | undefined => world.engine.core.budgets.all[0]?.usedBytes;
  t.equal(used(), MIB, 'an overwritten version counts no longer');

  world.kill();
  await world.start();
  await world.sleep(SECOND_MS);
  t.equal(used(), MIB, 'the same after a restart');
  await setRules(world, { [`/${BUCKET}/**`]: { pinnedBudget: '5MiB' } });
  await world.sleep(SECOND_MS);
  t.equal(used(), 2 * MIB, 'and counted anew for a new rule');
  world.ufs.setFaults({});
  await world.drained();
  t.equal(used(), 0);
});

void t.test('a budget is a size, and only of WRITE_BACK paths', async (t) => {
  const world = await EngineWorld.open();
  const set = (policyMode: 'WRITE_BACK' | 'TRANSIENT', properties: PathRuleProperties): Promise<string> =>
    codeOf(
      world.run(
        world.admin.setPathConfig({
          ...DEFAULT_PATH_CONFIG,
          pathRules: [{ path: '/a/**', policyMode, properties }],
        }),
      ),
    );
  t.equal(await set('WRITE_BACK', { pinnedBudget: '10 apples' }), 'INVALID_ARGUMENT');
  t.equal(await set('WRITE_BACK', { pinnedBudget: '0' }), 'INVALID_ARGUMENT');
  t.equal(await set('TRANSIENT', { pinnedBudget: '1GiB' }), 'INVALID_ARGUMENT');
  t.equal(await set('TRANSIENT', { onPressure: 'writeThrough' }), 'INVALID_ARGUMENT');
  t.equal(await set('WRITE_BACK', { pinnedBudget: '1GiB', onPressure: 'delay' }), 'success');
});

void t.test('a path at its budget does not hold up writes elsewhere', async (t) => {
  const world = await EngineWorld.open({ engine: { ...PRESSURE, ufsTimeoutMs: HOUR_MS } });
  world.ufs.setFaults({ hang: 1 });
  await setRules(world, { [`/${BUCKET}/small/**`]: { pinnedBudget: '1MiB' } });
  await world.put('small/0', makeBody(1, MIB));
  const waiting = codeOf(world.beginPut('small/1', makeBody(2, 100 * KIB)));
  await world.sleep(10);
  t.ok((await timeOf(world, () => world.put('other', makeBody(3, 100 * KIB)))) < 50);
  t.equal(await world.run(waiting), 'SLOW_DOWN');
});

void t.test('a write straight to the UFS takes the place of a version that was quarantined', async (t) => {
  const world = await EngineWorld.open();
  world.ufs.arm('denied', { operation: 'put' });
  await world.put('key', makeBody(1, KIB));
  await world.until(() => world.state.uploads.quarantined === 1);
  await world.setPolicies({ default: 'NO_CACHE' });
  await world.put('key', makeBody(2, KIB));
  t.same(await world.read('key'), makeBody(2, KIB));
  await world.run(world.admin.persists.retry({}));
  await world.drained();
  t.same(world.inUfs('key'), makeBody(2, KIB), 'and nothing older comes after it');
  t.equal(world.state.uploads.pending, 0);
});

void t.test('two that wait do not both go on with the room of one', async (t) => {
  let pinnedBytes = 100;
  const scheduler = new Scheduler();
  const admission = new Admission({
    isRecovering: () => false,
    clock: new SimClock(scheduler),
    capacityBytes: 1000,
    pinnedLimitBytes: 100,
    softRatio: 1,
    delayMaxMs: SECOND_MS,
    unpersistedBytes: () => pinnedBytes,
    storesAnswer: () => true,
    uploadsWait: () => true,
    usedBytes: () => 0,
    diskFreeBytes: () => GIB,
    makeRoom: () => Promise.resolve(true),
  });
  const first = admission.reserve(20);
  const second = admission.reserve(20);
  await scheduler.run(10);
  // Two events of one batch.
  for (const freedBytes of [20, 5]) {
    pinnedBytes -= freedBytes;
    admission.madeRoom();
  }
  const reservation = await scheduler.complete(first);
  t.equal(admission.pinnedBytes, 95);
  await scheduler.run(20);
  pinnedBytes -= 15;
  admission.madeRoom();
  (await scheduler.complete(second)).release();
  reservation.release();
  t.equal(admission.reservedBytes, 0);
});
