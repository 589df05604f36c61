import fc from 'fast-check';
import t from 'tap';
import { boundaryOf, FormParser } from '../../../src/http/s3/form-parser.js';
import { throwsS3 } from '../../support/throws-s3.js';

const part = (name: string, value: string, more = ''): string =>
  `--b\r\nContent-Disposition: form-data; name="${name}"${more}\r\n\r\n${value}\r\n`;

interface Read {
  readonly fields: Record<string, string>;
  readonly fileName: string;
  readonly file: string;
}

function read(form: Uint8Array, cuts: readonly number[] = []): Read {
  let result = { fields: {}, fileName: '', file: '' };
  const parser = new FormParser('b', {
    file: (fields, fileName) => {
      result = { ...result, fields: Object.fromEntries(fields), fileName };
    },
    take: (bytes) => {
      result = { ...result, file: result.file + Buffer.from(bytes).toString('latin1') };
    },
  });
  let from = 0;
  for (const cut of [...cuts.toSorted((a, b) => a - b), form.length]) {
    parser.feed(form.subarray(from, cut));
    from = cut;
  }
  parser.end();
  return result;
}

void t.test('form: fields and file come out the same, however it is cut', async (t) => {
  const piece = fc.constantFrom('\r', '\n', '-', '--b', '\r\n--', '\r\n-', 'b', 'x', '\r\n\r\n', '\0', '');
  const content = fc
    .array(piece, { maxLength: 20 })
    .map((pieces) => pieces.join(''))
    .filter(
      (text) =>
        !`${text}\r\n--b`.slice(0, -5).includes('\r\n--b') &&
        !`${text}\r\n--b`.slice(0, -1).includes('\r\n--b'),
    );
  const cuts = fc.array(fc.nat(400), { maxLength: 30 });
  fc.assert(
    fc.property(content, content, cuts, (value, file, at) => {
      const text = `${part('Key', value)}${part('file', file, '; filename="a b.txt"')}${part('after', 'x')}--b--\r\n`;
      const form = Buffer.from(text, 'latin1');
      const places = at.map((place) => Math.min(place, form.length));
      t.strictSame(read(form, places), { fields: { key: value }, fileName: 'a b.txt', file });
    }),
    { numRuns: 200 },
  );
  const whole = Buffer.from(`${part('ü', 'ö')}${part('file', '')}--b--`);
  t.same(
    read(
      whole,
      Array.from(whole, (_, at) => at),
    ),
    { fields: { ü: 'ö' }, fileName: '', file: '' },
  );
});

void t.test('form: what is not one is refused', async (t) => {
  const bad: [form: string, code: 'MalformedPOSTRequest' | 'MaxPostPreDataLengthExceeded'][] = [
    ['', 'MalformedPOSTRequest'],
    ['xx--b\r\n', 'MalformedPOSTRequest'],
    [`${part('key', 'x')}--b--\r\n`, 'MalformedPOSTRequest'],
    [`${part('key', 'x')}${part('key', 'x')}`, 'MalformedPOSTRequest'],
    ['--b\r\nContent-Type: x\r\n\r\n\r\n--b', 'MalformedPOSTRequest'],
    [part('file', 'no end'), 'MalformedPOSTRequest'],
    [part('key', 'x'.repeat(20_480)), 'MaxPostPreDataLengthExceeded'],
    [`${part('file', 'x')}--b\r\n${'x'.repeat(20_480)}`, 'MaxPostPreDataLengthExceeded'],
    [Array.from({ length: 201 }, (_, at) => part(`${at}`, '')).join('') + '--b', 'MalformedPOSTRequest'],
  ];
  for (const [form, code] of bad) throwsS3(t, () => read(Buffer.from(form)), code);
});

void t.test('form: the boundary is found in every spelling of the content type', async (t) => {
  t.equal(boundaryOf('multipart/form-data; boundary=----x1'), '----x1');
  t.equal(boundaryOf('Multipart/Form-Data;charset=utf-8; boundary="a b"'), 'a b');
  t.equal(boundaryOf('multipart/form-data'), undefined);
  t.equal(boundaryOf('multipart/mixed; boundary=x'), undefined);
  t.equal(boundaryOf(`multipart/form-data; boundary=${'x'.repeat(71)}`), undefined);
});
