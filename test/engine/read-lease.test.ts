/** What a server answers from memory while its lease of the log is in doubt: nothing. */
import t from 'tap';
import { FdbLogStore } from '../../log/fdb/log-store.js';
import { Scheduler } from '../../simulations/scheduler.js';
import { SimClock } from '../../simulations/sim-clock.js';
import { SimCoordination, SimCoordinator } from '../../simulations/sim-coordinator.js';
import { SimDatabase } from '../../simulations/sim-database.js';
import { SimRandom } from '../../simulations/sim-random.js';
import { HeadraceError } from '../../src/core/errors.js';
import { SILENT_LOGGER } from '../../src/core/logger.js';
import type { ObjectStore } from '../../src/core/object-store.js';
import { SECOND_MS } from '../../src/core/units.js';
import type { GetObjectResult, ObjectService, ReadBody } from '../../src/engine/object-service.js';
import { Objects } from '../../src/engine/objects.js';
import { Ownership } from '../../src/engine/ownership.js';
import { LeasedObjects, type ReadLease } from '../../src/engine/read-lease.js';
import { ReadinessProbe } from '../../src/engine/readiness.js';
import { BUCKET, codeOf, EngineWorld, WORLD_PARTS } from '../support/engine-world.js';
import { makeBody } from '../support/object-model.js';

const TTL_MS = 10 * SECOND_MS;
const [OLD, NEW] = [makeBody(1, 3000), makeBody(2, 3000)];

interface Server {
  readonly world: EngineWorld;
  readonly coordinator: SimCoordinator;
  readonly lost: HeadraceError[];
  readonly ownership: Ownership;
}

/** Servers in one time, with one simulated FoundationDB and one coordination. */
class Servers {
  readonly scheduler = new Scheduler();
  readonly random = new SimRandom(1);
  readonly database = new SimDatabase(this.scheduler, this.random.fork('database'));
  /** How long the under-store takes for a listing. */
  listDelayMs = 0;
  readonly coordination = new SimCoordination(this.scheduler, this.random.fork('coordination'));

  /** The lease is taken first, as in production; with the under-store of another server where there is one. */
  async open(workerId: string, other?: Server): Promise<Server> {
    const { scheduler, coordination } = this;
    const clock = new SimClock(scheduler);
    const coordinator = new SimCoordinator({ coordination, clock, workerId, ttlMs: TTL_MS });
    const lost: HeadraceError[] = [];
    const ownership = await scheduler.complete(
      Ownership.acquire({
        coordinator,
        clock,
        logger: SILENT_LOGGER,
        ttlMs: TTL_MS,
        address: `host-of-${workerId}`,
        partition: 0,
        onLost: (error) => lost.push(error),
      }),
    );
    const log = new FdbLogStore({
      database: this.database.connect(),
      clock,
      random: this.random.fork(workerId),
    });
    const wrapStore = (store: ObjectStore): ObjectStore => {
      const list = store.list.bind(store);
      const slow: ObjectStore['list'] = async (...request) => {
        await clock.sleep(this.listDelayMs);
        return list(...request);
      };
      return new Proxy(store, {
        get: (target, name) => (name === 'list' ? slow : (Reflect.get(target, name, target) as unknown)),
      });
    };
    const options = { scheduler, lease: ownership.lease, observer: { wrapLog: () => log, wrapStore } };
    if (other === undefined) return { world: await EngineWorld.open(options), coordinator, lost, ownership };
    const world = new EngineWorld(WORLD_PARTS, options);
    world.ufs = other.world.ufs;
    await world.start();
    return { world, coordinator, lost, ownership };
  }
}

/** As when its way to the coordinator is cut; the returned function mends it. */
function cutOff({ coordinator }: Server): () => void {
  const renew = coordinator.renew.bind(coordinator);
  coordinator.renew = () => Promise.reject(new HeadraceError('IO_FAILED', 'simulated: cut off'));
  return () => {
    coordinator.renew = renew;
  };
}

/** How each kind of answer from memory ends. */
async function readCodes(world: EngineWorld): Promise<Record<string, string>> {
  const { objects, admin } = world;
  const key = 'key';
  const listing = { bucket: BUCKET, prefix: '', delimiter: '', startAfter: '', maxKeys: 10 };
  const calls: Record<string, () => Promise<unknown>> = {
    get: async () => {
      const { body } = await objects.getObject({ bucket: BUCKET, key });
      if (body.kind === 'bytes') body.release();
    },
    head: () => objects.headObject({ bucket: BUCKET, key }),
    list: () => objects.listObjects(listing),
    headBucket: () => objects.headBucket(BUCKET),
    listUploads: () => objects.listUploads({ ...listing, maxUploads: 10, keyMarker: '', uploadIdMarker: '' }),
    notModified: () => objects.headObject({ bucket: BUCKET, key, conditions: { ifNoneMatch: ['*'] } }),
    absent: () => objects.headObject({ bucket: BUCKET, key: 'absent' }),
    noSuchBucket: () => objects.headBucket('absent'),
    refusedWrite: () =>
      objects.putObject({
        bucket: BUCKET,
        key,
        body: { kind: 'chunks', chunks: [], size: 0 },
        headers: { system: {}, user: {} },
        conditions: { ifNoneMatch: ['*'] },
      }),
    noSuchUpload: () => objects.abortUpload(BUCKET, key, 'absent'),
    stat: () => admin.persistStat(BUCKET, key),
    fsList: () => admin.list({ path: `/${BUCKET}`, startAfter: '', limit: 10, recursive: true }),
    usage: () => admin.trees.usage({ path: `/${BUCKET}`, depth: 1 }),
    explain: () => admin.inspection.explain({ bucket: BUCKET, key }),
  };
  const codes: Record<string, string> = {};
  for (const [name, call] of Object.entries(calls)) codes[name] = await world.run(codeOf(call()));
  return codes;
}

void t.test(
  'read lease: half a time to live after the last renewal nothing is answered from memory',
  async (t) => {
    const servers = new Servers();
    const server = await servers.open('first');
    const { world } = server;
    await world.put('key', OLD);
    await world.drained();
    const before = await readCodes(world);
    t.match(before, { get: 'success', stat: 'success', explain: 'success', list: 'success' });
    t.match(before, {
      notModified: 'NOT_MODIFIED',
      absent: 'NO_SUCH_KEY',
      refusedWrite: 'PRECONDITION_FAILED',
    });
    const mend = cutOff(server);
    await world.sleep(0.35 * TTL_MS);
    t.same(await readCodes(world), before, 'before that it goes on');
    await world.sleep(0.2 * TTL_MS);
    t.same([...new Set(Object.values(await readCodes(world)))], ['LEASE_EXPIRED']);
    t.equal((await world.run(world.admin.status())).objects, 1, 'the status is told all the same');
    const { core, persister } = world.engine;
    const readiness = new ReadinessProbe({ core, persister, disk: world.disk });
    t.match(await world.run(readiness.check()), {
      ready: false,
      checks: { log: 'ok', lease: /no reads until/ },
    });
    t.equal(await codeOf(world.put('new', NEW)), 'LEASE_EXPIRED', 'nor is anything written');
    mend();
    await world.sleep(0.2 * TTL_MS);
    t.same(await readCodes(world), before, 'and on again with the next renewal');
    t.match(await world.run(readiness.check()), { ready: true, checks: { lease: 'ok' } });
    t.same(server.lost, []);
  },
);

void t.test(
  'read lease: a process that is stopped within a read does not answer it afterwards',
  async (t) => {
    const servers = new Servers();
    const { world } = await servers.open('first');
    await world.put('key', OLD);
    const { index } = world.partition;
    const get = index.get.bind(index);
    let stops = 0;
    index.get = (name) => {
      const record = get(name);
      stops++;
      // As the kernel does it: no callback runs meanwhile, no renewal either.
      servers.scheduler.stall(0.6 * TTL_MS);
      return record;
    };
    t.equal(
      await world.run(codeOf(world.objects.getObject({ bucket: BUCKET, key: 'key' }))),
      'LEASE_EXPIRED',
    );
    t.ok(stops > 0);
    index.get = get;
    await world.sleep(TTL_MS / 5);
    t.same(await world.read('key'), OLD, 'nobody else has come: it goes on');
  },
);

void t.test('read lease: what another server has written is not hidden by the one before', async (t) => {
  const servers = new Servers();
  const first = await servers.open('first');
  for (const name of ['changed', 'deleted']) await first.world.put(name, OLD);
  await first.world.drained();
  const mend = cutOff(first);
  await first.world.sleep(TTL_MS / 5);
  const second = await servers.open('second', first);
  await second.world.put('changed', NEW);
  await second.world.delete('deleted');
  for (const key of ['changed', 'deleted']) {
    t.equal(
      await first.world.run(codeOf(first.world.objects.headObject({ bucket: BUCKET, key }))),
      'LEASE_EXPIRED',
    );
    t.equal(await codeOf(first.world.get(key)), 'LEASE_EXPIRED');
  }
  t.equal(await codeOf(first.world.names()), 'LEASE_EXPIRED');
  t.equal(await codeOf(first.world.put('changed', OLD)), 'LEASE_EXPIRED');
  t.same(await second.world.read('changed'), NEW);
  t.same(await second.world.names(), ['changed']);
  mend();
  await first.world.sleep(TTL_MS);
  t.match(first.lost, [{ code: 'LOG_FENCED' }]);
  t.equal(await codeOf(first.world.get('changed')), 'LEASE_EXPIRED', 'it is for good');
});

void t.test(
  'read lease: a read that outlives its lease while it waits for the UFS is not answered',
  async (t) => {
    const servers = new Servers();
    const first = await servers.open('first');
    await first.world.put('deleted', OLD);
    await first.world.drained();
    servers.listDelayMs = 0.8 * TTL_MS;
    const listing = codeOf(
      first.world.objects.listObjects({
        bucket: BUCKET,
        prefix: '',
        delimiter: '',
        startAfter: '',
        maxKeys: 10,
      }),
    );
    t.ok(first.ownership.lease.isValid);
    cutOff(first);
    t.equal(await first.world.run(listing), 'LEASE_EXPIRED');
  },
);

void t.test(
  'read lease: what waits to be persisted stays while the lease is in doubt, and never follows what another server put there',
  async (t) => {
    const servers = new Servers();
    const first = await servers.open('first');
    // Given up when the other server has come, and tried again then.
    first.world.ufs.arm('hang', { operation: 'put' });
    await first.world.put('key', OLD);
    const mend = cutOff(first);
    await first.world.sleep(0.6 * TTL_MS);
    t.notOk(first.ownership.lease.isValid);
    const second = await servers.open('second', first);
    await second.world.put('key', NEW);
    await second.world.drained();
    await first.world.sleep(3 * TTL_MS);
    t.same(first.world.inUfs('key'), NEW);
    mend();
    await first.world.sleep(3 * TTL_MS);
    t.same(first.world.inUfs('key'), NEW, 'nor when it hears that it lost the log');
    t.match(first.lost, [{ code: 'LOG_FENCED' }]);
  },
);

void t.test('read lease: bytes that are not answered are given back', async (t) => {
  let released = 0;
  const objects = new (class extends Objects {})({} as never);
  const stream: AsyncIterable<Uint8Array> = {
    [Symbol.asyncIterator]: () => ({
      next: () => Promise.reject(new Error('nobody reads it')),
      return: () => {
        released++;
        return Promise.reject(new Error('a stream that fails to close'));
      },
    }),
  };
  const bodies: ReadBody[] = [
    { kind: 'bytes', bytes: OLD, release: () => released++ },
    { kind: 'stream', stream, size: 1 },
  ];
  const lease: ReadLease = { isValid: false };
  const inner: Pick<ObjectService, 'getObject'> = {
    getObject: () => Promise.resolve({ object: {}, body: bodies.shift() } as GetObjectResult),
  };
  const leased = new LeasedObjects(Object.assign(objects, inner), lease);
  for (const expected of [1, 2]) {
    t.equal(await codeOf(leased.getObject({ bucket: BUCKET, key: 'key' })), 'LEASE_EXPIRED');
    t.equal(released, expected);
  }
});

void t.test('read lease: the embedded log has none in its way', async (t) => {
  const world = await EngineWorld.open();
  t.ok(world.engine.objects instanceof Objects);
  const { core, persister } = world.engine;
  const { checks } = await world.run(new ReadinessProbe({ core, persister, disk: world.disk }).check());
  t.same(Object.keys(checks), ['log', 'disk']);
});
