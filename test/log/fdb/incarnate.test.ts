/** A restored log gets a new incarnation: whole at every step, and nothing of the history that was given up gets into it. */
import t, { type Test } from 'tap';
import { incarnate } from '../../../log/fdb/incarnate.js';
import type { FdbLogOptions } from '../../../log/fdb/log-store.js';
import { KIB, SECOND_MS } from '../../../src/core/units.js';
import { range, readNumbers } from '../log-world.js';
import { numberedEvents } from '../sample-events.js';
import { FdbWorld, PARTITION, type FdbProcess } from './fdb-world.js';

const PREFIX = Buffer.from('headrace/');
const STORE_ID = 5n;
const EVENTS = 300;

function start(world: FdbWorld, options: Partial<FdbLogOptions> = {}): FdbProcess {
  return world.process(options, STORE_ID);
}

/** A store with frames of one and of several pieces, trimmed, and with a checkpoint. */
async function makeStore(world: FdbWorld): Promise<void> {
  const process = start(world);
  const log = await world.open(process);
  await world.run(async () => {
    for (const at of range(0, EVENTS / 10))
      await log.append(numberedEvents(at * 10, 10, at === 7 ? 20 * KIB : 100));
    await (await process.store.checkpointsOf(log)).save(100, [Buffer.alloc(200 * KIB, 'c')]);
    await log.trim(100);
    await process.store.openPartition(0);
    await process.store.close();
  });
}

/** In a process of its own, which can be killed. */
function incarnating(world: FdbWorld): { process: FdbProcess; done: Promise<bigint> } {
  const process = start(world);
  const { client: database, clock } = process;
  const random = world.random.fork(`incarnate ${world.scheduler.nowMs}`);
  return { process, done: incarnate({ database, clock, random, prefix: PREFIX, storeId: STORE_ID }) };
}

async function incarnationOf(world: FdbWorld): Promise<bigint> {
  return (await world.run(() => start(world).store.identity())).incarnation;
}

async function checkStore(t: Test, world: FdbWorld, what: string): Promise<void> {
  const process = start(world);
  const log = await world.open(process);
  t.equal(log.oldestOffset, 100, what);
  t.strictSame(await world.run(() => readNumbers(log, 100)), range(100, EVENTS), what);
  const loaded = await world.run(async () => (await process.store.checkpointsOf(log)).load());
  t.equal(loaded?.offset, 100, what);
  t.ok(loaded?.state.equals(Buffer.alloc(200 * KIB, 'c')), what);
  t.equal(await world.run(() => log.append(numberedEvents(EVENTS, 1))), EVENTS, what);
}

void t.test(
  'incarnate: log, epochs and checkpoint are those before, below keys that nobody had',
  async (t) => {
    const world = new FdbWorld();
    await makeStore(world);
    const [keys, before] = [world.database.keyCount, await incarnationOf(world)];
    const fresh = await world.run(() => incarnating(world).done);
    t.not(fresh, before);
    t.equal(await incarnationOf(world), fresh);
    t.equal(world.database.keyCount, keys, 'nothing is left of the one before, and nothing is missing');
    await checkStore(t, world, 'after it');
  },
);

void t.test(
  'incarnate: a process that still runs on the history before is fenced, and writes nothing',
  async (t) => {
    const world = new FdbWorld();
    await makeStore(world);
    const old = await world.open(start(world));
    await world.run(() => incarnating(world).done);
    const keys = world.database.keyCount;
    await t.rejects(
      world.run(() => old.append(numberedEvents(EVENTS, 1))),
      { code: 'LOG_FENCED' },
    );
    await world.run(() => old.trim(200).catch(() => undefined));
    t.equal(world.database.keyCount, keys);
    await checkStore(t, world, 'after it');
  },
);

void t.test(
  'incarnate: killed at any moment it leaves a store that is whole, and can be done again',
  async (t) => {
    for (const seed of range(0, 60)) {
      const world = new FdbWorld(`incarnate ${seed}`);
      await makeStore(world);
      const keys = world.database.keyCount;
      const { process, done } = incarnating(world);
      done.catch(() => undefined);
      await world.scheduler.run(world.scheduler.nowMs + (seed / 60) * 100);
      process.kill();
      await world.scheduler.run(world.scheduler.nowMs + 10 * SECOND_MS);
      if (seed % 2 === 0) {
        await world.run(() => incarnating(world).done);
        t.equal(world.database.keyCount, keys, `seed ${seed}: nothing is left of the attempt before`);
      }
      await checkStore(t, world, `seed ${seed}`);
    }
  },
);

void t.test('incarnate: it comes through conflicts and unknown outcomes', async (t) => {
  for (const seed of range(0, 10)) {
    const world = new FdbWorld(`troubled ${seed}`);
    await makeStore(world);
    world.database.setFaults({
      conflict: 0.1,
      unknownDone: 0.1,
      unknownLost: 0.1,
      timedOutLate: 0.05,
      tooOld: 0.05,
    });
    await world.run(() => incarnating(world).done);
    world.database.setFaults({});
    await world.scheduler.run(world.scheduler.nowMs + 20 * SECOND_MS);
    await checkStore(t, world, `seed ${seed}`);
  }
});

void t.test('incarnate: a server that takes the store over meanwhile ends it', async (t) => {
  for (const seed of range(0, 20)) {
    const world = new FdbWorld(`race ${seed}`);
    await makeStore(world);
    const { process, done } = incarnating(world);
    const ended = done.then(
      () => 'done',
      (error: unknown) => (error as { code: string }).code,
    );
    await world.scheduler.run(world.scheduler.nowMs + 15 + seed);
    const server = await world.open(start(world));
    const appended = await world.run(() => server.append(numberedEvents(EVENTS, 1)).catch(() => undefined));
    const outcome = await world.run(() => ended);
    t.ok(outcome === 'done' || outcome === 'LOG_FENCED', outcome);
    process.kill();
    const log = await world.open(start(world));
    const end = appended === undefined ? EVENTS : EVENTS + 1;
    t.strictSame(await world.run(() => readNumbers(log, 100)), range(100, end), `seed ${seed}: ${outcome}`);
  }
});

void t.test('incarnate: another store below the prefix, or none, is refused', async (t) => {
  const world = new FdbWorld();
  await t.rejects(
    world.run(() => incarnating(world).done),
    {
      code: 'DATA_DIRECTORY_UNUSABLE',
      message: /holds no store below the prefix "headrace\/"/,
    },
  );
  await world.run(() => world.process({}, 6n).store.openPartition(PARTITION));
  await t.rejects(
    world.run(() => incarnating(world).done),
    {
      code: 'DATA_DIRECTORY_UNUSABLE',
      message: /holds the log of another store below the prefix "headrace\/"/,
    },
  );
});
