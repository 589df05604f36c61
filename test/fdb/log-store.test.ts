/** The log on a real FoundationDB: its contract, races of two writers, the limits of a transaction, and a server that restarts. */
import t, { type Test } from 'tap';
import { PartitionKeys } from '../../log/fdb/schema.js';
import { transact } from '../../log/fdb/transact.js';
import type { PartitionLog } from '../../log/log-store.js';
import { isErrorCode } from '../../src/core/errors.js';
import { SECOND_MS } from '../../src/core/units.js';
import { logStoreContract } from '../contracts/log-store.js';
import { range, readNumbers } from '../log/log-world.js';
import { numberedEvent, numberedEvents } from '../log/sample-events.js';
import { eventually } from '../support/headrace-process.js';
import { fdbSuite, type FdbServer } from './fdb-server.js';

const PARTITION = 1;
/** Versions are kept for five seconds: an owner that was idle for longer must not stumble over its last one. */
const IDLE_MS = 7 * SECOND_MS;
/** Longest that a server may take to restart: it recovers, and its clients find it again. */
const RESTART_MS_MAX = 120 * SECOND_MS;
/** More than an owner can append before it is fenced. */
const NUMBERS_PER_OWNER = 10_000_000;

/** Appends one after the other until it is told to stop or fenced; what was acknowledged, by its offset. */
async function appendUntilFenced(
  log: PartitionLog,
  numbers: Iterable<number>,
  acknowledged: Map<number, number>,
): Promise<boolean> {
  try {
    for (const number of numbers) acknowledged.set(await log.append([numberedEvent(number)]), number);
    return false;
  } catch (error) {
    if (isErrorCode(error, 'LOG_FENCED')) return true;
    throw error;
  }
}

function* numbersFrom(first: number, count: number): Generator<number> {
  for (let number = first; number < first + count; number++) yield number;
}

async function checkAcknowledged(
  t: Test,
  log: PartitionLog,
  acknowledged: Map<number, number>,
): Promise<void> {
  const numbers = await readNumbers(log, 0);
  t.equal(new Set(numbers).size, numbers.length, 'no event is there twice');
  const wrong = [...acknowledged].filter(([offset, number]) => numbers[offset] !== number);
  t.same(wrong, [], 'everything acknowledged is at its offset');
  t.equal(numbers.length, log.nextOffset);
}

function raceTests(server: FdbServer): void {
  void t.test(
    'FoundationDB log: owners that take over from each other lose and repeat nothing',
    async (t) => {
      const prefix = server.prefix();
      const acknowledged = new Map<number, number>();
      const appending: Promise<boolean>[] = [];
      const connections = await Promise.all(range(0, 6).map(() => server.connect()));
      const stores = connections.map((database) => server.logStore(prefix, {}, database));
      for (const [round, store] of stores.entries()) {
        const log = await store.openPartition(PARTITION);
        t.equal(log.epoch, round + 1);
        const numbers = numbersFrom(round * NUMBERS_PER_OWNER, round < 5 ? NUMBERS_PER_OWNER : 50);
        appending.push(appendUntilFenced(log, numbers, acknowledged));
        await server.clock.sleep(300);
      }
      const fenced = await Promise.all(appending);
      t.same(fenced, [true, true, true, true, true, false]);
      const reader = await server.logStore(prefix).openPartition(PARTITION);
      t.ok(acknowledged.size > 50);
      await checkAcknowledged(t, reader, acknowledged);
    },
  );

  void t.test(
    'FoundationDB log: of two who take over at once both get an epoch, and the newer one wins',
    async (t) => {
      const prefix = server.prefix();
      for (let round = 0; round < 10; round++) {
        const stores = range(0, 3).map(() => server.logStore(prefix, {}, server.database));
        const logs = await Promise.all(stores.map((store) => store.openPartition(PARTITION)));
        const epochs = logs.map(({ epoch }) => epoch);
        t.equal(new Set(epochs).size, 3, `epochs ${epochs.join(', ')}`);
        const results = await Promise.allSettled(logs.map((log) => log.append([numberedEvent(round)])));
        const winners = logs.filter((_log, at) => results[at]?.status === 'fulfilled');
        t.same(
          winners.map(({ epoch }) => epoch),
          [Math.max(...epochs)],
        );
      }
      t.same(await readNumbers(await server.logStore(prefix).openPartition(PARTITION), 0), range(0, 10));
    },
  );

  void t.test(
    'FoundationDB log: who lost the partition does not take it back, and may not trim',
    async (t) => {
      const prefix = server.prefix();
      const store = server.logStore(prefix);
      const old = await store.openPartition(PARTITION);
      for (const i of range(0, 20)) await old.append(numberedEvents(i * 10, 10, 1000));
      const taken = await server.logStore(prefix).openPartition(PARTITION);
      await t.rejects(old.trim(100), { code: 'LOG_FENCED' });
      await t.rejects(old.append([numberedEvent(1)]), { code: 'LOG_FENCED' });
      await t.rejects(store.openPartition(PARTITION), { code: 'LOG_FENCED' });
      t.equal(taken.oldestOffset, 0);
      t.same(await readNumbers(taken, 0), range(0, 200));
    },
  );
}

function limitTests(server: FdbServer): void {
  void t.test('FoundationDB log: appends at the limits of a frame are kept whole', async (t) => {
    const log = await server.logStore(server.prefix()).openPartition(PARTITION);
    let next = 0;
    // Around one value, several values, and the longest frame.
    for (const [events, size] of [
      [1, 89_000],
      [1, 90_500],
      [2, 90_000],
      [100, 9000],
      [1000, 1000],
      [4000, 2000],
    ] as const) {
      t.equal(await log.append(numberedEvents(next, events, size)), next);
      next += events;
    }
    await t.rejects(log.append(numberedEvents(0, 9000, 1000)), { code: 'INVALID_ARGUMENT' });
    t.same(await readNumbers(log, 0), range(0, next));
    t.same(await readNumbers(log, next - 1), [next - 1]);
    await log.trim(next);
    t.equal(await log.append([numberedEvent(next)]), next);
  });

  void t.test('FoundationDB log: hundreds of appends at once share frames, in order', async (t) => {
    const log = await server.logStore(server.prefix()).openPartition(PARTITION);
    const offsets = await Promise.all(
      range(0, 5000).map((number) => log.append(numberedEvents(number, 1, 300))),
    );
    t.same(offsets, range(0, 5000));
    t.ok(log.statistics.frames < 200, `${log.statistics.frames} frames`);
    t.same(await readNumbers(log, 0), range(0, 5000));
  });

  void t.test(
    'FoundationDB log: a read of more than five seconds sees no gap, while it is appended and trimmed',
    async (t) => {
      const log = await server.logStore(server.prefix()).openPartition(PARTITION);
      for (const i of range(0, 400)) await log.append(numberedEvents(i, 1, 1000));
      let next = 0;
      for await (const batch of log.read(0)) {
        t.equal(batch.firstOffset, next);
        next += batch.events.length;
        if (next % 100 === 0) await server.clock.sleep(2 * SECOND_MS);
        if (next === 250) await log.append([numberedEvent(400)]);
      }
      t.equal(next, 400);
      await t.rejects(
        (async () => {
          for await (const batch of log.read(0)) if (batch.firstOffset === 50) await log.trim(300);
        })(),
        { code: 'LOG_TRIMMED' },
      );
      t.same(await readNumbers(log, 300), range(300, 401));
    },
  );

  void t.test(
    'FoundationDB log: an owner that was idle for longer than versions are kept appends on',
    async (t) => {
      const log = await server.logStore(server.prefix()).openPartition(PARTITION);
      await log.append([numberedEvent(0)]);
      await server.clock.sleep(IDLE_MS);
      t.equal(await log.append([numberedEvent(1)]), 1);
      await server.clock.sleep(IDLE_MS);
      t.equal(await log.append([numberedEvent(2)]), 2);
      t.same(await readNumbers(log, 0), [0, 1, 2]);
    },
  );

  void t.test(
    'FoundationDB log: an append that is given up is found or not found by the next owner, whole',
    async (t) => {
      const prefix = server.prefix();
      let next = 0;
      let given = 0;
      for (let round = 0; round < 20; round++) {
        // A deadline that some commits meet and others do not.
        const log = await server
          .logStore(prefix, { appendDeadlineMs: 1 + (round % 5) })
          .openPartition(PARTITION);
        t.ok(log.nextOffset === next || log.nextOffset === next + 3, `${log.nextOffset} after ${next}`);
        next = log.nextOffset;
        try {
          await log.append(numberedEvents(next, 3, 2000));
          next += 3;
        } catch (error) {
          t.ok(isErrorCode(error, 'LOG_UNKNOWN_OUTCOME'), String(error));
          given++;
        }
      }
      t.comment(`${given} of 20 were given up`);
      const log = await server.logStore(prefix).openPartition(PARTITION);
      t.same(await readNumbers(log, 0), range(0, log.nextOffset));
    },
  );

  void t.test('FoundationDB log: nothing of a store is outside of its prefix', async (t) => {
    const prefix = server.prefix();
    const store = server.logStore(prefix);
    const log = await store.openPartition(PARTITION);
    await log.append([numberedEvent(0)]);
    const { incarnation } = await store.identity();
    const keys = new PartitionKeys(prefix, incarnation, PARTITION);
    const { database, clock } = server;
    const found = await transact({ database, clock }, (transaction) =>
      transaction.range({ begin: prefix, end: Buffer.concat([prefix, Buffer.of(0xff)]), limit: 100 }),
    );
    t.same(
      found.map(({ key }) => key.toString('hex')).sort(),
      [keys.head, keys.epoch, keys.frame(0), Buffer.concat([prefix, Buffer.from('meta')])]
        .map((key) => key.toString('hex'))
        .sort(),
    );
  });
}

function restartTests(server: FdbServer): void {
  void t.test('FoundationDB log: a server that restarts holds appends up, and loses none', async (t) => {
    const restartable = await server.restartable();
    if (typeof restartable === 'string') {
      t.pass('not restarted', { skip: restartable });
      return;
    }
    const { prefix, connect, restart, stop: stopServer } = restartable;
    t.teardown(stopServer);
    const options = { appendDeadlineMs: RESTART_MS_MAX };
    const log = await server.logStore(prefix, options, await connect()).openPartition(PARTITION);
    const acknowledged = new Map<number, number>();
    let stop = false;
    let failure: unknown;
    const appending = (async () => {
      for (let number = 0; !stop; number++)
        acknowledged.set(await log.append([numberedEvent(number)]), number);
    })().catch((error: unknown) => (failure = error));
    const appended = async (count: number): Promise<void> => {
      const isThere = async (): Promise<boolean> => acknowledged.size >= count || failure !== undefined;
      await eventually(isThere, () => `${acknowledged.size} of ${count} appends`, RESTART_MS_MAX);
    };
    for (let round = 0; round < 2; round++) {
      await appended(acknowledged.size + 20);
      await restart();
      await appended(acknowledged.size + 20);
    }
    stop = true;
    await appending;
    t.equal(failure, undefined);
    await checkAcknowledged(t, log, acknowledged);
    const again = await server.logStore(prefix, {}, await connect()).openPartition(PARTITION);
    await checkAcknowledged(t, again, acknowledged);
  });
}

await fdbSuite('FoundationDB log', (server) => {
  logStoreContract('FoundationDB log', () => {
    const prefix = server.prefix();
    return { open: () => server.logStore(prefix), run: (work) => work() };
  });
  raceTests(server);
  limitTests(server);
  restartTests(server);
});
