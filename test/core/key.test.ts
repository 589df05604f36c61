import t from 'tap';
import { afterPrefix, fromByteString, toByteString } from '../../src/core/key.js';

void t.test('key: byte strings sort as UTF-8 bytes, also above U+FFFF', async (t) => {
  const texts = ['a', 'é', '\u{ffff}', '\u{10000}', 'a/b', 'a-b', '\u{1f600}x'];
  const byBytes = texts.toSorted((a, b) => Buffer.compare(Buffer.from(a), Buffer.from(b)));
  const byString = texts.toSorted((a, b) => (toByteString(a) < toByteString(b) ? -1 : 1));
  t.same(byString, byBytes);
});

void t.test('key: a byte string comes back as the text it was', async (t) => {
  for (const text of ['', 'plain', 'größe/日本', '\u{1f600}'])
    t.equal(fromByteString(toByteString(text)), text);
});

void t.test('key: afterPrefix is the smallest string behind every one with the prefix', async (t) => {
  t.equal(afterPrefix('ab'), 'ac');
  t.equal(afterPrefix('a\xff'), 'b');
  t.equal(afterPrefix('\xff'), undefined);
});
