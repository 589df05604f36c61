/** Going on from an export with mounts, conditional bases and uploads in parts: the under-stores hold what the state says. */
import t from 'tap';
import { readIncident, type Incident } from '../../simulations/incident.js';
import { IncidentPlaces } from '../../simulations/incident-places.js';
import type { IncidentRecord } from '../../simulations/incident-records.js';
import { scaled } from '../../simulations/scale-scenario.js';
import { SimObjectStore } from '../../simulations/sim-object-store.js';
import type { Scenario } from '../../simulations/scenario.js';
import { Simulation, type SimulationResult } from '../../simulations/simulation.js';
import { incidentScenario } from '../../src/composition/sim-incident.js';
import type { StorePutRequest } from '../../src/core/object-store.js';
import { KIB, MIB } from '../../src/core/units.js';
import type { ExportRequest } from '../../src/engine/inspection/log-inspection.js';
import { BUCKET, EngineWorld, WORLD_PARTS, type EngineWorldOptions } from '../support/engine-world.js';
import { makeBody } from '../support/object-model.js';

t.setTimeout(240_000);

const SAFE = { 'safe.persist': 'conditional' };
const FAULTS = `
name: faults
life: 20s
lives: 2
ufs: { outages: [{ at: 0ms, for: 5s }] }
faults: { powerCut: 0.7, ufsLostAnswer: 0.1, ufsThrottled: 0.1, crashInRecovery: 0.3 }
settings: { worker.page.store.size: 256MiB, worker.page.store.pinned.file.capacity.limit.ratio: 0.8 }
`;

function openWorld(options: EngineWorldOptions = {}): Promise<EngineWorld> {
  return EngineWorld.open({
    ...options,
    engine: { capacityBytes: 256 * MIB, pinnedRatio: 0.8, ...options.engine },
    ufs: { multipart: true, ...options.ufs },
    log: { retention: { bytes: 1e9, timeMs: 1e12 } },
  });
}

async function exported(
  world: EngineWorld,
  request: ExportRequest = {},
): Promise<() => AsyncIterable<Uint8Array>> {
  const pieces: Uint8Array[] = [];
  const read = async (): Promise<void> => {
    for await (const piece of world.admin.inspection.exportLog(request)) pieces.push(piece);
  };
  await world.run(read());
  return async function* () {
    yield* pieces;
  };
}

async function scenarioFrom(
  open: () => AsyncIterable<Uint8Array>,
  document = FAULTS,
): Promise<Scenario & { incident: Incident }> {
  const source = { name: 'swarm', isQuiet: false, document: { path: 'faults.yaml', text: document } };
  const { scenario } = await incidentScenario(source, open, 'test');
  if (scenario.incident === undefined) throw new Error('there is no incident');
  return { ...scenario, incident: scenario.incident };
}

/** `tamper` is called when everything is in place. */
async function play(
  scenario: Scenario,
  tamper: (run: Simulation) => void = () => undefined,
  seed = '1',
): Promise<SimulationResult & { run: Simulation }> {
  const run: Simulation = new Simulation(WORLD_PARTS, {
    scenario,
    seed,
    keepsTrace: true,
    observer: { begins: () => tamper(run) },
  });
  return { ...(await run.play()), run };
}

function recordOf(incident: Incident, key: string): IncidentRecord | undefined {
  return incident.records.find((record) => record.key === key);
}

/** Two mounts, one inside the other; what is persisted, pending and deleted lies in each, and in the root. */
async function mountedWorld(): Promise<EngineWorld> {
  const world = await openWorld();
  await world.run(world.admin.addMount({ path: `/${BUCKET}/a`, ufs: 'sim://outer/x/', options: {} }));
  await world.run(world.admin.addMount({ path: `/${BUCKET}/a/b`, ufs: 'sim://inner/', options: SAFE }));
  for (const [at, prefix] of ['', 'a/', 'a/b/'].entries()) {
    await world.put(`${prefix}done`, makeBody(at, 2000));
    await world.put(`${prefix}gone`, makeBody(at + 10, 1000));
  }
  await world.drained();
  world.ufs.setFaults({ unavailable: 1 });
  for (const [at, prefix] of ['', 'a/', 'a/b/'].entries()) {
    await world.put(`${prefix}dirty`, makeBody(at + 20, 3000));
    await world.delete(`${prefix}gone`);
  }
  return world;
}

void t.test('incident: each mount has its objects in a store of its own', async (t) => {
  const scenario = await scenarioFrom(await exported(await mountedWorld()));
  t.match(scenario.incident.mounts, {
    mounted: [
      { path: `/${BUCKET}/a`, conditional: false },
      { path: `/${BUCKET}/a/b`, conditional: true },
    ],
    unsettled: [],
  });
  for (const seed of ['1', '2', '3']) {
    const result = await play(
      scenario,
      ({ world }) => {
        const keys = (bucket: string): string[] => [...world.ufs.contents(bucket).keys()];
        t.same(keys('incident'), ['bucket/done', 'bucket/gone']);
        t.same(keys('incident-mount-1'), ['bucket/a/done', 'bucket/a/gone']);
        t.same(keys('incident-mount-2'), ['bucket/a/b/done', 'bucket/a/b/gone']);
        t.ok(world.engine.core.mounts.locate('incident', 'bucket/a/b/x').conditional);
      },
      seed,
    );
    t.same(result.violation, undefined, `seed ${seed}`);
    const put = ({ bucket, key }: { bucket: string; key: string }): string => `${bucket} ${key}`;
    const ours = result.run.world.ufs.history.filter(
      ({ generation, kind }) => generation > 0 && kind === 'put',
    );
    t.same(
      [...new Set(ours.map(put))].sort(),
      ['incident bucket/dirty', 'incident-mount-1 bucket/a/dirty', 'incident-mount-2 bucket/a/b/dirty'],
      'each went where its path leads',
    );
  }
});

void t.test('incident: a checker notices an object that its store holds with other bytes', async (t) => {
  const scenario = await scenarioFrom(await exported(await mountedWorld()));
  for (const bucket of ['incident', 'incident-mount-1', 'incident-mount-2']) {
    const { violation } = await play(scenario, ({ world }) => {
      const key = [...world.ufs.contents(bucket).keys()].find((name) => name.endsWith('done')) ?? '';
      world.ufs.putOutOfBand(bucket, key, makeBody(99, 2000));
    });
    t.equal(violation?.invariant, 'ufs-converged', bucket);
    t.match(violation?.key, /done$/);
  }
});

void t.test('incident: copies below a mount that had just changed are given up at the start', async (t) => {
  const world = await openWorld();
  await world.put('a/done', makeBody(1, 2000));
  await world.put('other', makeBody(2, 2000));
  await world.drained();
  const { core } = world.engine;
  const settle = core.control.submit.bind(core.control);
  core.control.submit = (decide) =>
    settle((state, atMs) => {
      const event = decide(state, atMs);
      if (event?.type === 'MountSettled') throw new Error('the process dies here');
      return event;
    });
  await t.rejects(
    world.run(world.admin.addMount({ path: `/${BUCKET}/a`, ufs: 'sim://outer/', options: {} })),
  );
  // The copies went before that event; those of an export that was made in between are put back here.
  const scenario = await scenarioFrom(await exported(world));
  t.same(scenario.incident.mounts.unsettled, [`/${BUCKET}/a`]);
  const done: IncidentRecord = {
    ...(recordOf(scenario.incident, `${BUCKET}/other`) as IncidentRecord),
    key: `${BUCKET}/a/done`,
    version: 0,
  };
  const incident = { ...scenario.incident, records: [done, ...scenario.incident.records] };
  const result = await play({ ...scenario, incident }, (run) => {
    t.same([...run.world.ufs.contents('incident-former').keys()], ['bucket/a/done']);
    t.same(
      Array.from(run.world.partition.index.scan('o', 'p'), ([, record]) => record.kind).length,
      1,
      'the other one is kept',
    );
  });
  t.same(result.violation, undefined);
  t.equal(result.counts.events['MountSettled'], 1);
});

/** One that follows its base, one in conflict with what somebody put there, a delete of each, and a base of nothing. */
async function conditionalWorld(): Promise<EngineWorld> {
  const world = await openWorld();
  await world.run(world.admin.addMount({ path: `/${BUCKET}/safe`, ufs: 'sim://safe-ufs/', options: SAFE }));
  for (const name of ['known', 'changed', 'gone', 'stolen'])
    await world.put(`safe/${name}`, makeBody(1, 2000));
  await world.drained();
  world.ufs.setFaults({ unavailable: 1 });
  for (const name of ['known', 'changed', 'new']) await world.put(`safe/${name}`, makeBody(2, 3000));
  for (const name of ['gone', 'stolen']) await world.delete(`safe/${name}`);
  for (const name of ['changed', 'stolen'])
    world.ufs.putOutOfBand('safe-ufs', name, Buffer.from('of somebody else'));
  world.ufs.setFaults({});
  for (const name of ['known', 'new', 'gone'])
    world.ufs.arm('throttled', { keyPrefix: name, operation: name === 'gone' ? 'head' : 'put', times: 1000 });
  await world.until(() => world.state.uploads.quarantined === 2);
  return world;
}

void t.test(
  'incident: conditional persists go on from their bases, and conflicts stay conflicts',
  async (t) => {
    const scenario = await scenarioFrom(await exported(await conditionalWorld()));
    const failed = (key: string): unknown => recordOf(scenario.incident, `${BUCKET}/safe/${key}`);
    t.match(failed('known'), { base: { hadObject: true }, failure: { quarantined: false } });
    t.match(failed('new'), { base: { hadObject: false } });
    t.match(failed('changed'), { failure: { quarantined: true, cause: 'UFS_CONFLICT' } });
    t.match(failed('stolen'), { kind: 'delete', failure: { cause: 'UFS_CONFLICT' } });
    for (const seed of ['1', '2', '3']) {
      const result = await play(scenario, undefined, seed);
      t.same(result.violation, undefined, `seed ${seed}`);
      t.equal(result.counts.operations['conflict ours'], 2, 'only those two are in conflict');
    }
  },
);

void t.test('incident: an overwrite of what somebody else had put there is noticed', async (t) => {
  const scenario = await scenarioFrom(await exported(await conditionalWorld()));
  // As if conditions were not sent.
  const put = Reflect.get(SimObjectStore.prototype, 'put') as SimObjectStore['put'];
  t.intercept(SimObjectStore.prototype, 'put', {
    value(this: SimObjectStore, request: StorePutRequest, signal?: AbortSignal) {
      return put.call(this, { ...request, condition: undefined }, signal);
    },
  });
  const { violation } = await play(scenario);
  t.match(violation, { invariant: 'foreign-kept', key: `${BUCKET}/safe/changed` });
});

/** One of three parts under way, one whose name is not known, one that is to be aborted. */
async function partedWorld(): Promise<EngineWorld> {
  const world = await openWorld();
  world.ufs.arm('hang', { operation: 'complete', times: 1000 });
  world.ufs.arm('reset', { operation: 'putPart', keyPrefix: 'half', times: 2 });
  const put = async (key: string): Promise<void> => {
    const uploadId = await world.createUpload(key);
    const sizes = [5 * MIB, 5 * MIB, 100 * KIB];
    const parts = [];
    for (const [at, size] of sizes.entries())
      parts.push(await world.putPart(key, uploadId, at + 1, makeBody(at, size)));
    await world.completeUpload(key, uploadId, parts);
  };
  await put('half');
  await world.until(() => [...world.partition.index.scan('m', 'n')].length >= 1);
  world.ufs.arm('hang', { operation: 'abort', times: 1000 });
  await put('stale');
  await world.until(() => [...world.partition.index.scan('m', 'n')].length >= 4);
  await world.put('stale', makeBody(9, 1000));
  world.ufs.arm('hang', { operation: 'begin', times: 1000 });
  await put('nameless');
  await world.until(() =>
    [...world.partition.index.scan('q', 'r')].some(
      ([, record]) => record.kind === 'queued' && record.upload?.id === '',
    ),
  );
  return world;
}

void t.test('incident: uploads in parts go on where they were, and stale ones are aborted', async (t) => {
  const scenario = await scenarioFrom(await exported(await partedWorld()));
  const half = recordOf(scenario.incident, `${BUCKET}/half`);
  const stored = half?.kind === 'object' ? (half.ufsUpload?.parts ?? []) : [];
  t.ok(stored.length > 0);
  t.match(recordOf(scenario.incident, `${BUCKET}/nameless`), { ufsUpload: { isNamed: false, parts: [] } });
  t.match(recordOf(scenario.incident, `${BUCKET}/stale`), { kind: 'staleUpload', isNamed: true });
  for (const seed of ['1', '2']) {
    const result = await play(scenario, ({ world }) => t.ok(world.ufs.uploads.open.size >= 3), seed);
    t.same(result.violation, undefined, `seed ${seed}`);
    const { uploads } = result.run.world.ufs;
    t.equal(uploads.open.size, 0);
    const again = uploads.partsPut.filter(({ uploadId }) => uploadId === 'sim-upload-2');
    t.notOk(
      again.some(({ number }) => stored.includes(number)),
      'no part is sent again that the store has',
    );
    t.ok(again.length > 0, 'and the others are');
  }
  t.same((await play(scaled(scenario, 4))).violation, undefined, 'at a scale as well');
});

void t.test('incident: a part that the store holds with other bytes is noticed', async (t) => {
  const scenario = await scenarioFrom(await exported(await partedWorld()));
  const { violation } = await play(scenario, ({ world }) => {
    for (const { key, parts } of world.ufs.uploads.open.values())
      for (const [number, part] of parts)
        if (key.endsWith('half')) parts.set(number, { ...part, bytes: new Uint8Array(part.size) });
  });
  t.match(violation, { invariant: 'bytes-match-etag', key: `${BUCKET}/half` });
});

void t.test('incident: places of objects follow the longest mount', async (t) => {
  const mounted = [
    { path: '/b', conditional: false },
    { path: '/b/x/', conditional: false },
  ];
  const places = new IncidentPlaces({ mounted, unsettled: ['/b'] });
  t.equal(places.bucketOf('b/x/k'), 'incident-mount-2');
  t.equal(places.bucketOf('b/xk'), 'incident-mount-1');
  t.equal(places.bucketOf('bx/k'), 'incident');
  t.equal(places.bucketOfCopy('b/k'), 'incident-former', 'its mount has just changed');
  t.equal(places.bucketOfCopy('b/x/k'), 'incident-mount-2', 'the one inside has not');
  const removed = new IncidentPlaces({ mounted: [], unsettled: ['/b/x'] });
  t.equal(removed.bucketOfCopy('b/x/k'), 'incident-former');
  t.match(removed.events(1), [{ type: 'MountRemoved', path: '/incident/b/x' }]);
  t.same((await readIncident(await exported(await openWorld()))).mounts, { mounted: [], unsettled: [] });
});

void t.test('incident: a slice that ends earlier has the mounts and rules of that time', async (t) => {
  const world = await openWorld();
  await world.put('key', makeBody(1, 100));
  await world.drained();
  const to = world.partition.log.durableOffset;
  await world.sleep(1000);
  await world.run(world.admin.addMount({ path: `/${BUCKET}/a`, ufs: 'sim://outer/', options: {} }));
  await world.setPolicies({ default: 'WRITE_THROUGH' });
  const whole = await readIncident(await exported(world));
  t.equal(whole.mounts.mounted.length, 1, 'nothing was written since, and it is in force');
  t.equal(whole.pathConfig?.defaultRule.policyMode, 'WRITE_THROUGH');
  await world.put('later', makeBody(1, 100));
  const slice = await readIncident(await exported(world, { to }));
  t.same(slice.mounts, { mounted: [], unsettled: [] });
  t.equal(slice.pathConfig?.defaultRule.policyMode, 'WRITE_BACK');
});
