/** What readiness rests on, and what it does not. */
import t from 'tap';
import { SECOND_MS } from '../../src/core/units.js';
import { ReadinessProbe, type Readiness } from '../../src/engine/readiness.js';
import { codeOf, EngineWorld } from '../support/engine-world.js';
import { makeBody } from '../support/object-model.js';

const DATA_LOG = 'log/p0001';

function probeOf(world: EngineWorld): () => Promise<Readiness> {
  const { core, persister } = world.engine;
  const probe = new ReadinessProbe({ core, persister, disk: world.disk });
  return () => world.run(probe.check());
}

void t.test('readiness: a server that can write is ready, whether or not its UFS answers', async (t) => {
  const world = await EngineWorld.open();
  const check = probeOf(world);
  t.match(await check(), { ready: true, checks: { log: 'ok', disk: 'ok' }, ufs: [{ mount: '/', up: true }] });
  world.ufs.arm('unavailable', { operation: 'put', times: 1e9 });
  world.ufs.arm('unavailable', { operation: 'check', times: 1e9 });
  await world.put('key', makeBody(1, 100));
  await world.until(() => !world.engine.persister.isUp(world.engine.core.mounts.root));
  t.match(await check(), { ready: true, ufs: [{ mount: '/', up: false }] });
});

void t.test('readiness: a log that takes no appends says so until it is recovered', async (t) => {
  const world = await EngineWorld.open({ policies: { default: 'TRANSIENT' } });
  const check = probeOf(world);
  for (let i = 0; i < 3; i++) world.faults.lieOnNextWrite(DATA_LOG);
  t.equal(await world.run(codeOf(world.beginPut('key', makeBody(1, 100)))), 'IO_FAILED');
  t.match(await check(), { ready: false, checks: { log: /partition 1 takes no appends/ } });
  await world.until(() => !world.partition.isRecovering);
  t.match(await check(), { ready: true });
});

void t.test(
  'readiness: a disk that refuses or swallows a write is told, and asked again later',
  async (t) => {
    const world = await EngineWorld.open();
    const check = probeOf(world);
    world.disk.arm('WRITE_FAILURE', 'readyz.probe');
    t.match(await check(), { ready: false, checks: { log: 'ok', disk: /readyz\.probe/ } });
    t.match(await check(), { ready: false }, 'a probe is good for a second');
    await world.sleep(2 * SECOND_MS);
    t.match(await check(), { ready: true });
    const { core, persister } = world.engine;
    const hanging = new ReadinessProbe({
      core,
      persister,
      disk: Object.assign(Object.create(world.disk) as typeof world.disk, {
        sizeOf: () => new Promise<undefined>(() => undefined),
      }),
    });
    for (let i = 0; i < 2; i++)
      t.match(await world.run(hanging.check()), { ready: false, checks: { disk: /more than 2000 ms/ } });
  },
);
