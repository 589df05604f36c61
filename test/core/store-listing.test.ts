import t from 'tap';
import { byteLength, toByteString } from '../../src/core/key.js';
import { commonPrefixOf, greatestKeyBelow, pageOf } from '../../src/core/store-listing.js';

void t.test(
  'listing: the greatest key below a prefix has the length of a key and sorts behind every other',
  async (t) => {
    for (const prefix of ['', 'a', 'ab/', 'é', 'xyz-', 'k'.repeat(1022), 'k'.repeat(1024)]) {
      const greatest = greatestKeyBelow(prefix);
      t.equal(byteLength(greatest), 1024);
      for (const suffix of ['', 'a', '\u{10ffff}', '\u{10ffff}\u{10ffff}a', '\u07ff', '\uffff']) {
        const key = prefix + suffix;
        if (byteLength(key) <= 1024) t.ok(toByteString(key) <= toByteString(greatest), JSON.stringify(key));
      }
      t.ok(
        toByteString(greatest) < toByteString(`${prefix.slice(0, -1)}\u{10ffff}\u{10ffff}`) ||
          prefix.length < 4,
      );
    }
    t.ok(toByteString(greatestKeyBelow('p/')) < toByteString('p0'));
  },
);

void t.test('listing: a common prefix ends with the first delimiter behind the prefix', async (t) => {
  t.equal(commonPrefixOf('a/b/c', '', '/'), 'a/');
  t.equal(commonPrefixOf('a/b/c', 'a/', '/'), 'a/b/');
  t.equal(commonPrefixOf('a/b/c', 'a/b/', '/'), undefined);
  t.equal(commonPrefixOf('a--b--c', 'a', '--'), 'a--');
  t.equal(commonPrefixOf('a/b', '', ''), undefined);
});

void t.test('listing: a page has a next one only when more is known', async (t) => {
  const entries = ['a/', 'b/'].map((prefix) => ({ kind: 'prefix', prefix }) as const);
  t.equal(pageOf(entries, 2).nextStartAfter, undefined);
  t.same(pageOf(entries, 1), { entries: [entries[0]], nextStartAfter: greatestKeyBelow('a/') });
  t.same(pageOf(entries, 0), { entries: [], nextStartAfter: undefined });
});
