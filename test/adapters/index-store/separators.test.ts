import t from 'tap';
import fc from 'fast-check';
import { Separators } from '../../../src/adapters/index-store/separators.js';

/** Few different bytes and shared beginnings, so that separators end inside each other and agree in many bytes. */
const key = fc
  .tuple(
    fc.constantFrom('', 'o', 'obucket\0', 'obucket\0directory/', 'q\0\0\0', '\xff'),
    fc.array(fc.constantFrom('\0', '\x01', 'a', '\xff'), { maxLength: 8 }),
  )
  .map(([prefix, bytes]) => prefix + bytes.join(''));

function separatorsOf(keys: readonly string[]): Separators {
  const ends = new Uint32Array(keys.length);
  let at = 0;
  keys.forEach((one, block) => (ends[block] = at += one.length));
  return new Separators(Buffer.from(keys.join(''), 'latin1'), ends);
}

void t.test('separators: the block found is the last whose separator is not above the key', async () => {
  fc.assert(
    fc.property(fc.uniqueArray(key, { maxLength: 60, size: 'max' }), fc.array(key), (some, more) => {
      // The first block's separator is empty, the others are not.
      const sorted = ['', ...some.filter((one) => one !== '').sort((a, b) => (a < b ? -1 : 1))];
      const separators = separatorsOf(sorted);
      return [...sorted, ...more].every(
        (one) => separators.blockOf(one) === sorted.findLastIndex((separator) => separator <= one),
      );
    }),
    { numRuns: 400 },
  );
});
