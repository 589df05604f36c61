/** Writes to the UFS that were given up and arrive all the same: nothing newer is overwritten by them. */
import t from 'tap';
import { SECOND_MS } from '../../src/core/units.js';
import { EngineWorld } from '../support/engine-world.js';
import { makeBody } from '../support/object-model.js';

const OLDER = makeBody(1, 1000);
const NEWER = makeBody(2, 2000);
/** The answer is lost at once; the effect comes half a second later. */
const UFS = { lateEffectMs: { min: SECOND_MS / 2, max: SECOND_MS / 2 } };

void t.test(
  'late writes: the next write through to the object comes behind one whose answer was lost',
  async (t) => {
    const world = await EngineWorld.open({ policies: { default: 'WRITE_THROUGH' }, ufs: UFS });
    world.ufs.arm('lateEffect', { operation: 'put', times: 1 });
    await t.rejects(world.put('k', OLDER), { code: 'UFS_UNKNOWN_OUTCOME' });
    await world.put('k', NEWER);
    await world.sleep(10 * SECOND_MS);
    t.same(world.inUfs('k'), NEWER);
    t.same(world.ufs.history.filter(({ key }) => key === 'k').length, 2, 'the older one did arrive');
  },
);

void t.test('late writes: so does a delete', async (t) => {
  const world = await EngineWorld.open({ policies: { default: 'WRITE_THROUGH' }, ufs: UFS });
  world.ufs.arm('lateEffect', { operation: 'put', times: 1 });
  await t.rejects(world.put('k', OLDER), { code: 'UFS_UNKNOWN_OUTCOME' });
  await world.delete('k');
  await world.sleep(10 * SECOND_MS);
  t.equal(world.inUfs('k'), undefined);
});

void t.test('late writes: so does the upload of the next version', async (t) => {
  const world = await EngineWorld.open({ ufs: UFS });
  world.ufs.arm('lateEffect', { operation: 'put', times: 1 });
  await world.put('k', OLDER);
  await world.put('k', NEWER);
  await world.sleep(10 * SECOND_MS);
  t.same(world.inUfs('k'), NEWER);
});

void t.test('late writes: what certainly had no effect holds nothing up', async (t) => {
  const world = await EngineWorld.open({ policies: { default: 'WRITE_THROUGH' } });
  world.ufs.arm('unavailable', { operation: 'put', times: 1 });
  await t.rejects(world.put('k', OLDER), { code: 'UFS_UNAVAILABLE' });
  const beganMs = world.clock.monotonicTimeMs();
  await world.put('k', NEWER);
  t.ok(world.clock.monotonicTimeMs() - beganMs < SECOND_MS / 2);
});

void t.test(
  'late writes: nothing is written behind those of a process that died until they are done',
  async (t) => {
    const world = await EngineWorld.open({ ufs: UFS });
    world.ufs.arm('lateEffect', { operation: 'put', times: 1 });
    await world.put('k', OLDER);
    await world.sleep(SECOND_MS / 10);
    world.kill();
    await world.start();
    await world.put('k', NEWER);
    await world.sleep(10 * SECOND_MS);
    t.same(world.inUfs('k'), NEWER);
    t.equal(world.ufs.history.filter(({ key }) => key === 'k').length, 2, 'the older one did arrive');
  },
);
