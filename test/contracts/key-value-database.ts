/** What every `KeyValueDatabase` does: the assumptions about FoundationDB that the log and the coordinator rest on. */
import t, { type Test } from 'tap';
import { transact } from '../../log/fdb/transact.js';
import { DATABASE_ERRORS, type KeyValueDatabase } from '../../src/core/key-value-database.js';
import { codeOf, storeOf, valuesOf, type Claim, type DatabaseSubject } from './key-value-database-subject.js';
import { conflictClaims, versionClaims } from './key-value-database-conflicts.js';
import { limitClaims, rangeClaims } from './key-value-database-ranges.js';

const { transactionCancelled } = DATABASE_ERRORS;

export function keyValueDatabaseContract(name: string, makeSubject: (t: Test) => DatabaseSubject): void {
  const claim: Claim = (what, work) => {
    void t.test(`${name}: ${what}`, async (t) => {
      const subject = makeSubject(t);
      const opened: KeyValueDatabase[] = [];
      const connect = async (): Promise<KeyValueDatabase> => {
        const database = await subject.connect();
        opened.push(database);
        return database;
      };
      const recorded = { ...subject, connect };
      try {
        await subject.run(async () => work(t, await storeOf(recorded), recorded));
      } finally {
        for (const database of opened) database.close();
      }
    });
  };
  readClaims(claim);
  conflictClaims(claim);
  versionClaims(claim);
  rangeClaims(claim);
  limitClaims(claim);
  cancelClaims(claim);
}

function readClaims(claim: Claim): void {
  claim('what was committed is read by everyone who begins later', async (t, store, subject) => {
    t.equal(await store.read('a'), undefined);
    await store.put({ a: 'one', empty: '' });
    t.equal(await store.read('a'), 'one');
    t.equal(await store.read('empty'), '', 'an empty value is a value');
    t.equal(await store.read('a\0'), undefined);
    const other = await subject.connect();
    const transaction = other.begin();
    t.same(await transaction.get(store.key('a')), Buffer.from('one'));
    t.same(await transaction.peek(store.key('a')), Buffer.from('one'));
    t.equal(await transaction.peek(store.key('b')), undefined);
    await transaction.commit();
  });

  claim('a transaction sees the database as it was when it began to read', async (t, store) => {
    await store.put({ a: 'old', b: 'old' });
    const transaction = store.database.begin();
    t.same(await transaction.get(store.key('a')), Buffer.from('old'));
    await store.put({ a: 'new', b: 'new' });
    t.same(await transaction.get(store.key('b')), Buffer.from('old'));
    t.same(await transaction.peek(store.key('b')), Buffer.from('old'));
    t.same(await valuesOf(transaction, store), ['old', 'old']);
    t.equal(await codeOf(transaction.commit()), undefined, 'who only reads never conflicts');
    t.equal(await store.read('b'), 'new');
  });

  claim(
    'a transaction reads what it has written, and nobody else does before it commits',
    async (t, store) => {
      await store.put({ a: 'old', b: 'old' });
      const transaction = store.database.begin();
      transaction.set(store.key('a'), Buffer.from('new'));
      transaction.clear(store.key('b'));
      t.same(await transaction.get(store.key('a')), Buffer.from('new'));
      t.equal(await transaction.get(store.key('b')), undefined);
      t.equal(await store.read('a'), 'old');
      await transaction.commit();
      t.equal(await store.read('a'), 'new');
      t.equal(await store.read('b'), undefined);
    },
  );

  claim('bytes given to a transaction may be used again at once', async (t, store) => {
    const bytes = Buffer.alloc(50_000, 'a');
    const key = store.key('a');
    const name = Buffer.from(key);
    const transaction = store.database.begin();
    transaction.set(name, bytes);
    bytes.fill('b');
    name.fill(0xfe);
    await transaction.commit();
    t.equal(await store.read('a'), 'a'.repeat(50_000));
  });
}

function cancelClaims(claim: Claim): void {
  claim('a cancelled transaction does nothing more: 1025', async (t, store) => {
    await store.put({ a: 'old' });
    const transaction = store.database.begin();
    const reading = codeOf(transaction.get(store.key('a')));
    transaction.set(store.key('a'), Buffer.from('new'));
    transaction.cancel();
    transaction.cancel();
    t.equal(await reading, transactionCancelled);
    t.equal(await codeOf(transaction.get(store.key('a'))), transactionCancelled);
    t.equal(await codeOf(transaction.commit()), transactionCancelled);
    t.equal(await store.read('a'), 'old');
  });

  claim('a commit that is cancelled on its way took effect whole, or not at all', async (t, store) => {
    for (let i = 0; i < 20; i++) {
      const transaction = store.database.begin();
      transaction.set(store.key('first'), Buffer.from(String(i)));
      transaction.set(store.key('second'), Buffer.from(String(i)));
      const committing = codeOf(transaction.commit());
      if (i % 4 > 0) await store.clock.sleep((i % 4) - 1);
      transaction.cancel();
      const code = await committing;
      t.ok(code === undefined || code === transactionCancelled, `it ended with ${code}`);
      const [first, second] = await transact(store, async (reader) => [
        await reader.get(store.key('first')),
        await reader.get(store.key('second')),
      ]);
      t.same(first, second);
      if (code === undefined) t.same(first, Buffer.from(String(i)));
    }
  });

  claim('a closed connection refuses, and others go on', async (t, store, subject) => {
    await store.put({ a: 'old' });
    const closing = await subject.connect();
    closing.close();
    closing.close();
    t.throws(() => closing.begin(), { code: transactionCancelled });
    t.equal(await store.read('a'), 'old');
  });
}
