/** What ranges of a `KeyValueDatabase` hold, and how much it takes. */
import { transact } from '../../log/fdb/transact.js';
import { DATABASE_ERRORS, type KeyValue } from '../../src/core/key-value-database.js';
import { range } from '../log/log-world.js';
import { codeOf, type Claim, type Store } from './key-value-database-subject.js';

const VALUE_BYTES_MAX = 100_000;
const KEY_BYTES_MAX = 10_000;
/** What a frame of the log is split into, and how long the longest is. */
const PIECE_BYTES = 90_000;
const FRAME_BYTES_MAX = 8 * 1024 * 1024;

export function rangeClaims(claim: Claim): void {
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

export function limitClaims(claim: Claim): void {
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
