/** Where the log is: what the settings say, and what the data directory knows. FoundationDB is simulated behind its npm package. */
import t, { type Test } from 'tap';
import { SimClock } from '../../simulations/sim-clock.js';
import { SimDisk } from '../../simulations/sim-disk.js';
import { Measurements } from '../../src/composition/measurements.js';
import { readPlace } from '../../src/composition/log-place.js';
import { openLogStore, type OpenedLogStore } from '../../src/composition/open-log-store.js';
import type { HeadraceError } from '../../src/core/errors.js';
import type { Logger } from '../../src/core/logger.js';
import { loadSettings } from '../../src/settings/settings.js';
import { FakeBinding } from '../adapters/foundationdb/fake-binding.js';
import { FdbWorld } from '../log/fdb/fdb-world.js';
import { numberedEvents } from '../log/sample-events.js';
import { clusterDirectory, clusterFileIn, runBeside } from './fdb-machine.js';

const SILENT: Logger = { debug() {}, info() {}, warn() {}, error() {} };

class Machine {
  readonly world: FdbWorld;
  readonly disk: SimDisk;
  readonly measurements = new Measurements();
  readonly clusterFile: string;
  readonly storeId: Uint8Array;
  readonly fenced: HeadraceError[] = [];
  #clock: SimClock | undefined;

  constructor(t: Test, world = new FdbWorld(), storeId = 1) {
    this.world = world;
    this.disk = new SimDisk(world.scheduler, world.random.fork(`disk ${storeId}`));
    this.clusterFile = clusterFileIn(clusterDirectory(t));
    this.storeId = new Uint8Array(16).fill(storeId);
  }

  open(set: Readonly<Record<string, string>>, hostName = 'test.host'): Promise<OpenedLogStore> {
    const { world, disk, measurements, storeId } = this;
    const settings = loadSettings({
      env: {},
      flags: Object.entries(set).map(([key, text]) => ({ key, text, flag: '--set' })),
      readText: () => undefined,
    });
    const binding = new FakeBinding(world.database);
    this.#clock = new SimClock(world.scheduler);
    return this.run(
      openLogStore(settings, {
        disk,
        clock: this.#clock,
        random: world.random,
        logger: SILENT,
        measurements,
        storeId,
        place: { hostName, dataDirectory: '/data' },
        onFenced: (error) => this.fenced.push(error),
        importModule: async () => binding,
      }),
    );
  }

  /** The process that was opened last does nothing any more. */
  kill(): void {
    this.#clock?.stop();
  }

  openFoundationDb(set: Readonly<Record<string, string>> = {}, hostName?: string): Promise<OpenedLogStore> {
    return this.open({ 'foundationdb.cluster.file.path': this.clusterFile, ...set }, hostName);
  }

  run<Value>(work: Promise<Value>): Promise<Value> {
    return runBeside(this.world, work);
  }

  async close({ logStore, close }: OpenedLogStore): Promise<void> {
    await this.run(logStore.close());
    await this.run(close());
  }
}

void t.test(
  'log store: with a cluster file the log is in FoundationDB, and the data directory says so',
  async (t) => {
    const machine = new Machine(t);
    let opened = await machine.openFoundationDb();
    t.match(await machine.run(readPlace(machine.disk)), {
      clusterFile: machine.clusterFile,
      keyPrefix: 'headrace/',
      incarnation: /^[0-9a-f]{16}$/,
    });
    let log = await machine.run(opened.logStore.openPartition(1));
    await machine.run(log.append(numberedEvents(0, 5)));
    await machine.close(opened);
    opened = await machine.openFoundationDb();
    log = await machine.run(opened.logStore.openPartition(1));
    t.equal(log.nextOffset, 5);
    t.equal(log.epoch, 2);
    const status = opened.logBackend?.();
    t.equal(status?.description, `FoundationDB, ${machine.clusterFile}, below headrace/`);
    t.ok((status?.reads.count ?? 0) > 0 && (status?.commits.count ?? 0) > 0);
    t.ok((status?.commits.meanMs ?? 0) > 0 && (status?.commits.p99Ms ?? 0) >= (status?.commits.meanMs ?? 0));
    t.same(status?.errors, {});
    await machine.close(opened);
  },
);

void t.test('log store: a data directory whose log is in FoundationDB is refused without it', async (t) => {
  const machine = new Machine(t);
  await machine.close(await machine.openFoundationDb());
  await t.rejects(machine.open({}), {
    code: 'INVALID_SETTING',
    message:
      /the log of this data directory is in FoundationDB.*set foundationdb\.cluster\.file\.path, which was/,
  });
  await t.rejects(machine.openFoundationDb({ 'foundationdb.key.prefix': 'other/' }), {
    code: 'INVALID_SETTING',
    message:
      'foundationdb.key.prefix is "other/", and the log of this data directory is below "headrace/": set it to that',
  });
});

void t.test('log store: a data directory with an embedded log is refused with a cluster file', async (t) => {
  const machine = new Machine(t);
  const opened = await machine.open({});
  t.equal(opened.logBackend, undefined);
  await machine.run(opened.logStore.openPartition(1));
  await machine.close(opened);
  await t.rejects(machine.openFoundationDb(), {
    code: 'INVALID_SETTING',
    message: /this data directory has an embedded log/,
  });
});

void t.test(
  'log store: another store below the same prefix is refused, and below another one welcome',
  async (t) => {
    const first = new Machine(t);
    await first.close(await first.openFoundationDb());
    const second = new Machine(t, first.world, 2);
    await t.rejects(second.openFoundationDb(), {
      code: 'DATA_DIRECTORY_UNUSABLE',
      message: /holds the log of another store below the prefix "headrace\/"/,
    });
    t.equal(await second.run(readPlace(second.disk)), undefined, 'it was not taken for its own');
    await second.close(await second.openFoundationDb({ 'foundationdb.key.prefix': 'second/' }));
  },
);

void t.test(
  'log store: a cluster that reads and does not commit holds the start up no longer than set',
  async (t) => {
    const machine = new Machine(t);
    const { database, scheduler } = machine.world;
    database.setFaults({ conflict: 1 });
    const startedMs = scheduler.nowMs;
    await t.rejects(machine.openFoundationDb({ 'foundationdb.connect.timeout': '3s' }), {
      code: 'IO_FAILED',
      message: /answers reads but committed nothing in time/,
    });
    t.ok(scheduler.nowMs - startedMs < 10_000);
    t.equal(await machine.run(readPlace(machine.disk)), undefined);
  },
);

void t.test('log store: a damaged note of where the log is, is refused', async (t) => {
  const machine = new Machine(t);
  await machine.run(machine.disk.makeDirectory('log'));
  const file = await machine.run(machine.disk.create('log/foundationdb.json'));
  await machine.run(file.write(0, Buffer.from('{"clusterFile":3}')));
  await t.rejects(machine.open({}), {
    code: 'DATA_DIRECTORY_UNUSABLE',
    message: /does not say where the log is/,
  });
});

void t.test(
  'log store: a copy of the data directory elsewhere is refused while the owner is alive',
  async (t) => {
    const machine = new Machine(t);
    const owner = await machine.openFoundationDb();
    const log = await machine.run(owner.logStore.openPartition(1));
    await t.rejects(machine.openFoundationDb({}, 'other.host'), {
      code: 'LOG_FENCED',
      message:
        /owned by another Headrace that is alive \(on test\.host, worker w-test\.host-[0-9a-f]{16}\): stop that one/,
    });
    t.equal(await machine.run(log.append(numberedEvents(0, 1))), 0, 'the owner did not notice');
    t.same(machine.fenced, []);
    await machine.close(owner);
    const startedMs = machine.world.scheduler.nowMs;
    const next = await machine.openFoundationDb({}, 'other.host');
    t.ok(machine.world.scheduler.nowMs - startedMs < 1000, 'an owner that stopped is not waited for');
    t.equal((await machine.run(next.logStore.openPartition(1))).epoch, 2);
    await machine.close(next);
  },
);

void t.test(
  'log store: an owner that died is succeeded after its lease, on its own machine at once',
  async (t) => {
    const machine = new Machine(t);
    const { scheduler } = machine.world;
    const lease = { 'foundationdb.lease.time': '2s' };
    const first = await machine.openFoundationDb(lease);
    machine.kill();
    let startedMs = scheduler.nowMs;
    const second = await machine.openFoundationDb(lease);
    t.ok(scheduler.nowMs - startedMs < 1000);
    machine.kill();
    startedMs = scheduler.nowMs;
    const third = await machine.openFoundationDb(lease, 'other.host');
    t.ok(scheduler.nowMs - startedMs >= 2000);
    // Only for the connections: those who died own nothing any more.
    for (const opened of [first, second, third]) await machine.close(opened);
  },
);
