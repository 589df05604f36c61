/** What the log in FoundationDB does when others write, when outcomes are unknown, and when the cluster is away. */
import t from 'tap';
import type { PartitionLog } from '../../../log/log-store.js';
import { decodeHead, PartitionKeys } from '../../../log/fdb/schema.js';
import { SECOND_MS } from '../../../src/core/units.js';
import { range, readAll, readNumbers } from '../log-world.js';
import { numberedEvent, numberedEvents } from '../sample-events.js';
import { FdbWorld, PARTITION } from './fdb-world.js';

/** Offsets of what was acknowledged, by the number in the event. */
async function appendAll(log: PartitionLog, numbers: readonly number[]): Promise<Map<number, number>> {
  const acknowledged = new Map<number, number>();
  for (const number of numbers) {
    try {
      acknowledged.set(number, await log.append([numberedEvent(number)]));
    } catch {
      return acknowledged;
    }
  }
  return acknowledged;
}

void t.test('a partition that is opened elsewhere fences the owner before it', async (t) => {
  const world = new FdbWorld();
  const [first, second] = [world.process(), world.process()];
  const old = await world.open(first);
  for (const i of range(0, 2)) await world.run(() => old.append(numberedEvents(i, 1)));
  const taken = await world.open(second);
  t.equal(taken.epoch, 2);
  t.equal(taken.nextOffset, 2);
  await t.rejects(
    world.run(() => old.append(numberedEvents(2, 1))),
    { code: 'LOG_FENCED', kind: 'FENCED', message: /epoch is 2, and this one's 1/ },
  );
  await t.rejects(
    world.run(() => old.append(numberedEvents(2, 1))),
    { code: 'LOG_FENCED' },
  );
  await t.rejects(
    world.run(() => old.trim(2)),
    { code: 'LOG_FENCED' },
  );
  t.equal(await world.run(() => taken.append(numberedEvents(2, 1))), 2);
  t.strictSame(await world.run(() => readNumbers(taken, 0)), [0, 1, 2]);
});

void t.test('two writers race: what was acknowledged is there, once, at its offset', async (t) => {
  for (const seed of range(0, 20)) {
    const world = new FdbWorld(seed);
    world.database.setFaults({ conflict: 0.1, unknownDone: 0.1, unknownLost: 0.1, timedOutLate: 0.1 });
    const [first, second] = [world.process(), world.process()];
    const old = await world.open(first);
    const acknowledged = await world.run(async () => {
      const before = appendAll(old, range(0, 50));
      await first.clock.sleep(30);
      const taken = await second.store.openPartition(PARTITION);
      const after = appendAll(taken, range(100, 150));
      return new Map([...(await before), ...(await after)]);
    });
    world.database.setFaults({});
    await world.scheduler.run(world.scheduler.nowMs + 20 * SECOND_MS);
    const last = await world.open();
    const numbers = await world.run(() => readNumbers(last, 0));
    t.equal(new Set(numbers).size, numbers.length, `seed ${seed}: no event is there twice`);
    for (const [number, offset] of acknowledged)
      t.equal(numbers[offset], number, `seed ${seed}: event ${number} is at ${offset}`);
    t.equal(numbers.length, last.nextOffset);
  }
});

void t.test('commits of unknown outcome are found out, and the events are there once', async (t) => {
  for (const fault of [
    'unknownDone',
    'unknownLost',
    'timedOutLate',
    'timedOutLost',
    'versionChangedLate',
  ] as const) {
    const world = new FdbWorld(fault);
    const log = await world.open();
    world.database.setFaults({ [fault]: 0.5 });
    for (const number of range(0, 40))
      t.equal(await world.run(() => log.append([numberedEvent(number)])), number);
    world.database.setFaults({});
    await world.scheduler.run(world.scheduler.nowMs + 20 * SECOND_MS);
    t.strictSame(await world.run(() => readNumbers(log, 0)), range(0, 40), fault);
  }
});

void t.test('an append after a long pause finds its version too old, and succeeds', async (t) => {
  const world = new FdbWorld();
  const log = await world.open();
  await world.run(() => log.append(numberedEvents(0, 1)));
  await world.scheduler.run(world.scheduler.nowMs + 60 * SECOND_MS);
  t.equal(await world.run(() => log.append(numberedEvents(1, 1))), 1);
  world.database.stall(2 * SECOND_MS);
  t.equal(await world.run(() => log.append(numberedEvents(2, 1))), 2, 'and after a recovery of the cluster');
  t.strictSame(await world.run(() => readNumbers(log, 0)), [0, 1, 2]);
});

void t.test(
  'a cluster that does not answer: the append ends as of unknown outcome, and the next owner decides',
  async (t) => {
    const world = new FdbWorld();
    const process = world.process();
    const log = await world.open(process);
    await world.run(() => log.append(numberedEvents(0, 1)));
    world.database.setFaults({ hang: 1 });
    const startedMs = world.scheduler.nowMs;
    await t.rejects(
      world.run(() => log.append(numberedEvents(1, 1))),
      {
        code: 'LOG_UNKNOWN_OUTCOME',
        kind: 'UNKNOWN_OUTCOME',
      },
    );
    t.ok(world.scheduler.nowMs - startedMs <= 10 * SECOND_MS + 1, 'at its deadline');
    world.database.setFaults({});
    const again = await world.open(process);
    t.equal(again.epoch, 2);
    const next = again.nextOffset;
    t.equal(await world.run(() => again.append(numberedEvents(7, 1))), next);
  },
);

void t.test('a process that is killed while it commits: all of a frame is there, or nothing', async (t) => {
  for (const seed of range(0, 40)) {
    const world = new FdbWorld(`kill ${seed}`);
    const process = world.process();
    const log = await world.open(process);
    await world.run(() => log.append(numberedEvents(0, 3)));
    void log.append(numberedEvents(3, 5)).catch(() => undefined);
    await world.scheduler.run(world.scheduler.nowMs + world.random.unit() * 4);
    process.kill();
    const next = await world.open();
    const numbers = await world.run(() => readNumbers(next, 0));
    t.ok(numbers.length === 3 || numbers.length === 8, `seed ${seed}: ${numbers.length} events`);
    t.strictSame(numbers, range(0, numbers.length));
    t.equal(await world.run(() => next.append(numberedEvents(numbers.length, 1))), numbers.length);
  }
});

void t.test('a read meets a trim: LOG_TRIMMED, and never a gap', async (t) => {
  const world = new FdbWorld();
  const log = await world.open();
  for (const i of range(0, 300)) await world.run(() => log.append(numberedEvents(i * 2, 2)));
  await t.rejects(
    world.run(async () => {
      let next = 0;
      for await (const batch of log.read(0)) {
        t.equal(batch.firstOffset, next);
        next += batch.events.length;
        if (next === 100) await log.trim(500);
      }
    }),
    { code: 'LOG_TRIMMED', details: { oldestOffset: 500 } },
  );
  t.equal(log.oldestOffset, 500);
});

void t.test('a trim leaves the history that the retention asks for', async (t) => {
  const world = new FdbWorld();
  const log = await world.open(world.process({ retentionMs: 100 * SECOND_MS }));
  for (const i of range(0, 200)) {
    await world.run(() => log.append(numberedEvents(i, 1)));
    await world.scheduler.run(world.scheduler.nowMs + SECOND_MS);
  }
  await world.run(() => log.trim(200));
  t.ok(log.oldestOffset >= 95 && log.oldestOffset <= 105, `the oldest is ${log.oldestOffset}`);
});

void t.test('a frame that is missing or damaged is CORRUPT_FRAME, and never skipped', async (t) => {
  const damage = async (change: (keys: PartitionKeys, world: FdbWorld) => Promise<void>): Promise<void> => {
    const world = new FdbWorld();
    const process = world.process();
    const log = await world.open(process);
    for (const i of range(0, 10)) await world.run(() => log.append(numberedEvents(i * 3, 3, 100)));
    const { incarnation } = await world.run(() => process.store.identity());
    await world.run(() => change(new PartitionKeys(Buffer.from('headrace/'), incarnation, PARTITION), world));
    await t.rejects(
      world.run(() => readAll(log, 0)),
      { code: 'CORRUPT_FRAME', kind: 'CORRUPT' },
    );
  };
  await damage(async (keys, world) => {
    const transaction = world.database.connect().begin();
    transaction.clear(keys.frame(12));
    await transaction.commit();
  });
  await damage(async (keys, world) => {
    const transaction = world.database.connect().begin();
    const frame = await transaction.get(keys.frame(12));
    if (frame === undefined) throw new Error('the frame is not there');
    frame[80] = (frame[80] ?? 0) ^ 1;
    transaction.set(keys.frame(12), frame);
    await transaction.commit();
  });
});

void t.test(
  'several stores share a cluster, each below its prefix; another store below the same is refused',
  async (t) => {
    const world = new FdbWorld();
    const one = await world.open(world.process({ prefix: Buffer.from('one/') }));
    const two = await world.open(world.process({ prefix: Buffer.from('two/') }));
    await world.run(() => one.append(numberedEvents(0, 2)));
    await world.run(() => two.append(numberedEvents(10, 3)));
    t.strictSame(await world.run(() => readNumbers(one, 0)), [0, 1]);
    t.strictSame(await world.run(() => readNumbers(two, 0)), [10, 11, 12]);
    await t.rejects(
      world.run(() => world.process({ prefix: Buffer.from('one/') }, 42n).store.openPartition(PARTITION)),
      { code: 'DATA_DIRECTORY_UNUSABLE', message: /another store.*one/ },
    );
  },
);

void t.test('a frame that is larger than a value is split, and read back whole', async (t) => {
  const world = new FdbWorld();
  const process = world.process();
  const log = await world.open(process);
  await world.run(() => log.append(numberedEvents(0, 1000, 1000)));
  await world.run(() => log.append(numberedEvents(1000, 1)));
  t.strictSame(await world.run(() => readNumbers(log, 0)), range(0, 1001));
  const { incarnation } = await world.run(() => process.store.identity());
  const keys = new PartitionKeys(Buffer.from('headrace/'), incarnation, PARTITION);
  const head = await world.run(() => world.database.connect().begin().get(keys.head));
  t.match(head === undefined ? undefined : decodeHead(head), { epoch: 1, nextOffset: 1001 });
  await t.rejects(
    world.run(() => log.append(numberedEvents(0, 9000, 1000))),
    { code: 'INVALID_ARGUMENT' },
  );
});
