/** A cluster so slow that a large page of a read is older than the versions it keeps, before it has come. */
import t from 'tap';
import { FdbLogStore } from '../../../log/fdb/log-store.js';
import {
  DatabaseError,
  DATABASE_ERRORS,
  type DatabaseTransaction,
  type KeyValueDatabase,
} from '../../../src/core/key-value-database.js';
import { range, readNumbers } from '../log-world.js';
import { numberedEvent } from '../sample-events.js';
import { FdbWorld, PARTITION } from './fdb-world.js';

/** Keys that come in time. */
const KEYS_IN_TIME = 7;

/** Reads of more keys than come in time end with 1007, as often as they are tried. */
function slow(database: KeyValueDatabase): KeyValueDatabase {
  const begin = (): DatabaseTransaction => {
    const transaction = database.begin();
    const read = transaction.range.bind(transaction);
    transaction.range = (request) =>
      request.limit > KEYS_IN_TIME
        ? Promise.reject(new DatabaseError(DATABASE_ERRORS.transactionTooOld, 'simulated: too slow'))
        : read(request);
    return transaction;
  };
  return { begin, close: () => database.close() };
}

void t.test('a read on a slow cluster asks for less until it comes in time', async (t) => {
  const world = new FdbWorld();
  const process = world.process();
  const log = await world.open(process);
  await world.run(async () => {
    for (const number of range(0, 60)) await log.append([numberedEvent(number)]);
    await process.store.close();
    const { clock } = process;
    const store = new FdbLogStore({ database: slow(process.client), clock, random: world.random });
    const again = await store.openPartition(PARTITION);
    t.same(await readNumbers(again, 0), range(0, 60));
    const checkpoints = await store.checkpointsOf(again);
    const state = Buffer.alloc(3_000_000, 'state');
    await checkpoints.save(60, [state]);
    t.ok((await checkpoints.load())?.state.equals(state));
    await store.close();
  });
});
