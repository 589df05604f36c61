/** The commands that read a log without a server, on a log in FoundationDB (simulated behind its npm package). */
import t from 'tap';
import type { OfflineLog } from '../../src/cli/context.js';
import { openEngine } from '../../src/composition/open-engine.js';
import { openOffline } from '../../src/composition/open-offline.js';
import type { Settings } from '../../src/settings/settings.js';
import { FdbMachine } from './fdb-machine.js';

class Machine extends FdbMachine {
  offline(settings: Settings = this.settings()): Promise<OfflineLog> {
    return this.run(openOffline(settings, this.context));
  }
}

void t.test(
  'offline: a log in FoundationDB is read beside its running server, and nothing is written',
  async (t) => {
    const machine = new Machine(t);
    const opened = await machine.run(openEngine(machine.settings(), machine.context));
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
    const opened = await machine.run(openEngine(machine.settings(), machine.context));
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
  const opened = await machine.run(openEngine(machine.settings(), machine.context));
  await machine.run(opened.close());
  const transaction = machine.world.database.connect().begin();
  transaction.clearRange(Buffer.from('headrace/'), Buffer.from('headrace0'));
  await machine.run(transaction.commit());
  await t.rejects(machine.offline(), {
    code: 'DATA_DIRECTORY_UNUSABLE',
    message: 'FoundationDB holds no store below the prefix "headrace/"',
  });
});
