/** The adapter to FoundationDB, on a stand-in for the npm package: a real cluster is tested in `test/fdb`. */
import fs from 'node:fs/promises';
import path from 'node:path';
import t, { type Test } from 'tap';
import { SimClock } from '../../../simulations/sim-clock.js';
import type { Binding, ImportModule } from '../../../src/adapters/foundationdb/binding.js';
import { FoundationDatabase } from '../../../src/adapters/foundationdb/database.js';
import { openFoundationDatabase } from '../../../src/adapters/foundationdb/open.js';
import { DatabaseMetrics } from '../../../src/core/metrics.js';
import { SECOND_MS } from '../../../src/core/units.js';
import { keyValueDatabaseContract } from '../../contracts/key-value-database.js';
import { FdbLogStore } from '../../../log/fdb/log-store.js';
import { FdbWorld, PARTITION } from '../../log/fdb/fdb-world.js';
import { readNumbers } from '../../log/log-world.js';
import { numberedEvent } from '../../log/sample-events.js';
import { FakeBinding, type FakeBindingOptions } from './fake-binding.js';

const CONNECT_TIMEOUT_MS = 5 * SECOND_MS;

keyValueDatabaseContract('FoundationDB adapter on a stand-in for the package', () => {
  const world = new FdbWorld();
  const clock = new SimClock(world.scheduler);
  const binding = new FakeBinding(world.database);
  return {
    connect: async () => new FoundationDatabase({ binding, clusterFile: '/fdb.cluster', clock }),
    prefix: Buffer.from('test/'),
    clock,
    run: (work) => world.run(work),
  };
});

interface Subject {
  readonly world: FdbWorld;
  readonly binding: FakeBinding;
  readonly clusterFile: string;
  readonly metrics: DatabaseMetrics;
  readonly open: (importModule?: ImportModule) => Promise<FoundationDatabase>;
}

async function subject(t: Test, options: FakeBindingOptions = {}): Promise<Subject> {
  const world = new FdbWorld();
  const clock = new SimClock(world.scheduler);
  const binding = new FakeBinding(world.database, { clock, ...options });
  const clusterFile = path.join(
    t.testdir({ 'fdb.cluster': '# made by hand\ntest:1a2b@127.0.0.1:4500\n' }),
    'fdb.cluster',
  );
  const metrics = new DatabaseMetrics();
  const asModule: ImportModule = async () => ({ default: binding });
  const open = (importModule = asModule): Promise<FoundationDatabase> => {
    const connection = { clusterFile, connectTimeoutMs: CONNECT_TIMEOUT_MS, clock, metrics, importModule };
    const opening = openFoundationDatabase(connection).then((database) => {
      t.teardown(() => database.close());
      return database;
    });
    return inBothTimes(world, opening);
  };
  return { world, binding, clusterFile, metrics, open };
}

/** For work that waits for real files first, and for virtual time then. */
async function inBothTimes<Value>(world: FdbWorld, work: Promise<Value>): Promise<Value> {
  let settled = false;
  const end = (): void => void (settled = true);
  work.then(end, end);
  while (!settled) {
    await new Promise((resolve) => setImmediate(resolve));
    await world.scheduler.run(world.scheduler.nowMs + 1);
  }
  return work;
}

void t.test('foundationdb: a cluster that answers is opened with its cluster file', async (t) => {
  const { binding, clusterFile, metrics, open } = await subject(t);
  const database = await open();
  t.same(binding.selected, ['720/720']);
  t.same(binding.opened, [clusterFile]);
  t.equal(metrics.readSeconds.count, 1);
  database.close();
  database.close();
  t.equal(binding.closed, 1);
});

void t.test('foundationdb: a client library of 7.1 is told headers that it knows', async (t) => {
  const { binding, open } = await subject(t, { libraryVersion: 710 });
  await open();
  t.same(binding.selected, ['710/710']);
});

void t.test('foundationdb: a client library that is too old is refused with what to install', async (t) => {
  const { open } = await subject(t, { libraryVersion: 630 });
  await t.rejects(open(), {
    code: 'INVALID_SETTING',
    message:
      /^the FoundationDB client library is older than 7.1: install [^\n]*foundationdb-clients[^\n]*npm install foundationdb@2\.0\.1$/,
  });
});

void t.test('foundationdb: without the package one line says what to install', async (t) => {
  const { open } = await subject(t);
  const missing = Object.assign(new Error("Cannot find package 'foundationdb'\nimported from"), {
    code: 'ERR_MODULE_NOT_FOUND',
  });
  await t.rejects(
    open(() => Promise.reject(missing)),
    {
      code: 'INVALID_SETTING',
      message:
        /^a log in FoundationDB needs the npm package "foundationdb", and it is not installed: install [^\n]+$/,
    },
  );
  const unlinked = new Error('libfdb_c.so: cannot open shared object file\nRequire stack:');
  await t.rejects(
    open(() => Promise.reject(unlinked)),
    {
      message: /^[^\n]+it cannot be loaded \(libfdb_c\.so: cannot open shared object file\): install [^\n]+$/,
    },
  );
  await t.rejects(
    open(async () => ({ tuple: {} })),
    { message: /is not the one that is known here/ },
  );
});

void t.test('foundationdb: a cluster file that is none is refused before anything is loaded', async (t) => {
  const { clusterFile, open } = await subject(t);
  const loadNothing: ImportModule = () => t.fail('it was loaded') as never;
  await fs.writeFile(clusterFile, 'hello\n');
  await t.rejects(open(loadNothing), {
    code: 'INVALID_SETTING',
    message: /is no cluster file: expected one line like /,
  });
  await fs.rm(clusterFile);
  await t.rejects(open(loadNothing), {
    code: 'INVALID_SETTING',
    message: /fdb\.cluster", and there is no such file: name the cluster file/,
  });
  const connection = { connectTimeoutMs: CONNECT_TIMEOUT_MS, clock: new SimClock(new FdbWorld().scheduler) };
  await t.rejects(
    openFoundationDatabase({ ...connection, clusterFile: `/${'x'.repeat(1023)}`, importModule: loadNothing }),
    { code: 'INVALID_SETTING', message: /has 1024 bytes: at most 1023 are allowed/ },
  );
});

void t.test(
  'foundationdb: a cluster that does not answer is an error that says so, at the deadline',
  async (t) => {
    for (const ignoresCancel of [false, true]) {
      const { world, binding, open } = await subject(t, { ignoresCancel });
      world.database.setFaults({ hang: 1 });
      await t.rejects(open(), {
        code: 'IO_FAILED',
        message:
          /^FoundationDB \(127\.0\.0\.1:4500, from .*\) did not answer within 5s: check that it is up and has a database/,
      });
      t.ok(world.scheduler.nowMs - binding.openedMs < CONNECT_TIMEOUT_MS + SECOND_MS);
      t.equal(binding.closed, 1, 'nothing of it is left');
    }
  },
);

void t.test(
  'foundationdb: a cluster that answers with errors is asked again until the deadline',
  async (t) => {
    const { world, metrics, open } = await subject(t);
    world.database.setFaults({ processBehind: 1 });
    const opening = open();
    opening.catch(() => undefined);
    await t.rejects(opening, { message: /its last error was: .*1037/ });
    t.ok(metrics.readSeconds.count > 10);
    const [[code, count] = []] = metrics.errors.entries();
    t.equal(code, '1037');
    t.equal(count, metrics.readSeconds.count);
  },
);

void t.test(
  'foundationdb: a database is given out when it is connected, not before: its first transaction counts',
  async (t) => {
    const { world, open } = await subject(t, { connectMs: 300 });
    const database = await open();
    const transaction = database.begin();
    transaction.set(Buffer.from('key'), Buffer.from('value'));
    await world.run(() => transaction.commit());
    t.same(await world.run(() => database.begin().get(Buffer.from('key'))), Buffer.from('value'));
  },
);

void t.test(
  'foundationdb: work on a connection that has not come about yet is done when it has',
  async (t) => {
    const world = new FdbWorld();
    const clock = new SimClock(world.scheduler);
    const binding = new FakeBinding(world.database, { connectMs: 300, clock });
    const database = new FoundationDatabase({ binding, clusterFile: '/fdb.cluster', clock });
    await world.run(async () => {
      const store = new FdbLogStore({ database, clock, random: world.random });
      const log = await store.openPartition(PARTITION);
      t.equal(await log.append([numberedEvent(1)]), 0);
      t.same(await readNumbers(log, 0), [1]);
      await store.close();
    });
    database.close();
    t.ok(world.scheduler.nowMs >= 300);
  },
);

void t.test('foundationdb: closing ends what is under way, whatever the library does', async (t) => {
  const { world, open } = await subject(t, { ignoresCancel: true });
  const database = await open();
  world.database.setFaults({ hang: 1 });
  const reading = database.begin().get(Buffer.from('key'));
  const writer = database.begin();
  writer.set(Buffer.from('key'), Buffer.from('value'));
  const committing = writer.commit();
  database.close();
  await t.rejects(reading, { code: 1025 });
  await t.rejects(committing, { code: 1025 });
});

void t.test('foundationdb: reads and commits are measured, failures by their code', async (t) => {
  const { world, metrics, open } = await subject(t);
  const database = await open();
  const transaction = database.begin();
  await world.run(() => transaction.get(Buffer.from('key')));
  transaction.set(Buffer.from('key'), Buffer.from('value'));
  world.database.setFaults({ unknownLost: 1 });
  await t.rejects(
    world.run(() => transaction.commit()),
    { name: 'DatabaseError', code: 1021 },
  );
  t.equal(metrics.readSeconds.count, 2);
  t.equal(metrics.commitSeconds.count, 1);
  t.same([...metrics.errors.entries()], [['1021', 1]]);
  const reader = database.begin();
  await world.run(() => reader.get(Buffer.from('key')));
  await world.run(() => reader.commit());
  t.equal(metrics.commitSeconds.count, 1, 'a transaction that wrote nothing commits nothing');
});

void t.test('foundationdb: what is no error of FoundationDB is passed on as it is', async (t) => {
  const { world, open } = await subject(t);
  const strange: Partial<Binding> = {
    setAPIVersion: () => undefined,
    StreamingMode: { Exact: 0 },
    open: () => {
      throw Object.assign(new Error('Local address in use'), { code: 2105 });
    },
  };
  await t.rejects(
    open(async () => strange),
    {
      code: 'INVALID_SETTING',
      message: /cannot be opened with the cluster file .*: Local address in use$/,
    },
  );
  t.ok(world.scheduler.nowMs >= 0);
});
