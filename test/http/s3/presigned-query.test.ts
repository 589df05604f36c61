import fc from 'fast-check';
import t from 'tap';
import {
  meaningOf,
  signatureOf,
  withoutSignature,
  type HoistedHeaders,
  type QueryMeaning,
} from '../../../src/http/s3/presigned-query.js';
import { parseQuery } from '../../../src/http/s3/request-target.js';
import { throwsS3 } from '../../support/throws-s3.js';

const SIGNATURE = 'ab'.repeat(32);
/** The first parameter of that name, when it has the length of a signature and is written as it is. */
function expectedSignature(query: string): string | undefined {
  const at = query.indexOf('X-Amz-Signature=');
  if (at < 0 || (at > 0 && query[at - 1] !== '&')) return undefined;
  const [value = ''] = query.slice(at + 'X-Amz-Signature='.length).split('&');
  return value.length === 64 && !value.includes('%') ? value : undefined;
}

const meaning = (query: string): QueryMeaning => meaningOf(`/path?${query}`, '/path?'.length, parseQuery);

void t.test('presigned query: the signature is cut out wherever it is, and the rest is parsed', async (t) => {
  const pair = fc.constantFrom('a=1', 'b=%2F', 'c', 'd=X-Amz-Signature=', '', 'x-id=GetObject', 'e=+');
  fc.assert(
    fc.property(fc.array(pair, { maxLength: 5 }), fc.array(pair, { maxLength: 5 }), (before, behind) => {
      const rest = [...before, ...behind].join('&');
      const query = [...before, `X-Amz-Signature=${SIGNATURE}`, ...behind].join('&');
      const isHidden = before.includes('d=X-Amz-Signature=');
      const parsed = parseQuery(isHidden ? query : rest);
      parsed.delete('X-Amz-Signature');
      // The second time it is remembered.
      for (const { query: asked, signing } of [meaning(query), meaning(query)]) {
        t.same([...asked], [...parsed], query);
        if (signing === undefined) continue;
        t.equal(signatureOf(signing, query), isHidden ? undefined : SIGNATURE, query);
        t.equal(withoutSignature(signing, query), isHidden ? query : rest, query);
      }
    }),
    { numRuns: 300 },
  );
});

void t.test('presigned query: the first of several signatures counts, whatever is remembered', async (t) => {
  const [one, two] = ['1'.repeat(64), '2'.repeat(64)];
  const both = `a=1&X-Amz-Signature=${one}&X-Amz-Signature=${two}`;
  for (const query of [`a=1&X-Amz-Signature=${one}`, `a=1&X-Amz-Signature=${two}`, both, both]) {
    const { signing } = meaning(query);
    t.equal(signing && signatureOf(signing, query), expectedSignature(query), query);
    t.equal(signing?.get('X-Amz-Signature'), query === both ? two : undefined, query);
  }
  // A signature of the right length at the end that holds other parameters is none, though the rest is known.
  for (const value of [`${'0'.repeat(57)}&list=x`, `%61${'0'.repeat(61)}`]) {
    const query = `a=1&X-Amz-Signature=${value}`;
    const { signing, query: asked } = meaning(query);
    t.ok(signing?.has('X-Amz-Signature'));
    t.equal(asked.get('list'), value.includes('&') ? 'x' : undefined);
  }
});

void t.test('presigned query: whatever is remembered, another query means what it would alone', async (t) => {
  const piece = fc.constantFrom(
    'a=1',
    'X-Amz-Date=one',
    'X-Amz-Date=two',
    'b=X-Amz-Signature=',
    `X-Amz-Signature=${'1'.repeat(64)}`,
    `X-Amz-Signature=${'2'.repeat(64)}`,
    `X-Amz-Signature=${'3'.repeat(60)}&c=4`,
    `X-Amz-Signature=${'5'.repeat(61)}%41`,
    'X-Amz-Signature=short',
    'p'.repeat(100),
  );
  fc.assert(
    fc.property(fc.array(piece, { maxLength: 5 }), (pieces) => {
      const query = pieces.join('&');
      const { query: asked, signing } = meaning(query);
      const signature = expectedSignature(query);
      const parameters = parseQuery(
        signature === undefined ? query : query.replace(`X-Amz-Signature=${signature}`, ''),
      );
      t.equal(signing && signatureOf(signing, query), signing && signature, query);
      t.same(new Map([...asked, ...(signing ?? [])]), parameters, query);
    }),
    { numRuns: 1000 },
  );
});

void t.test('presigned query: what is no signature stays a parameter', async (t) => {
  for (const value of ['', 'abc', `${SIGNATURE}0`, `%61${SIGNATURE.slice(3)}`]) {
    const query = `a=1&X-Amz-Signature=${value}`;
    const { signing } = meaning(query);
    t.ok(signing?.has('X-Amz-Signature'));
    t.equal(signing && signatureOf(signing, query), undefined);
    t.equal(signing && withoutSignature(signing, query), query);
  }
  t.equal(meaning('').signing, undefined);
});

void t.test(
  'presigned query: queries that differ by their signature alone share what they mean, a thousand of them',
  async (t) => {
    const query = (name: string, signature = SIGNATURE): string =>
      `X-Amz-Date=${name}&X-Amz-Signature=${signature}`;
    const first = meaning(query('first'));
    t.equal(meaning(query('first', '0'.repeat(64))), first);
    t.not(meaning(query('second')), first);
    t.not(meaning('X-Amz-Date=first'), first, 'others are not remembered');
    for (let index = 0; index < 1000; index++) meaning(query(String(index)));
    t.not(meaning(query('first')), first, 'the oldest is forgotten');
    const long = 'x'.repeat(2000);
    t.not(meaning(query(long)), meaning(query(long)), 'long ones are not kept');
  },
);

void t.test(
  'presigned query: what signs is apart from what is asked, and only in a presigned URL',
  async (t) => {
    const signing =
      'X-Amz-Algorithm=A&X-Amz-Credential=C&X-Amz-Date=D&X-Amz-Expires=5&X-Amz-SignedHeaders=host';
    const signed = meaning(`acl&${signing}&X-Amz-Signature=${SIGNATURE}&x-amz-meta-a=b`);
    t.same([...signed.query], [['acl', '']]);
    t.same(signed.hoisted, { 'x-amz-meta-a': 'b' });
    t.same(
      [...(signed.signing?.keys() ?? [])],
      ['X-Amz-Algorithm', 'X-Amz-Credential', 'X-Amz-Date', 'X-Amz-Expires', 'X-Amz-SignedHeaders'],
    );
    t.ok(meaning(`X-Amz-Signature=${SIGNATURE}`).signing, 'a signature alone asks to be looked at');
    t.ok(meaning('X-Amz-Algorithm=A').signing);
    const other = meaning('X-Amz-Date=D&prefix=p&x-amz-acl=private');
    t.equal(other.signing, undefined);
    t.same([...other.query.keys()], ['X-Amz-Date', 'prefix', 'x-amz-acl']);
    t.equal(other.hoisted, undefined);
  },
);

void t.test('presigned query: headers in it are as on the wire, and never what signs', async (t) => {
  const hoisted = (query: string): HoistedHeaders | undefined =>
    meaning(`${query}&X-Amz-Signature=${SIGNATURE}`).hoisted;
  t.same(hoisted('X-Amz-Meta-Name=gr%C3%BCn+&x-amz-meta-name=2&x-amz-acl=public-read'), {
    'x-amz-meta-name': Buffer.from('grün').toString('latin1'),
    'x-amz-acl': 'public-read',
  });
  t.equal(hoisted('x-amz-date=D&x-amz-content-sha256=0&x-amz-security-token=t&x-id=PutObject'), undefined);
  t.same(
    hoisted('x-amz-checksum-crc32=AAAAAA==&x-amz-sdk-checksum-algorithm=CRC32&x-amz-checksum-mode=ENABLED'),
    {
      'x-amz-checksum-mode': 'ENABLED',
    },
  );
  for (const value of ['%0D%0AEvil:%201', '%00', '%7F'])
    throwsS3(t, () => hoisted(`x-amz-meta-a=${value}`), 'InvalidArgument', value);
});
