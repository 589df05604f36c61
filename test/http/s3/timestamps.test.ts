import fc from 'fast-check';
import t from 'tap';
import {
  formatCompactDate,
  formatHttpDate,
  formatXmlDate,
  parseCompactDate,
  parseDate,
} from '../../../src/http/s3/timestamps.js';

const seconds = fc.integer({ min: -2_000_000_000, max: 32_000_000_000 });

void t.test('timestamps: agree with the platform for any second of the years that matter', async (t) => {
  fc.assert(
    fc.property(seconds, (second) => {
      const date = new Date(second * 1000);
      t.equal(formatHttpDate(second * 1000 + 999), date.toUTCString());
      t.equal(formatXmlDate(second * 1000 + 1), date.toISOString());
      t.equal(formatCompactDate(second * 1000), date.toISOString().replace(/[-:]|\.000/g, ''));
    }),
    { numRuns: 200 },
  );
});

void t.test('timestamps: what was written is read back', async (t) => {
  fc.assert(
    fc.property(seconds, (second) => {
      t.equal(parseDate(formatHttpDate(second * 1000)), second * 1000);
      t.equal(parseDate(formatXmlDate(second * 1000)), second * 1000);
      t.equal(parseCompactDate(formatCompactDate(second * 1000)), second * 1000);
    }),
    { numRuns: 200 },
  );
});

void t.test('timestamps: the three formats of HTTP mean the same', async (t) => {
  const ms = Date.UTC(1994, 10, 6, 8, 49, 37);
  for (const text of [
    'Sun, 06 Nov 1994 08:49:37 GMT',
    'Sun, 06 Nov 1994 08:49:37 -0000',
    'Sunday, 06-Nov-94 08:49:37 GMT',
    'Sun Nov  6 08:49:37 1994',
    '1994-11-06T08:49:37Z',
    '1994-11-06T08:49:37.000Z',
  ])
    t.equal(parseDate(text), ms, text);
});

void t.test('timestamps: what is no date is undefined', async (t) => {
  for (const text of [
    '',
    'yesterday',
    '0',
    'Sun, 31 Feb 1994 08:49:37 GMT',
    'Sun, 06 Nov 1994 25:49:37 GMT',
    'Sun, 06 Foo 1994 08:49:37 GMT',
    '1994-13-06T08:49:37Z',
    'Sun, 06 Nov 1994 08:49:37 CET',
  ])
    t.equal(parseDate(text), undefined, text);
  for (const text of ['20150830T123600', '20150830', '20151330T123600Z', '20150230T123600Z'])
    t.equal(parseCompactDate(text), undefined, text);
});
