/** What the WebHDFS connector makes of other people's files, of what a crash left, and of servers that refuse. */
import t, { type Test } from 'tap';
import { SystemClock } from '../../../../src/adapters/system-clock.js';
import { SystemRandom } from '../../../../src/adapters/system-random.js';
import {
  WebHdfsObjectStore,
  type WebHdfsObjectStoreOptions,
} from '../../../../src/adapters/ufs/webhdfs/webhdfs-object-store.js';
import { DAY_MS } from '../../../../src/core/units.js';
import {
  contentOf,
  failsWith,
  listAll,
  md5Hex,
  nameOf,
  putRequest,
} from '../../../contracts/object-store-subject.js';
import { startWebHdfsStandIn } from '../../../support/webhdfs-stand-in.js';

async function world(t: Test, options: Partial<WebHdfsObjectStoreOptions> = {}) {
  const server = await startWebHdfsStandIn();
  const { tree, namenode, user } = server;
  const [clock, random] = [new SystemClock(), new SystemRandom()];
  const fixed = { secure: false, namenodes: [namenode], user, base: '/ufs', clock, random };
  const open = (more: Partial<WebHdfsObjectStoreOptions> = {}): WebHdfsObjectStore => {
    const store = new WebHdfsObjectStore({ ...fixed, ...options, ...more });
    t.teardown(() => store.close());
    return store;
  };
  t.teardown(() => server.close());
  return { tree, namenode, open, clock };
}

void t.test('webhdfs: a file that somebody else wrote is an object, with an ETag of its own', async (t) => {
  const { tree, open } = await world(t);
  tree.create('/ufs/data/theirs/x.csv', false);
  tree.fill('/ufs/data/theirs/x.csv', Buffer.from('1,2'));
  const store = open();
  const head = await store.head('data', 'theirs/x.csv');
  t.match(head, { size: 3, headers: { system: {}, user: {} } });
  t.match(head?.etag, /-0$/);
  t.equal(await contentOf(store, 'data', 'theirs/x.csv'), '1,2');
  await store.put(putRequest('data', 'theirs/x.csv', 'ours'));
  t.equal((await store.head('data', 'theirs/x.csv'))?.etag, md5Hex(Buffer.from('ours')));
  // An append keeps the attributes and changes size and time.
  tree.fill('/ufs/data/theirs/x.csv', Buffer.from('ours and theirs'));
  t.match((await store.head('data', 'theirs/x.csv'))?.etag, /-0$/, 'our ETag is not told of other bytes');
  await store.delete('data', 'theirs/x.csv');
  t.same(tree.list('/ufs/data', '').entries, [], 'its empty directory went with it');
});

void t.test('webhdfs: what a crash left is removed a day later, and never before', async (t) => {
  const { tree, open, clock } = await world(t);
  const nameOfAge = (ageMs: number): string =>
    `/ufs/.headrace/tmp/${(clock.wallTimeMs() - ageMs).toString(16).padStart(11, '0')}-00000000-1`;
  const [old, fresh, foreign] = [
    nameOfAge(DAY_MS + 60_000),
    nameOfAge(DAY_MS / 2),
    '/ufs/.headrace/tmp/theirs',
  ];
  for (const path of [old, fresh, foreign]) tree.create(path, false);
  await open().check();
  t.same(tree.files().toSorted(), [fresh, foreign].toSorted());
});

void t.test('webhdfs: a user who may not is told so', async (t) => {
  const { open } = await world(t, { user: 'nobody' });
  const store = open();
  await failsWith(t, ['UFS_DENIED'], () => store.check());
  await failsWith(t, ['UFS_DENIED'], () => store.put(putRequest('b', 'k', 'x')));
});

void t.test('webhdfs: of several namenodes the one that answers is found', async (t) => {
  const { namenode, open } = await world(t);
  const store = open({ namenodes: ['127.0.0.1:1', namenode] });
  await store.createBucket('b');
  await store.put(putRequest('b', 'k', 'x'));
  t.equal(await contentOf(store, 'b', 'k'), 'x');
  const none = open({ namenodes: ['127.0.0.1:1', '127.0.0.1:2'] });
  await failsWith(t, ['UFS_UNAVAILABLE'], () => none.put(putRequest('b', 'k', 'x')));
});

void t.test(
  'webhdfs: headers longer than HDFS keeps beside a file are refused, with nothing left over',
  async (t) => {
    const { tree, open } = await world(t);
    const store = open();
    await store.createBucket('b');
    const headersOf = (length: number) => ({ system: {}, user: { long: 'v'.repeat(length) } });
    await store.put({ ...putRequest('b', 'k', 'x'), headers: headersOf(60_000) });
    t.equal((await store.head('b', 'k'))?.headers.user['long']?.length, 60_000);
    await failsWith(t, ['UFS_REJECTED'], () =>
      store.put({ ...putRequest('b', 'other', 'x'), headers: headersOf(70_000) }),
    );
    await store.close();
    t.same(tree.files(), ['/ufs/b/k']);
  },
);

void t.test('webhdfs: names beyond ASCII are listed in the order of keys, not of HDFS', async (t) => {
  const { open } = await world(t);
  const store = open();
  await store.createBucket('b');
  const keys = [
    'A',
    'z',
    'é',
    'é/1',
    '\u{ffff}',
    '\u{10000}',
    'a',
    'a-b',
    'a/b',
    'a.b',
    '0',
    '~',
    '1',
    '2',
    '3',
  ];
  for (const key of keys) await store.put(putRequest('b', key, key));
  const ordered = keys.toSorted((a, b) => Buffer.compare(Buffer.from(a), Buffer.from(b)));
  for (const limit of [1, 4, 100]) t.same((await listAll(store, 'b', { limit })).map(nameOf), ordered);
});
