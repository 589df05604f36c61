import t from 'tap';
import fc from 'fast-check';
import { sortedOrder } from '../../../src/adapters/index-store/sort-keys.js';

const sortKeys = (keys: readonly string[]): string[] => Array.from(sortedOrder(keys), (at) => keys[at] ?? '');

/** Few different bytes and shared prefixes, so that keys tie, end inside each other, and repeat. */
const key = fc
  .tuple(
    fc.constantFrom('', 'obucket\0', 'obucket\0directory/', 'q\0\0\0'),
    fc.array(fc.constantFrom('\0', '\x01', 'a', '\xff'), { maxLength: 14 }),
  )
  .map(([prefix, bytes]) => prefix + bytes.join(''));

void t.test('sorted keys: byte strings come in the order that a comparison gives', async () => {
  fc.assert(
    fc.property(fc.array(key, { maxLength: 400, size: 'max' }), (keys) => {
      const sorted = sortKeys(keys);
      const expected = keys.toSorted((a, b) => (a < b ? -1 : a > b ? 1 : 0));
      return sorted.length === expected.length && sorted.every((one, at) => one === expected[at]);
    }),
    { numRuns: 300 },
  );
});

void t.test('sorted keys: many scattered keys, and the same in order', async (t) => {
  const keys = Array.from(
    { length: 20_000 },
    (_, i) => `obucket\0run/${(Math.imul(i, 0x9e3779b1) >>> 0).toString(16)}`,
  );
  const expected = keys.toSorted();
  t.same(sortKeys(keys), expected);
  t.same(sortKeys(expected), expected);
});
