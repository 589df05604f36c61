/** Which transactions of a `KeyValueDatabase` conflict, and what versions of it they see. */
import { transact } from '../../log/fdb/transact.js';
import {
  DATABASE_ERRORS,
  type DatabaseTransaction,
  type KeyValueDatabase,
} from '../../src/core/key-value-database.js';
import { range } from '../log/log-world.js';
import { codeOf, valuesOf, type Claim, type Store } from './key-value-database-subject.js';

const { notCommitted, transactionTooOld } = DATABASE_ERRORS;
/** FoundationDB keeps versions for five seconds. */
const STALE_MS = 8000;
const STALE_LOOKS_MAX = 30;

export function conflictClaims(claim: Claim): void {
  const afterRead = async (
    store: Store,
    read: (transaction: DatabaseTransaction) => unknown,
    change: (transaction: DatabaseTransaction) => void,
  ): Promise<number | undefined> => {
    const transaction = store.database.begin();
    await transaction.peek(store.key('unrelated'));
    await read(transaction);
    const other = store.database.begin();
    change(other);
    await other.commit();
    transaction.set(store.key('result'), Buffer.from('mine'));
    transaction.set(store.key('second'), Buffer.from('mine'));
    return codeOf(transaction.commit());
  };
  const setA = (store: Store) => (transaction: DatabaseTransaction) =>
    transaction.set(store.key('a'), Buffer.from('other'));

  claim(
    'a commit fails when what it read was written meanwhile, and writes nothing: 1020',
    async (t, store) => {
      await store.put({ a: 'old', result: 'old', second: 'old' });
      t.equal(await afterRead(store, (tr) => tr.get(store.key('a')), setA(store)), notCommitted);
      t.equal(await store.read('result'), 'old');
      t.equal(await store.read('second'), 'old');
      t.equal(
        await afterRead(
          store,
          (tr) => tr.get(store.key('missing')),
          (tr) => tr.set(store.key('missing'), Buffer.alloc(1)),
        ),
        notCommitted,
        'also when there was nothing to read',
      );
      t.equal(
        await afterRead(
          store,
          (tr) => tr.get(store.key('a')),
          (tr) => tr.clearRange(store.key('a'), store.key('b')),
        ),
        notCommitted,
        'also when a range with it was cleared',
      );
      t.equal(await afterRead(store, (tr) => tr.get(store.key('b')), setA(store)), undefined, 'another key');
      t.equal(await store.read('result'), 'mine');
    },
  );

  claim('peeks and ranges do not conflict, nor do blind writes', async (t, store) => {
    await store.put({ a: 'old' });
    t.equal(await afterRead(store, (tr) => tr.peek(store.key('a')), setA(store)), undefined);
    t.equal(await afterRead(store, (tr) => valuesOf(tr, store), setA(store)), undefined);
    const transaction = store.database.begin();
    await transaction.peek(store.key('a'));
    await store.put({ a: 'other' });
    transaction.set(store.key('a'), Buffer.from('blind'));
    t.equal(await codeOf(transaction.commit()), undefined);
    t.equal(await store.read('a'), 'blind');
  });

  claim(
    'a named conflict counts like a read, also on what the transaction writes after it',
    async (t, store) => {
      await store.put({ a: 'old' });
      t.equal(await afterRead(store, (tr) => tr.addReadConflict(store.key('a')), setA(store)), notCommitted);
      t.equal(
        await afterRead(
          store,
          (tr) => {
            tr.addReadConflict(store.key('a'));
            tr.set(store.key('a'), Buffer.from('mine'));
          },
          setA(store),
        ),
        notCommitted,
      );
      t.equal(await store.read('a'), 'other');
      t.equal(await afterRead(store, (tr) => tr.addReadConflict(store.key('b')), setA(store)), undefined);
    },
  );

  claim('increments from many sides are each counted once', async (t, store, subject) => {
    const key = store.key('count');
    const clients = await Promise.all(range(0, 4).map(() => subject.connect()));
    const increment = (database: KeyValueDatabase): Promise<void> =>
      transact({ database, clock: store.clock }, async (transaction) => {
        const value = await transaction.get(key);
        transaction.set(key, Buffer.from(String(Number(value?.toString() ?? '0') + 1)));
      });
    await Promise.all(
      clients.map(async (client) => {
        for (let i = 0; i < 25; i++) await increment(client);
      }),
    );
    t.equal(await store.read('count'), '100');
  });

  claim('of many that read the same and write, one commits', async (t, store) => {
    const transactions = range(0, 10).map(() => store.database.begin());
    for (const [at, transaction] of transactions.entries()) {
      await transaction.get(store.key('lock'));
      transaction.set(store.key('lock'), Buffer.from(String(at)));
    }
    const codes = await Promise.all(transactions.map((transaction) => codeOf(transaction.commit())));
    t.equal(codes.filter((code) => code === undefined).length, 1, codes.join(', '));
    t.equal(codes.filter((code) => code === notCommitted).length, 9);
    t.equal(await store.read('lock'), String(codes.indexOf(undefined)));
  });
}

export function versionClaims(claim: Claim): void {
  const commitA = async (store: Store, value: string): Promise<Buffer> => {
    const transaction = store.database.begin();
    transaction.set(store.key('a'), Buffer.from(value));
    await transaction.commit();
    return transaction.committedVersion();
  };

  claim('the version of a commit is eight bytes, big-endian, and rises', async (t, store) => {
    let last = 0n;
    for (let i = 0; i < 10; i++) {
      const version = await commitA(store, String(i));
      t.equal(version.length, 8);
      t.ok(version.readBigInt64BE() > last, `${version.readBigInt64BE()} after ${last}`);
      last = version.readBigInt64BE();
    }
  });

  claim('a read as of a commit sees it, and nothing later', async (t, store) => {
    const version = await commitA(store, 'one');
    await commitA(store, 'two');
    const transaction = store.database.begin();
    transaction.useReadVersion(version);
    t.same(await transaction.get(store.key('a')), Buffer.from('one'));
    t.equal(await store.read('a'), 'two');
  });

  claim(
    'writers that follow each other by the version of the last commit never conflict',
    async (t, store) => {
      let version: Buffer | undefined;
      for (let i = 0; i < 100; i++) {
        const transaction = store.database.begin();
        if (version !== undefined) {
          transaction.useReadVersion(version);
          transaction.addReadConflict(store.key('a'));
        }
        transaction.set(store.key('a'), Buffer.from(String(i)));
        t.equal(await codeOf(transaction.commit()), undefined, `commit ${i}`);
        version = transaction.committedVersion();
      }
      t.equal(await store.read('a'), '99');
    },
  );

  claim('one who follows a version after which somebody else wrote conflicts: 1020', async (t, store) => {
    const version = await commitA(store, 'one');
    await commitA(store, 'two');
    const transaction = store.database.begin();
    transaction.useReadVersion(version);
    transaction.addReadConflict(store.key('a'));
    transaction.set(store.key('a'), Buffer.from('three'));
    t.equal(await codeOf(transaction.commit()), notCommitted);
    t.equal(await store.read('a'), 'two');
  });

  claim('a version that is too old can be neither read nor committed on: 1007', async (t, store) => {
    const version = await commitA(store, 'one');
    const slow = store.database.begin();
    await slow.get(store.key('a'));
    await store.clock.sleep(STALE_MS);
    await store.put({ b: 'time goes on' });
    const read = (): Promise<number | undefined> => {
      const reader = store.database.begin();
      reader.useReadVersion(version);
      return codeOf(reader.get(store.key('a')));
    };
    // A storage server forgets versions when it writes to its disk, and hears of new ones within seconds: it may take longer.
    let code = await read();
    for (let look = 1; code === undefined && look < STALE_LOOKS_MAX; look++) {
      await store.clock.sleep(STALE_MS / 8);
      code = await read();
    }
    t.equal(code, transactionTooOld);
    const writer = store.database.begin();
    writer.useReadVersion(version);
    writer.addReadConflict(store.key('a'));
    writer.set(store.key('a'), Buffer.from('two'));
    const staleCode = await codeOf(writer.commit());
    t.ok(staleCode === transactionTooOld || staleCode === notCommitted, `a stale commit: ${staleCode}`);
    slow.set(store.key('a'), Buffer.from('three'));
    const slowCode = await codeOf(slow.commit());
    t.ok(slowCode === transactionTooOld || slowCode === notCommitted, `a slow transaction: ${slowCode}`);
    t.equal(await store.read('a'), 'one');
  });
}
