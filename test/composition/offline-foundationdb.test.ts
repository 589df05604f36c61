/** The commands that read a log without a server, on a log in FoundationDB (simulated behind its npm package). */
import path from 'node:path';
import t, { type Test } from 'tap';
import type { OfflineLog } from '../../src/cli/context.js';
import { openEngine } from '../../src/composition/open-engine.js';
import { openOffline } from '../../src/composition/open-offline.js';
import { SILENT_LOGGER } from '../../src/core/logger.js';
import { loadSettings, type Settings } from '../../src/settings/settings.js';
import { FakeBinding } from '../adapters/foundationdb/fake-binding.js';
import { FdbWorld } from '../log/fdb/fdb-world.js';

class Machine {
  readonly world = new FdbWorld();
  readonly binding = new FakeBinding(this.world.database);
  readonly settings: Settings;
  readonly context = {
    version: 'test',
    logger: SILENT_LOGGER,
    importModule: () => Promise.resolve(this.binding),
  };

  constructor(t: Test) {
    const directory = t.testdir({ 'fdb.cluster': 'test:1@127.0.0.1:4500\n' });
    this.settings = loadSettings({
      env: {
        HEADRACE_DATA_DIR: path.join(directory, 'data'),
        HEADRACE_FDB_CLUSTER_FILE: path.join(directory, 'fdb.cluster'),
        HEADRACE_WORKER_PAGE_STORE_SIZE: '64MiB',
      },
      flags: [],
      readText: () => undefined,
    });
  }

  /** For work that waits for real files as well as for virtual time. */
  async run<Value>(work: Promise<Value>): Promise<Value> {
    let settled = false;
    const end = (): void => void (settled = true);
    work.then(end, end);
    while (!settled) {
      await new Promise((resolve) => setImmediate(resolve));
      await this.world.scheduler.run(this.world.scheduler.nowMs + 1);
    }
    return work;
  }

  offline(settings: Settings = this.settings): Promise<OfflineLog> {
    return this.run(openOffline(settings, this.context));
  }
}

void t.test(
  'offline: a log in FoundationDB is read beside its running server, and nothing is written',
  async (t) => {
    const machine = new Machine(t);
    const opened = await machine.run(openEngine(machine.settings, machine.context));
    await machine.run(opened.engine.objects.createBucket('books'));
    const log = await machine.offline();
    const { commits } = machine.world.database;
    t.match(await log.logHead(), [
      { partition: 0, epoch: 1, oldestOffset: 0, durableOffset: 1 },
      { partition: 1, epoch: 1, oldestOffset: 0, durableOffset: 0 },
    ]);
    t.match(await machine.run(log.logRead({ partition: 0, from: 0, limit: 10 })), [
      { partition: 0, offset: 0, epoch: 1, event: { type: 'BucketCreated', bucket: 'books' } },
    ]);
    t.same(await machine.run(log.logRead({ partition: 1, from: 0, limit: 10 })), []);
    t.equal(machine.world.database.commits, commits);
    await log.close();
    await machine.run(opened.engine.objects.createBucket('films'));
    await machine.run(opened.close());
  },
);

void t.test(
  'offline: a log in FoundationDB is verified while no server runs, and refused while one does',
  async (t) => {
    const machine = new Machine(t);
    const opened = await machine.run(openEngine(machine.settings, machine.context));
    await machine.run(opened.engine.objects.createBucket('books'));
    let log = await machine.offline();
    await t.rejects(machine.run(log.verify({ data: false })), { code: 'DATA_DIRECTORY_IN_USE' });
    await log.close();
    await machine.run(opened.close());
    log = await machine.offline();
    const report = await machine.run(log.verify({ data: false }));
    t.match(report, { ok: true });
    await log.close();
  },
);

void t.test('offline: a prefix that holds another store, or none any more, is refused', async (t) => {
  const machine = new Machine(t);
  const opened = await machine.run(openEngine(machine.settings, machine.context));
  await machine.run(opened.close());
  const transaction = machine.world.database.connect().begin();
  transaction.clearRange(Buffer.from('headrace/'), Buffer.from('headrace0'));
  await machine.run(transaction.commit());
  await t.rejects(machine.offline(), {
    code: 'DATA_DIRECTORY_UNUSABLE',
    message: 'FoundationDB holds no store below the prefix "headrace/"',
  });
});
