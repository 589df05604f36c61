/** Claims about keys of every kind and about listings. */
import type { StoredObject } from '../../src/core/object-store.js';
import {
  type Claim,
  contentOf,
  failsWith,
  listAll,
  nameOf,
  type ObjectStoreTraits,
  putRequest,
} from './object-store-subject.js';

const ODD_KEYS: readonly string[] = [
  'plain',
  '/leading',
  'double//slash',
  'trailing/',
  'trailing//',
  '/',
  '//',
  '.',
  '..',
  '../up',
  'a/./b',
  'a/../b',
  'a/..',
  '.headrace',
  '.headrace/tmp/x',
  '.hidden/file',
  'per%cent',
  'per%2Fcent',
  'plus+plus',
  'space and  two',
  ' leading space',
  'trailing space ',
  'question?mark#hash&amp=equals',
  'quote"\'`<>|\\*:',
  'new\nline\ttab',
  '\u0001control\u007f',
  'größe/日本/\u{1f600}.txt',
  `${'n'.repeat(255)}/ok`,
  `${'n'.repeat(256)}/too-long-a-name`,
  'k'.repeat(1024),
  `${'d/'.repeat(511)}ee`,
  'é'.repeat(512),
];

export function keyClaims(claim: Claim, traits: ObjectStoreTraits): void {
  const keys = ODD_KEYS.filter((key) => traits.unsupportedKeys?.includes(key) !== true);

  claim('odd keys are told apart, found, listed in order and deleted', async (t, store, bucket) => {
    for (const key of keys) await store.put(putRequest(bucket, key, `body of ${key}`));
    for (const key of keys) {
      t.equal(await contentOf(store, bucket, key), `body of ${key}`, JSON.stringify(key.slice(0, 40)));
    }
    const ordered = keys.toSorted((a, b) => Buffer.compare(Buffer.from(a), Buffer.from(b)));
    t.same((await listAll(store, bucket)).map(nameOf), ordered);
    t.same((await listAll(store, bucket, { limit: 3 })).map(nameOf), ordered);
    for (const key of keys) await store.delete(bucket, key);
    t.same(await listAll(store, bucket), []);
    await store.deleteBucket(bucket);
  });

  claim(
    'an object and a directory of the same name live together, in either order',
    async (t, store, bucket) => {
      const put = (key: string): Promise<StoredObject> =>
        store.put(putRequest(bucket, key, `body of ${key}`));
      await put('a');
      await put('a/b');
      await put('a/b/c');
      await put('x/y/z');
      await put('x/y');
      await put('x');
      const all = ['a', 'a/b', 'a/b/c', 'x', 'x/y', 'x/y/z'];
      t.same((await listAll(store, bucket)).map(nameOf), all);
      for (const key of all) t.equal(await contentOf(store, bucket, key), `body of ${key}`);
      await store.delete(bucket, 'a');
      await put('a/b');
      await store.delete(bucket, 'x/y/z');
      await put('x');
      const left = ['a/b', 'a/b/c', 'x', 'x/y'];
      t.same((await listAll(store, bucket)).map(nameOf), left);
      for (const key of left) {
        t.equal(await contentOf(store, bucket, key), `body of ${key}`);
        await store.delete(bucket, key);
        t.equal(await store.head(bucket, key), undefined);
      }
      t.same(await listAll(store, bucket), []);
    },
  );

  claim('a key that is too long is refused', async (t, store, bucket) => {
    await failsWith(t, ['UFS_REJECTED'], () => store.put(putRequest(bucket, 'k'.repeat(1025), 'x')));
  });
}

const LISTED_KEYS: readonly string[] = [
  'a',
  'a-b',
  'a.b',
  'a/b',
  'a/b/1',
  'a/b/2',
  'a/c//d',
  'a/c/',
  'a0',
  'a0/x',
  'b/1/2/3',
  'b/1/2/4',
  'b/2',
  'c-1',
  'c-2',
  'd/\u{ffff}x',
  'd/\u{10000}x',
  'z',
  'é/1',
];

/** What a listing has to be, from the definition. */
function expectedListing(
  keys: readonly string[],
  request: { prefix: string; delimiter: string; startAfter: string },
) {
  const { prefix, delimiter, startAfter } = request;
  const names = new Set<string>();
  const bytes = (text: string): Buffer => Buffer.from(text);
  for (const key of keys.toSorted((a, b) => Buffer.compare(bytes(a), bytes(b)))) {
    if (!key.startsWith(prefix) || Buffer.compare(bytes(key), bytes(startAfter)) <= 0) continue;
    const at = delimiter === '' ? -1 : key.indexOf(delimiter, prefix.length);
    names.add(at < 0 ? key : `${key.slice(0, at + delimiter.length)}*`);
  }
  return [...names];
}

export function listClaims(claim: Claim): void {
  claim('every prefix, delimiter, start and page size gives the same list', async (t, store, bucket) => {
    for (const key of LISTED_KEYS) await store.put(putRequest(bucket, key, key));
    for (const prefix of [
      '',
      'a',
      'a/',
      'a/b',
      'a/c/',
      'b/1/',
      'c',
      'd/',
      'é',
      'zz',
      '/',
      '../',
      'b/1/2/3',
    ]) {
      for (const delimiter of ['', '/', '-', '/1', 'b']) {
        const expected = expectedListing(LISTED_KEYS, { prefix, delimiter, startAfter: '' });
        for (const limit of [1, 2, 3, 7, 1000]) {
          const listed = await listAll(store, bucket, { prefix, delimiter, limit });
          t.same(listed.map(nameOf), expected, JSON.stringify({ prefix, delimiter, limit }));
        }
      }
    }
  });

  claim(
    'a listing starts strictly after the key that is given, whether it exists or not',
    async (t, store, bucket) => {
      for (const key of LISTED_KEYS) await store.put(putRequest(bucket, key, key));
      const starts = [...LISTED_KEYS, 'A', 'a/', 'a/b/15', 'a/bb', 'a~', 'b', 'b/1/2', 'zzz', '\u{10ffff}'];
      for (const prefix of ['', 'a/', 'b/1']) {
        for (const startAfter of starts) {
          const listed = await listAll(store, bucket, { prefix, startAfter, limit: 5 });
          const expected = expectedListing(LISTED_KEYS, { prefix, delimiter: '', startAfter });
          t.same(listed.map(nameOf), expected, JSON.stringify({ prefix, startAfter }));
        }
      }
    },
  );

  claim('the key right behind a common prefix is not skipped', async (t, store, bucket) => {
    for (const key of ['p/1', 'p/2', 'p0', 'p0/']) await store.put(putRequest(bucket, key, key));
    const listed = await listAll(store, bucket, { delimiter: '/', limit: 1 });
    t.same(listed.map(nameOf), ['p/*', 'p0', 'p0/*']);
  });

  claim('a page is never longer than its limit', async (t, store, bucket) => {
    for (const key of LISTED_KEYS) await store.put(putRequest(bucket, key, key));
    for (const limit of [1, 4]) {
      const page = await store.list({ bucket, prefix: '', startAfter: '', delimiter: '/', limit });
      t.ok(page.entries.length <= limit);
      t.ok(page.nextStartAfter !== undefined);
    }
  });
}
