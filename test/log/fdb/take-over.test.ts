/** How a partition in FoundationDB changes hands: never held up by its owner's appends, and whole wherever it breaks off. */
import t from 'tap';
import { FdbPartitionLog } from '../../../log/fdb/partition-log.js';
import { decodeClaim, decodeNumber, encodeNumber, PartitionKeys } from '../../../log/fdb/schema.js';
import { transact } from '../../../log/fdb/transact.js';
import type { DatabaseTransaction, KeyValueDatabase } from '../../../src/core/key-value-database.js';
import { SECOND_MS } from '../../../src/core/units.js';
import { range, readNumbers } from '../log-world.js';
import { numberedEvent, numberedEvents } from '../sample-events.js';
import { FdbWorld, PARTITION } from './fdb-world.js';

/** Begins transactions as `database` does, and counts how often a commit failed. */
function countingFailures(database: KeyValueDatabase): { database: KeyValueDatabase; failed: () => number } {
  let failures = 0;
  const begin = (): DatabaseTransaction => {
    const transaction = database.begin();
    const commit = transaction.commit.bind(transaction);
    transaction.commit = () =>
      commit().catch((error: unknown) => {
        failures++;
        throw error;
      });
    return transaction;
  };
  return { database: { begin, close: () => database.close() }, failed: () => failures };
}

async function keysOf(world: FdbWorld): Promise<PartitionKeys> {
  const { incarnation } = await world.run(() => world.process().store.identity());
  return new PartitionKeys(Buffer.from('headrace/'), incarnation, PARTITION);
}

void t.test('a take-over does not have to win against the appends of a busy owner', async (t) => {
  for (const seed of range(0, 20)) {
    const world = new FdbWorld(`busy ${seed}`);
    const process = world.process();
    const old = await world.open(process);
    const keys = await keysOf(world);
    const { storeId } = await world.run(() => process.store.identity());
    const { database, failed } = countingFailures(world.database.connect());
    const ended = (async () => {
      for (let number = 0; ; number++) await old.append([numberedEvent(number)]);
    })().catch((error: unknown) => error);
    const taken = await world.run(async () => {
      await process.clock.sleep(50);
      return FdbPartitionLog.open({
        database,
        clock: process.clock,
        random: world.random,
        keys,
        owner: { partition: PARTITION, storeId },
        limits: { batchBytes: 1000, frameBytesMax: 10_000, batchEvents: 100, queueBytesMax: 10_000 },
        appendDeadlineMs: SECOND_MS,
        retentionMs: 0,
      });
    });
    t.match(await world.run(() => ended), {
      code: 'LOG_FENCED',
      message: /its epoch is 2, and this one's 1/,
    });
    t.equal(failed(), 0, `seed ${seed}: no commit of the take-over failed`);
    t.equal(taken.epoch, 2);
    const numbers = await world.run(() => readNumbers(taken, 0));
    t.strictSame(numbers, range(0, taken.nextOffset));
    t.equal(await world.run(() => taken.append([numberedEvent(numbers.length)])), numbers.length);
  }
});

void t.test('a take-over that is killed anywhere leaves a log that somebody else takes, whole', async (t) => {
  for (const seed of range(0, 60)) {
    const world = new FdbWorld(`killed ${seed}`);
    const old = await world.open();
    await world.run(() => old.append(numberedEvents(0, 3)));
    const dying = world.process();
    void dying.store.openPartition(PARTITION).catch(() => undefined);
    await world.scheduler.run(world.scheduler.nowMs + world.random.unit() * 12);
    dying.kill();
    const appended = await world.run(() => old.append(numberedEvents(3, 1)).catch(() => undefined));
    const end = appended === undefined ? 3 : 4;
    const next = await world.open();
    t.ok(next.epoch === 2 || next.epoch === 3, `seed ${seed}: epoch ${next.epoch}`);
    // A claim that was on its way may also have taken effect behind the append.
    if (appended === undefined) t.equal(next.epoch, 3, 'only a claim stops the owner');
    t.strictSame(await world.run(() => readNumbers(next, 0)), range(0, end));
    t.equal(await world.run(() => next.append(numberedEvents(end, 1))), end);
  }
});

void t.test(
  'the epoch of a store that was made before take-overs had ids is taken over like any other',
  async (t) => {
    const world = new FdbWorld();
    await world.open();
    const keys = await keysOf(world);
    const database = world.database.connect();
    const context = { database, clock: world.process().clock };
    await world.run(() =>
      transact(context, async (transaction) => transaction.set(keys.epoch, encodeNumber(7))),
    );
    t.equal((await world.open()).epoch, 8);
    const claim = await world.run(() => database.begin().get(keys.epoch));
    t.match(claim === undefined ? undefined : decodeClaim(claim), { epoch: 8 });
  },
);

void t.test('a trim that takes effect after a later one does not move the oldest offset back', async (t) => {
  for (const seed of range(0, 40)) {
    const world = new FdbWorld(`late trim ${seed}`);
    const log = await world.open();
    const keys = await keysOf(world);
    for (const i of range(0, 30)) await world.run(() => log.append(numberedEvents(i, 1)));
    world.database.setFaults({ timedOutLate: 0.9 });
    await world.run(() => log.trim(10));
    world.database.setFaults({});
    await world.run(() => log.trim(20));
    await world.scheduler.run(world.scheduler.nowMs + 20 * SECOND_MS);
    const oldest = await world.run(() => world.database.connect().begin().get(keys.oldest));
    t.equal(oldest === undefined ? undefined : decodeNumber(oldest), 20, `seed ${seed}`);
  }
});
