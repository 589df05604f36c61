/** Another process takes the log over: the one before must neither write on nor take it back. */
import t from 'tap';
import type { LogStore, PartitionLog } from '../../log/log-store.js';
import { SimIndexStorage, openSimIndexStore } from '../../simulations/sim-index-store.js';
import { HeadraceError } from '../../src/core/errors.js';
import type { Logger } from '../../src/core/logger.js';
import { SECOND_MS } from '../../src/core/units.js';
import { ControlPartition } from '../../src/engine/control-partition.js';
import { Partition } from '../../src/engine/partition.js';
import { ReadinessProbe } from '../../src/engine/readiness.js';
import { RECORD_CODEC } from '../../projections/record-codec.js';
import { FdbWorld, PARTITION, type FdbProcess } from '../log/fdb/fdb-world.js';
import { FULL_EVENTS } from '../log/sample-events.js';
import { EngineWorld, codeOf } from '../support/engine-world.js';
import { makeBody } from '../support/object-model.js';

/** A log that another owner takes over when it is told so. */
class FencedLogs implements LogStore {
  readonly #logs: LogStore;
  fenced: number[] = [];
  opened = 0;

  constructor(logs: LogStore) {
    this.#logs = logs;
  }

  async openPartition(partition: number): Promise<PartitionLog> {
    this.opened++;
    const log = await this.#logs.openPartition(partition);
    return new Proxy(log, {
      get: (target, name) => {
        if ((name === 'append' || name === 'trim') && this.fenced.includes(partition))
          return () =>
            Promise.reject(new HeadraceError('LOG_FENCED', `partition ${partition} was taken over`));
        const value: unknown = Reflect.get(target, name);
        return typeof value === 'function' ? (value.bind(target) as unknown) : value;
      },
    });
  }

  close(): Promise<void> {
    return this.#logs.close();
  }
}

async function openWorld(): Promise<{ world: EngineWorld; logs: FencedLogs }> {
  let logs: FencedLogs | undefined;
  const world = await EngineWorld.open({
    policies: { default: 'TRANSIENT' },
    observer: { wrapLog: (log) => (logs = new FencedLogs(log)) },
  });
  if (logs === undefined) throw new Error('the log was not wrapped');
  return { world, logs };
}

void t.test(
  'fencing: a partition that was taken over is never opened again, and refuses writes',
  async (t) => {
    const { world, logs } = await openWorld();
    await world.put('key', makeBody(1, 3000));
    const { opened } = logs;
    logs.fenced = [0, 1];
    const puts = [1, 2, 3].map((i) => codeOf(world.beginPut(`new-${i}`, makeBody(i, 3000))));
    const codes = await world.run(Promise.all(puts));
    t.same(codes, ['LOG_FENCED', 'LOG_FENCED', 'LOG_FENCED']);
    await world.sleep(60 * SECOND_MS);
    t.equal(await codeOf(world.delete('key')), 'LOG_FENCED');
    t.equal(await codeOf(world.run(world.objects.createBucket('another'))), 'LOG_FENCED');
    t.equal(await codeOf(world.run(world.objects.createBucket('another'))), 'LOG_FENCED');
    t.equal(logs.opened, opened, 'nobody took it back');
    t.equal(world.partition.fencedBy?.code, 'LOG_FENCED');
    t.same(await world.read('key'), makeBody(1, 3000));
    const lines = world.logged.filter(({ message }) =>
      message.includes('another owner has taken the log over'),
    );
    t.same(
      lines.map(({ level }) => level),
      ['error'],
      'it is logged once',
    );
    const { core, persister } = world.engine;
    const { ready, checks } = await world.run(
      new ReadinessProbe({ core, persister, disk: world.disk }).check(),
    );
    t.equal(ready, false);
    t.match(checks['log'], 'was taken over');
    await world.stop();
  },
);

void t.test('fencing: a fence on the control stream alone is enough not to be ready', async (t) => {
  const { world, logs } = await openWorld();
  logs.fenced = [0];
  t.equal(await codeOf(world.run(world.objects.createBucket('another'))), 'LOG_FENCED');
  const { core, persister } = world.engine;
  t.equal((await world.run(new ReadinessProbe({ core, persister, disk: world.disk }).check())).ready, false);
});

void t.test('fencing: a trim that finds another owner fences as an append does', async (t) => {
  const { world, logs } = await openWorld();
  await world.put('key', makeBody(1, 3000));
  await world.run(world.partition.checkpoint());
  await world.put('key', makeBody(2, 3000));
  logs.fenced = [1];
  t.equal(await codeOf(world.run(world.partition.checkpoint())), 'LOG_FENCED');
  t.equal(world.partition.fencedBy?.code, 'LOG_FENCED');
});

const SILENT: Logger = { debug() {}, info() {}, warn() {}, error() {} };
const EVENT = FULL_EVENTS.DeletePersisted;

async function openPartition(
  world: FdbWorld,
  process: FdbProcess,
  fenced: HeadraceError[],
): Promise<Partition> {
  return world.run(async () => {
    const { clock } = process;
    const { store: index } = await openSimIndexStore({
      storage: new SimIndexStorage(),
      codec: RECORD_CODEC,
      clock,
    });
    return Partition.open({
      number: PARTITION,
      logStore: process.store,
      index,
      clock,
      logger: SILENT,
      checkpointChanges: 1000,
      onFenced: (error) => fenced.push(error),
    });
  });
}

void t.test(
  'fencing: on FoundationDB the newer owner goes on, and the older one hears of it once',
  async (t) => {
    const world = new FdbWorld();
    const fenced: HeadraceError[] = [];
    const old = await openPartition(world, world.process(), fenced);
    const write = (partition: Partition): Promise<unknown> =>
      world.run(() => partition.submit(() => ({ events: [EVENT], result: undefined })));
    await write(old);
    const taken = await openPartition(world, world.process(), []);
    await t.rejects(write(old), { code: 'LOG_FENCED' });
    await t.rejects(write(old), { code: 'LOG_FENCED' });
    await world.scheduler.run(world.scheduler.nowMs + 60 * SECOND_MS);
    await write(taken);
    t.equal(taken.log.epoch, 2);
    t.equal(taken.appliedOffset, 2);
    t.equal(fenced.length, 1);
    await world.run(() => old.close());
  },
);

void t.test(
  'fencing: who lost the partition while FoundationDB was away does not take it back when it recovers',
  async (t) => {
    const world = new FdbWorld();
    const fenced: HeadraceError[] = [];
    const process = world.process();
    const old = await openPartition(world, process, fenced);
    const control = await world.run(() =>
      ControlPartition.open({
        logStore: process.store,
        clock: process.clock,
        onFenced: (error) => fenced.push(error),
      }),
    );
    world.database.setFaults({ hang: 1 });
    const lost = world.run(() => old.submit(() => ({ events: [EVENT], result: undefined })));
    await t.rejects(lost, { code: 'LOG_UNKNOWN_OUTCOME' });
    await t.rejects(
      world.run(() => control.submit(() => ({ type: 'BucketCreated', atMs: 1, bucket: 'b' }) as never)),
      { code: 'LOG_UNKNOWN_OUTCOME' },
    );
    // The old owner's next attempt hangs by then, and is given up after the other one has come.
    await world.scheduler.run(world.scheduler.nowMs + 5 * SECOND_MS);
    world.database.setFaults({});
    const other = world.process();
    const taken = await openPartition(world, other, []);
    await world.run(() => ControlPartition.open({ logStore: other.store, clock: other.clock }));
    await world.scheduler.run(world.scheduler.nowMs + 60 * SECOND_MS);
    t.ok(old.isRecovering);
    t.equal(old.fencedBy?.code, 'LOG_FENCED');
    await t.rejects(
      world.run(() => control.submit(() => undefined)),
      { code: 'LOG_FENCED' },
    );
    t.equal(control.fencedBy?.code, 'LOG_FENCED');
    t.equal(fenced.length, 2);
    await world.run(() => taken.submit(() => ({ events: [EVENT], result: undefined })));
  },
);
