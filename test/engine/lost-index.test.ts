/** An index that is lost is made again from the checkpoint in FoundationDB and the log behind it. */
import t, { type Test } from 'tap';
import { FdbLogStore } from '../../log/fdb/log-store.js';
import { SimDatabase, type SimDatabaseClient } from '../../simulations/sim-database.js';
import { SimRandom } from '../../simulations/sim-random.js';
import { SECOND_MS } from '../../src/core/units.js';
import { range } from '../log/log-world.js';
import { BUCKET, EngineWorld, WORLD_PARTS, type EngineWorldOptions } from '../support/engine-world.js';
import { makeBody } from '../support/object-model.js';

const INDEX_DIRECTORY = 'index/p0001';
/** So few that some tens of objects make several checkpoints. */
const CHECKPOINT_CHANGES = 20;

/** A machine whose log is in a simulated FoundationDB. */
class FdbMachine {
  readonly world: EngineWorld;
  readonly database: SimDatabase;
  #client: SimDatabaseClient | undefined;
  #processes = 0;

  constructor(options: EngineWorldOptions = {}) {
    this.world = new EngineWorld(WORLD_PARTS, {
      ...options,
      engine: { checkpointChanges: CHECKPOINT_CHANGES },
      observer: {
        wrapLog: () => {
          this.#client = this.database.connect();
          const random = new SimRandom(`process ${this.#processes++}`);
          return new FdbLogStore({ database: this.#client, clock: this.world.clock, random });
        },
      },
    });
    this.database = new SimDatabase(this.world.scheduler, this.world.random.fork('database'));
  }

  static async open(options: EngineWorldOptions = {}): Promise<FdbMachine> {
    const machine = new FdbMachine(options);
    const { world } = machine;
    await world.start();
    await world.setPolicies(options.policies ?? { default: 'TRANSIENT' });
    await world.run(world.objects.createBucket(BUCKET));
    return machine;
  }

  kill(): void {
    this.#client?.kill();
    this.world.kill();
  }

  /** The directory of the index is gone, or so damaged that somebody removed it. */
  loseIndex(): Promise<void> {
    return this.lose(INDEX_DIRECTORY);
  }

  async lose(directory: string): Promise<void> {
    const { disk } = this.world;
    await this.world.run(
      (async () => {
        for (const name of await disk.list(directory)) await disk.remove(`${directory}/${name}`);
        await disk.syncDirectory(directory);
      })(),
    );
  }

  /** Waits for a copy to be taken, and for the log to be trimmed to it. */
  async putUntilTrimmed(): Promise<number> {
    let count = 0;
    while (this.world.partition.log.oldestOffset === 0) {
      await this.world.put(`key-${count}`, makeBody(count, 3000));
      count += 1;
      if (count > 1000) throw new Error('the log is never trimmed');
    }
    return count;
  }
}

async function checkObjects(t: Test, { world }: FdbMachine, count: number): Promise<void> {
  t.same((await world.names()).length, count);
  for (const at of range(0, count)) t.same(await world.read(`key-${at}`), makeBody(at, 3000), `key-${at}`);
  const report = await world.run(world.admin.verify({ data: true }));
  t.same(report.problems, []);
}

void t.test('lost index: everything is there again, although the log was trimmed', async (t) => {
  const machine = await FdbMachine.open();
  const { world } = machine;
  const count = await machine.putUntilTrimmed();
  t.ok(count > CHECKPOINT_CHANGES, `${count} objects`);
  machine.kill();
  await machine.loseIndex();
  await world.start();
  t.match(
    world.logged.filter(({ message }) => message.startsWith('the index was lost')),
    [{ level: 'warn', fields: { partition: 1 } }],
  );
  await checkObjects(t, machine, count);
  await world.put(`key-${count}`, makeBody(count, 3000));
  machine.kill();
  await world.start();
  t.equal(world.logged.filter(({ message }) => message.startsWith('the index was lost')).length, 1);
  await checkObjects(t, machine, count + 1);
});

void t.test('lost index: a log that was never trimmed is folded from its beginning', async (t) => {
  const machine = await FdbMachine.open();
  for (const at of range(0, 5)) await machine.world.put(`key-${at}`, makeBody(at, 3000));
  machine.kill();
  await machine.loseIndex();
  await machine.world.start();
  await checkObjects(t, machine, 5);
});

void t.test('lost index: a process killed at any moment of a checkpoint leaves what recovers', async (t) => {
  for (const seed of range(0, 40)) {
    const machine = await FdbMachine.open({ seed });
    const { world } = machine;
    await world.run(Promise.all(range(0, 60).map((at) => world.beginPut(`key-${at}`, makeBody(at, 3000)))));
    const { commits } = machine.database;
    void world.partition.checkpoint().catch(() => undefined);
    // A copy is several transactions of a few milliseconds each, and the trim behind it.
    await world.sleep(world.random.unit() * 40);
    const during = machine.database.commits - commits;
    machine.kill();
    await machine.loseIndex();
    await world.start();
    t.equal((await world.names()).length, 60, `seed ${seed}, after ${during} commits`);
    const report = await world.run(world.admin.verify({ data: true }));
    t.same(report.problems, [], `seed ${seed}`);
    machine.kill();
  }
});

void t.test('lost index: a process killed while it makes the index again begins once more', async (t) => {
  const machine = await FdbMachine.open();
  const { world } = machine;
  const count = await machine.putUntilTrimmed();
  machine.kill();
  await machine.loseIndex();
  for (const attempt of range(0, 20)) {
    void world.open().catch(() => undefined);
    await world.sleep(attempt);
    machine.kill();
  }
  await world.start();
  await checkObjects(t, machine, count);
});

void t.test('lost index: a stop does not wait for a FoundationDB that is away', async (t) => {
  const machine = await FdbMachine.open();
  const { world, database } = machine;
  await world.run(Promise.all(range(0, 60).map((at) => world.beginPut(`key-${at}`, makeBody(at, 3000)))));
  database.setFaults({ hang: 1 });
  const startedMs = world.scheduler.nowMs;
  await world.stop();
  t.ok(world.scheduler.nowMs - startedMs < 30 * SECOND_MS, `${world.scheduler.nowMs - startedMs} ms`);
  database.setFaults({});
  await world.start();
  await checkObjects(t, machine, 60);
});

void t.test(
  'lost disk: with the log in FoundationDB what was persisted is read from the under-store',
  async (t) => {
    const machine = await FdbMachine.open({ policies: { default: 'WRITE_BACK' } });
    const { world } = machine;
    const count = await machine.putUntilTrimmed();
    await world.drained();
    machine.kill();
    await machine.loseIndex();
    await machine.lose('segments');
    await world.start();
    t.equal((await world.names()).length, count);
    for (const at of range(0, count)) t.same(await world.read(`key-${at}`), makeBody(at, 3000), `key-${at}`);
    await world.put('new', makeBody(count, 3000));
    t.same(await world.read('new'), makeBody(count, 3000));
  },
);
