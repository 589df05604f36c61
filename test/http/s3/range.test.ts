import fc from 'fast-check';
import t from 'tap';
import { parseCopyRange, parseRange, rangeOfPart, resolveRange } from '../../../src/http/s3/range.js';
import { throwsS3 } from '../../support/throws-s3.js';

void t.test('range: first-last, first- and -suffix are understood', async (t) => {
  t.same(parseRange('bytes=0-0'), { first: 0, last: 0 });
  t.same(parseRange('bytes=5-'), { first: 5 });
  t.same(parseRange('bytes=-7'), { suffix: 7 });
  t.same(parseRange('Bytes = 1 - 2'), { first: 1, last: 2 });
});

void t.test('range: what S3 does not serve as a range is ignored', async (t) => {
  for (const header of [
    undefined,
    '',
    'bytes',
    'bytes=',
    'bytes=-',
    'bytes=a-b',
    'bytes=5-2',
    'items=0-1',
    'bytes=0-1,3-4',
    'bytes=1.5-2',
    'bytes=--5',
    'bytes=+1-2',
  ])
    t.equal(parseRange(header), undefined, String(header));
});

void t.test('range: a resolved range lies within the object, and covers what was asked for', async (t) => {
  const size = fc.nat(50);
  const header = fc.oneof(
    fc.tuple(fc.nat(60), fc.nat(60)).map(([a, b]) => `bytes=${a}-${b}`),
    fc.nat(60).map((first) => `bytes=${first}-`),
    fc.nat(60).map((suffix) => `bytes=-${suffix}`),
  );
  fc.assert(
    fc.property(header, size, (text, bytes) => {
      const range = parseRange(text);
      if (range === undefined) return;
      const wanted = Array.from({ length: bytes }, (_, index) => index).filter((index) =>
        'suffix' in range
          ? index >= bytes - range.suffix
          : index >= range.first && index <= (range.last ?? bytes),
      );
      const resolved = resolveRange(range, bytes);
      t.equal(resolved?.first, wanted[0]);
      t.equal(resolved?.last, wanted.at(-1));
    }),
  );
});

void t.test('range: digits beyond the exact integers read to the end', async (t) => {
  const range = parseRange('bytes=1-99999999999999999999999');
  t.ok(range);
  t.same(range && resolveRange(range, 10), { first: 1, last: 9 });
});

void t.test('range: parts follow each other, and an object without parts is its own part 1', async (t) => {
  const object = {
    size: 12,
    parts: [
      { number: 2, size: 5 },
      { number: 7, size: 7 },
    ],
  };
  t.same(rangeOfPart(object, 1), { first: 0, last: 4 });
  t.same(rangeOfPart(object, 2), { first: 5, last: 11 });
  t.equal(rangeOfPart(object, 3), undefined);
  t.same(rangeOfPart({ size: 3 }, 1), { first: 0, last: 2 });
  t.equal(rangeOfPart({ size: 3 }, 2), undefined);
});

void t.test('range: a part copy names both ends or is refused', async (t) => {
  t.equal(parseCopyRange(undefined), undefined);
  t.same(parseCopyRange('bytes=0-9'), { first: 0, last: 9 });
  for (const header of ['bytes=0-', 'bytes=-5', '0-9', 'bytes=9-0', 'bytes=a-b'])
    throwsS3(t, () => parseCopyRange(header), 'InvalidArgument', header);
});
