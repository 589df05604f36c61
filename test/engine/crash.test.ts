/**
 * The whole engine under random load and faults, killed or cut from power at random moments: nothing that was acknowledged is lost,
 * nothing is half there, everything pending ends once the faults have stopped, and no space leaks.
 *
 * `HEADRACE_TEST_SEED` runs one seed, `HEADRACE_TEST_SEEDS` so many from 1 on; `HEADRACE_TEST_LIFE_MS` is the longest life of a
 * process, in virtual time.
 */
import t, { type Test } from 'tap';
import type { PolicyMode } from '../../src/core/object.js';
import { KIB, MIB } from '../../src/core/units.js';
import { SimRandom } from '../../simulations/sim-random.js';
import { EngineLoad, readSurely } from '../support/engine-load.js';
import { OperatorLoad, checkWild, clearWild } from '../support/operator-load.js';
import { BUCKET, EngineWorld } from '../support/engine-world.js';
import { matchContent, ObjectModel } from '../support/object-model.js';

const ONE_SEED = process.env['HEADRACE_TEST_SEED'];
const SEEDS = Number(process.env['HEADRACE_TEST_SEEDS'] ?? 50);
const LIFE_MS_MAX = Number(process.env['HEADRACE_TEST_LIFE_MS'] ?? 700);
const ROUNDS = 3;
const CLIENTS = 5;
const POLICIES: Record<string, PolicyMode> = {
  default: 'WRITE_BACK',
  [`/${BUCKET}/through/**`]: 'WRITE_THROUGH',
  [`/${BUCKET}/transient/**`]: 'TRANSIENT',
};
const KEYS = [
  ...['a', 'b', 'c', 'd/e', 'd/f', 'g'].map((key) => `back/${key}`),
  ...['a', 'b', 'c'].map((key) => `through/${key}`),
  ...['a', 'b'].map((key) => `transient/${key}`),
];
/** What a late effect of a call that timed out would overwrite, only a conditional upload could prevent: there are none here. */
const UFS_FAULTS = {
  unavailable: 0.03,
  throttled: 0.02,
  denied: 0.01,
  reset: 0.02,
  lostAnswer: 0.03,
  brokenBody: 0.05,
  hang: 0.005,
};
/** Longer than a call takes to the UFS. */
const ARRIVAL_MS = 50;
const DISK_FAULTS = { writeFailureRatio: 0.001, syncFailureRatio: 0.002, stallRatio: 0.01, stallMs: 30 };
/** The segment that small bodies go to, and the one that comes after it. */
const KEPT_BYTES_MAX = 2 * MIB;

const isTransient = (key: string): boolean => key.startsWith('transient/');

t.setTimeout(60_000 + SEEDS * 5_000);

const seeds = ONE_SEED === undefined ? Array.from({ length: SEEDS }, (_, i) => String(i + 1)) : [ONE_SEED];
for (const seed of seeds) {
  void t.test(`engine: no crash loses or tears what was acknowledged (HEADRACE_TEST_SEED=${seed})`, (t) =>
    run(t, seed),
  );
}

async function run(t: Test, seed: string): Promise<void> {
  const random = new SimRandom(`crash ${seed}`);
  const world = await EngineWorld.open({
    seed,
    policies: POLICIES,
    engine: {
      capacityBytes: random.pick([12, 24, 64]) * MIB,
      pinnedRatio: random.pick([0.4, 0.8]),
      safePersist: random.pick(['overwrite', 'overwrite', 'conditional']),
    },
  });
  const model = new ObjectModel();
  for (let round = 0; round < ROUNDS; round++)
    await crashRound(t, world, model, random.fork(`round ${round}`));
  await checkDrained(t, world, model);
  await checkEmptied(t, world, model);
  await world.stop();
}

/** One load, one death, one start, and a look at each key. */
async function crashRound(t: Test, world: EngineWorld, model: ObjectModel, random: SimRandom): Promise<void> {
  const load = new EngineLoad(world, model, KEYS, random.fork('load'));
  if (random.chance(0.7)) world.ufs.setFaults(random.chance(0.2) ? { unavailable: 1 } : UFS_FAULTS);
  if (random.chance(0.5)) world.disk.setFaults(DISK_FAULTS);
  load.run(CLIENTS).catch((error: unknown) => load.problems.push(String(error)));
  const operator = new OperatorLoad(world, POLICIES, random.fork('operator'));
  operator.run().catch((error: unknown) => operator.problems.push(String(error)));
  const lifeMs = random.between(20, LIFE_MS_MAX);
  await world.sleep(lifeMs / 2);
  if (random.chance(0.2)) world.faults.lieOnNextWrite('log/');
  await world.sleep(lifeMs / 2);
  t.same([...load.problems, ...operator.problems], [], 'no wrong answer under load');
  if (random.chance(0.5)) world.kill();
  else world.crash();
  world.faults.clear();
  world.disk.setFaults({});
  world.ufs.setFaults({});
  await world.start();
  // What the dead process sent has arrived by now: an object may still change that way.
  await world.sleep(ARRIVAL_MS);
  const problems: string[] = [];
  for (const key of KEYS) {
    const read = await world.run(readSurely(world, key));
    const found = read && { body: read.body, etag: `"${read.object.etag}"` };
    const match = matchContent(model.candidates(key, Infinity, Infinity), found);
    if ('problem' in match) problems.push(`${key}: ${match.problem}`);
    else model.settle(key, match.content);
  }
  t.same(problems, [], 'after the restart each key holds what it may');
  if (problems.length > 0) throw new Error('the model is of no use from here on');
}

/** With everything persisted, the UFS is the model without what is TRANSIENT, and log, index and bytes agree. */
async function checkDrained(t: Test, world: EngineWorld, model: ObjectModel): Promise<void> {
  await world.drained();
  // The UFS refused some of it while it was faulty, as an operator sees and mends.
  await world.run(world.admin.persists.retry({}));
  await world.drained();
  await resolveConflicts(world);
  await abortUploads(world);
  await setWildPolicy(world);
  t.same(await checkWild(world), [], 'what operators worked on is the same here and in the UFS');
  await clearWild(world);
  const problems: string[] = [];
  for (const key of KEYS) {
    const body = world.inUfs(key);
    const match = matchContent([isTransient(key) ? undefined : model.settled(key)], body && { body });
    if ('problem' in match) problems.push(`${key} in the UFS: ${match.problem}`);
  }
  t.same(problems, [], 'the UFS holds exactly what was acknowledged');
  const transientBytes = KEYS.filter(isTransient).reduce(
    (sum, key) => sum + (model.settled(key)?.size ?? 0),
    0,
  );
  // What was read from the UFS may still be on its way into the cache.
  await world.until(() => world.engine.core.admission.reservedBytes === 0);
  const status = await world.run(world.admin.status());
  t.equal(status.pinnedBytes, transientBytes, 'only TRANSIENT objects are pinned');
  t.equal(status.openWrites, 0, 'no write is open');
  const verified = await world.run(world.admin.verify({ data: true }));
  t.ok(verified.ok, `verify: ${verified.problems.join('; ')}`);
  await world.run(world.admin.free({}));
  await world.sleep(1000);
  t.ok(
    world.fileBytes <= 2 * world.liveBytes + KEPT_BYTES_MAX,
    `${world.fileBytes} bytes of files hold ${world.liveBytes} live bytes`,
  );
}

/** Where the UFS did not say what a write would take the place of, it may be a conflict; nobody else writes there. */
async function resolveConflicts(world: EngineWorld): Promise<void> {
  const { entries } = await world.run(world.admin.persists.list({ state: 'CONFLICT', limit: 1000 }));
  for (const { bucket, key } of entries)
    await world.run(world.admin.persists.resolve({ bucket, key, keep: 'ours' }));
  await world.drained();
}

async function setWildPolicy(world: EngineWorld): Promise<void> {
  await world.run(new OperatorLoad(world, POLICIES, world.random).setPolicy('WRITE_BACK'));
}

async function abortUploads(world: EngineWorld): Promise<void> {
  const { uploads } = await world.run(
    world.objects.listUploads({
      bucket: BUCKET,
      prefix: '',
      delimiter: '',
      keyMarker: '',
      uploadIdMarker: '',
      maxUploads: 1000,
    }),
  );
  for (const { key, uploadId } of uploads) await world.run(world.objects.abortUpload(BUCKET, key, uploadId));
}

/** When every object is deleted, everything is given back, in the figures and on the disk. */
async function checkEmptied(t: Test, world: EngineWorld, model: ObjectModel): Promise<void> {
  for (const key of model.keys) await world.delete(key);
  await world.drained();
  await world.run(world.admin.free({}));
  await world.sleep(1000);
  const status = await world.run(world.admin.status());
  t.equal(status.pinnedBytes, 0, 'nothing is pinned');
  t.equal(status.objects, 0, 'no object is left');
  t.ok(status.usedBytes <= 64 * KIB, `${status.usedBytes} bytes are used`);
  t.same(world.engine.core.admission.reservedBytes, 0, 'nothing is reserved');
  t.same([...world.ufs.contents(BUCKET).keys()], [], 'the UFS is empty');
  t.same(
    world.logged.filter(({ message }) => message.includes('ssert')),
    [],
    'no assertion failed',
  );
}
