/** `headrace log incarnate` on a whole store (FoundationDB is simulated behind its npm package): what starts behind it, and what not. */
import fs from 'node:fs/promises';
import path from 'node:path';
import t from 'tap';
import { incarnateLog } from '../../src/composition/incarnate-log.js';
import { openEngine } from '../../src/composition/open-engine.js';
import { runCli } from '../cli/cli-fixture.js';
import { FdbMachine } from './fdb-machine.js';

class Machine extends FdbMachine {
  /** A life of a server. */
  async serve(name: string, bucket: string): Promise<readonly string[]> {
    const opened = await this.run(openEngine(this.settings(name), this.context));
    const found = [...opened.engine.core.control.state.buckets.keys()];
    await this.run(opened.engine.objects.createBucket(bucket));
    await this.run(opened.close());
    return found;
  }

  incarnate(name: string): ReturnType<typeof incarnateLog> {
    return this.run(incarnateLog(this.settings(name), this.context));
  }
}

void t.test('incarnate: the data directory goes on with the log, and a copy of it does not', async (t) => {
  const machine = new Machine(t);
  t.same(await machine.serve('data', 'first'), []);
  await fs.cp(path.join(machine.directory, 'data'), path.join(machine.directory, 'copy'), {
    recursive: true,
  });
  const { keyPrefix, incarnation } = await machine.incarnate('data');
  t.equal(keyPrefix, 'headrace/');
  t.match(incarnation, /^[0-9a-f]{16}$/);
  t.same(await machine.serve('data', 'second'), ['first']);
  await t.rejects(machine.serve('copy', 'third'), {
    code: 'DATA_DIRECTORY_UNUSABLE',
    message: new RegExp(
      `is of incarnation ${incarnation}, and this data directory belongs to incarnation [0-9a-f]{16}`,
    ),
  });
  await machine.incarnate('copy');
  t.same(await machine.serve('copy', 'third'), ['first', 'second']);
  await t.rejects(machine.serve('data', 'fourth'), { code: 'DATA_DIRECTORY_UNUSABLE' });
});

void t.test(
  'incarnate: refused while the server runs, and where there is no log in FoundationDB',
  async (t) => {
    const machine = new Machine(t);
    const opened = await machine.run(openEngine(machine.settings('data'), machine.context));
    await t.rejects(machine.incarnate('data'), { code: 'DATA_DIRECTORY_IN_USE' });
    await machine.run(opened.close());
    await t.rejects(machine.incarnate('empty'), {
      code: 'DATA_DIRECTORY_UNUSABLE',
      message: /the log of .*empty is not in FoundationDB/,
    });
    const transaction = machine.world.database.connect().begin();
    transaction.clearRange(Buffer.from('headrace/'), Buffer.from('headrace0'));
    await machine.run(transaction.commit());
    await t.rejects(machine.incarnate('data'), {
      code: 'DATA_DIRECTORY_UNUSABLE',
      message: /FoundationDB holds no store below the prefix "headrace\/"/,
    });
  },
);

void t.test('cli: log incarnate says what became of the log', async (t) => {
  const incarnated = { keyPrefix: 'headrace/', incarnation: '00f1e2d3c4b5a697' };
  const context = { incarnateLog: () => Promise.resolve(incarnated) };
  const text = await runCli(['log', 'incarnate', '--data-dir', '/nvme'], context);
  t.match(text, {
    exitCode: 0,
    stderr:
      /the log below headrace\/ is incarnation 00f1e2d3c4b5a697 now, and so is \/nvme: start its server/,
  });
  const json = await runCli(['log', 'incarnate', '--json'], context);
  t.same(JSON.parse(json.stdout), incarnated);
});
