/** What every `KeyValueDatabase` does: the assumptions about FoundationDB that the log and the coordinator rest on. */
import t, { type Test } from 'tap';
import { transact } from '../../log/fdb/transact.js';
import {
  DatabaseError,
  DATABASE_ERRORS,
  type DatabaseTransaction,
  type KeyValue,
  type KeyValueDatabase,
} from '../../src/core/key-value-database.js';
import type { Clock } from '../../src/core/ports.js';
import { range } from '../log/log-world.js';

export interface DatabaseSubject {
  /** Another connection to the same database. */
  readonly connect: () => KeyValueDatabase;
  /** Below it nothing is stored at first, and nobody else stores anything. */
  readonly prefix: Buffer;
  readonly clock: Clock;
  /** Lets `work` come to its end: in virtual time where the database lives in it. */
  readonly run: <Value>(work: () => Promise<Value>) => Promise<Value>;
}

interface Store {
  readonly database: KeyValueDatabase;
  readonly clock: Clock;
  key(name: string | number): Buffer;
  put(entries: Readonly<Record<string, string>>): Promise<void>;
  read(name: string): Promise<string | undefined>;
}

type Claim = (what: string, work: (t: Test, store: Store, subject: DatabaseSubject) => Promise<void>) => void;

const { notCommitted, transactionCancelled, transactionTooOld } = DATABASE_ERRORS;
/** FoundationDB keeps versions for five seconds. */
const STALE_MS = 8000;
const VALUE_BYTES_MAX = 100_000;
const KEY_BYTES_MAX = 10_000;
/** What a frame of the log is split into, and how long the longest is. */
const PIECE_BYTES = 90_000;
const FRAME_BYTES_MAX = 8 * 1024 * 1024;

export function keyValueDatabaseContract(name: string, makeSubject: (t: Test) => DatabaseSubject): void {
  const claim: Claim = (what, work) => {
    void t.test(`${name}: ${what}`, async (t) => {
      const subject = makeSubject(t);
      const opened: KeyValueDatabase[] = [];
      const connect = (): KeyValueDatabase => {
        const database = subject.connect();
        opened.push(database);
        return database;
      };
      const recorded = { ...subject, connect };
      try {
        await subject.run(() => work(t, storeOf(recorded), recorded));
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

function storeOf({ connect, prefix, clock }: DatabaseSubject): Store {
  const database = connect();
  const key = (of: string | number): Buffer => {
    if (typeof of === 'string') return Buffer.concat([prefix, Buffer.from(of, 'latin1')]);
    const number = Buffer.alloc(4);
    number.writeUInt32BE(of);
    return Buffer.concat([prefix, number]);
  };
  return {
    database,
    clock,
    key,
    put: (entries) =>
      transact({ database, clock }, async (transaction) => {
        for (const [name, value] of Object.entries(entries)) transaction.set(key(name), Buffer.from(value));
      }),
    read: (name) =>
      transact({ database, clock }, async (transaction) =>
        (await transaction.get(key(name)))?.toString('latin1'),
      ),
  };
}

/** The code that it failed with; undefined when it did not. */
async function codeOf(work: Promise<unknown>): Promise<number | undefined> {
  try {
    await work;
    return undefined;
  } catch (error) {
    if (error instanceof DatabaseError) return error.code;
    throw error;
  }
}

function readClaims(claim: Claim): void {
  claim('what was committed is read by everyone who begins later', async (t, store, subject) => {
    t.equal(await store.read('a'), undefined);
    await store.put({ a: 'one', empty: '' });
    t.equal(await store.read('a'), 'one');
    t.equal(await store.read('empty'), '', 'an empty value is a value');
    t.equal(await store.read('a\0'), undefined);
    const other = subject.connect();
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

async function valuesOf(transaction: DatabaseTransaction, store: Store): Promise<string[]> {
  const rows = await transaction.range({ begin: store.key(''), end: store.key('\xff\xff\xff'), limit: 100 });
  return rows.map(({ value }) => value.toString());
}

function conflictClaims(claim: Claim): void {
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
    const clients = range(0, 4).map(() => subject.connect());
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

function versionClaims(claim: Claim): void {
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
    const reader = store.database.begin();
    reader.useReadVersion(version);
    t.equal(await codeOf(reader.get(store.key('a'))), transactionTooOld);
    const writer = store.database.begin();
    writer.useReadVersion(version);
    writer.addReadConflict(store.key('a'));
    writer.set(store.key('a'), Buffer.from('two'));
    const code = await codeOf(writer.commit());
    t.ok(code === transactionTooOld || code === notCommitted, `a stale commit: ${code}`);
    slow.set(store.key('a'), Buffer.from('three'));
    const slowCode = await codeOf(slow.commit());
    t.ok(slowCode === transactionTooOld || slowCode === notCommitted, `a slow transaction: ${slowCode}`);
    t.equal(await store.read('a'), 'one');
  });
}

function rangeClaims(claim: Claim): void {
  const names = ['', '\0', '\0\0', 'a', 'a\0', 'aa', 'a\xff', 'b', '\x7f', '\x80', '\xfe', '\xff', '\xff\0'];
  const readRange = async (
    store: Store,
    begin: string,
    end: string,
    limit: number,
    reverse = false,
  ): Promise<string[]> => {
    const { database, clock } = store;
    const rows = await transact({ database, clock }, (transaction) =>
      transaction.range({ begin: store.key(begin), end: store.key(end), limit, reverse }),
    );
    return rows.map(({ key }) => key.subarray(store.key('').length).toString('latin1'));
  };

  claim(
    'keys come in the order of their bytes, the begin inclusive and the end exclusive',
    async (t, store) => {
      await store.put(Object.fromEntries(names.toReversed().map((name) => [name, `=${name}`])));
      t.same(await readRange(store, '', '\xff\xff', 100), names);
      t.same(await readRange(store, '', '\xff\xff', 100, true), names.toReversed());
      t.same(await readRange(store, 'a', 'aa', 100), ['a', 'a\0']);
      t.same(await readRange(store, 'a\0', 'a\0\0', 100), ['a\0']);
      t.same(await readRange(store, 'a', 'a', 100), []);
      t.same(await readRange(store, 'c', 'd', 100), []);
    },
  );

  claim('a limit takes the first, or the last of a reversed range', async (t, store) => {
    await store.put(Object.fromEntries(names.map((name) => [name, '1'])));
    t.same(await readRange(store, 'a', 'c', 2), ['a', 'a\0']);
    t.same(await readRange(store, 'a', 'c', 2, true), ['b', 'a\xff']);
    t.same(await readRange(store, 'a', 'c', 1, true), ['b']);
    t.same(await readRange(store, '\x81', '\xfd', 1, true), []);
  });

  claim('a clear of a range takes away what is in it, and nothing else', async (t, store) => {
    await store.put(Object.fromEntries(names.map((name) => [name, '1'])));
    const transaction = store.database.begin();
    transaction.clearRange(store.key('a\0'), store.key('b'));
    transaction.clear(store.key('\x80'));
    transaction.set(store.key('aa'), Buffer.from('again'));
    await transaction.commit();
    t.same(
      await readRange(store, '', '\xff\xff', 100),
      names.filter((name) => !['a\0', 'a\xff', '\x80'].includes(name)),
    );
  });

  claim('thousands of keys and megabytes of values are read by pages, each once', async (t, store) => {
    const { database, clock } = store;
    for (let at = 0; at < 3000; at += 500)
      await transact({ database, clock }, async (transaction) => {
        for (const number of range(at, at + 500))
          transaction.set(store.key(number), Buffer.alloc(20, number));
      });
    t.same(await numbersByPages(store, 0, 3000, 1000), range(0, 3000));
    t.same(await numbersByPages(store, 0, 3000, 7), range(0, 3000));
    for (let at = 0; at < 60; at += 10)
      await transact({ database, clock }, async (transaction) => {
        for (const number of range(5000 + at, 5010 + at))
          transaction.set(store.key(number), Buffer.alloc(PIECE_BYTES, number));
      });
    t.same(await numbersByPages(store, 5000, 6000, 100), range(5000, 5060));
    const [last] = await database.begin().range({
      begin: store.key(5000),
      end: store.key(6000),
      limit: 1,
      reverse: true,
    });
    t.same(last, { key: store.key(5059), value: Buffer.alloc(PIECE_BYTES, 5059) });
  });
}

/** As the log reads its frames: each page by a transaction of its own, behind the last key of the page before. */
async function numbersByPages(store: Store, from: number, to: number, limit: number): Promise<number[]> {
  const { database, clock } = store;
  const numbers: number[] = [];
  let begin = store.key(from);
  for (;;) {
    const page: KeyValue[] = await transact({ database, clock }, (transaction) =>
      transaction.range({ begin, end: store.key(to), limit }),
    );
    const last = page.at(-1);
    if (last === undefined) return numbers;
    for (const { key } of page) numbers.push(key.readUInt32BE(key.length - 4));
    begin = Buffer.concat([last.key, Buffer.alloc(1)]);
  }
}

function limitClaims(claim: Claim): void {
  const write = (store: Store, key: Buffer, value: Buffer): Promise<number | undefined> =>
    codeOf(
      (async () => {
        const transaction = store.database.begin();
        transaction.set(key, value);
        await transaction.commit();
      })(),
    );

  claim('values have at most 100,000 bytes, keys 10,000', async (t, store) => {
    const longest = Buffer.concat([store.key('k'), Buffer.alloc(KEY_BYTES_MAX, 'x')]).subarray(
      0,
      KEY_BYTES_MAX,
    );
    t.equal(await write(store, store.key('v'), Buffer.alloc(VALUE_BYTES_MAX, 1)), undefined);
    t.equal(
      await write(store, store.key('v'), Buffer.alloc(VALUE_BYTES_MAX + 1, 2)),
      DATABASE_ERRORS.valueTooLarge,
    );
    t.equal((await store.read('v'))?.length, VALUE_BYTES_MAX);
    t.equal(await write(store, longest, Buffer.from('x')), undefined);
    t.same(await store.database.begin().get(longest), Buffer.from('x'));
    t.equal(
      await write(store, Buffer.concat([longest, Buffer.from('x')]), Buffer.from('x')),
      DATABASE_ERRORS.keyTooLarge,
    );
  });

  claim(
    'the longest frame of the log fits into one transaction, ten million bytes do not',
    async (t, store) => {
      const bytes = Buffer.alloc(FRAME_BYTES_MAX, 'f');
      const pieces = Math.ceil(bytes.length / PIECE_BYTES);
      const { database, clock } = store;
      await transact({ database, clock }, async (transaction) => {
        for (let at = 0; at < pieces; at++)
          transaction.set(store.key(at), bytes.subarray(at * PIECE_BYTES, (at + 1) * PIECE_BYTES));
      });
      t.equal((await numbersByPages(store, 0, 1000, 100)).length, pieces);
      const large = database.begin();
      for (let at = 0; at < 102; at++) large.set(store.key(2000 + at), Buffer.alloc(VALUE_BYTES_MAX, 'g'));
      t.equal(await codeOf(large.commit()), DATABASE_ERRORS.transactionTooLarge);
      t.same(await numbersByPages(store, 2000, 3000, 10), []);
    },
  );
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
    const closing = subject.connect();
    closing.close();
    closing.close();
    t.throws(() => closing.begin(), { code: transactionCancelled });
    t.equal(await store.read('a'), 'old');
  });
}
