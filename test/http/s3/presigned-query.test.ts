import fc from 'fast-check';
import t from 'tap';
import { parametersOf, signatureOfQuery, withoutSignature } from '../../../src/http/s3/presigned-query.js';
import { parseQuery } from '../../../src/http/s3/request-target.js';

const SIGNATURE = 'ab'.repeat(32);
const parameters = (query: string): ReadonlyMap<string, string> => parametersOf(query, parseQuery);

void t.test('presigned query: the signature is cut out wherever it is, and the rest is parsed', async (t) => {
  const pair = fc.constantFrom('a=1', 'b=%2F', 'c', 'd=X-Amz-Signature=', '', 'x-id=GetObject', 'e=+');
  fc.assert(
    fc.property(fc.array(pair, { maxLength: 5 }), fc.array(pair, { maxLength: 5 }), (before, behind) => {
      const rest = [...before, ...behind].join('&');
      const query = [...before, `X-Amz-Signature=${SIGNATURE}`, ...behind].join('&');
      const isHidden = before.includes('d=X-Amz-Signature=');
      t.equal(signatureOfQuery(query), isHidden ? undefined : SIGNATURE, query);
      if (!isHidden) t.equal(withoutSignature(query), rest, query);
      t.same([...parameters(query)], [...parseQuery(isHidden ? query : rest)], query);
    }),
    { numRuns: 300 },
  );
});

void t.test('presigned query: what is no signature stays a parameter', async (t) => {
  for (const value of ['', 'abc', `${SIGNATURE}0`, `%61${SIGNATURE.slice(3)}`]) {
    const query = `a=1&X-Amz-Signature=${value}`;
    t.equal(signatureOfQuery(query), undefined);
    t.equal(withoutSignature(query), query);
    t.ok(parameters(query).has('X-Amz-Signature'));
  }
  t.equal(signatureOfQuery(''), undefined);
});

void t.test(
  'presigned query: queries that differ by their signature alone share what they mean, a thousand of them',
  async (t) => {
    const query = (name: string, signature = SIGNATURE): string =>
      `X-Amz-Date=${name}&X-Amz-Signature=${signature}`;
    const first = parameters(query('first'));
    t.equal(parameters(query('first', '0'.repeat(64))), first);
    t.not(parameters(query('second')), first);
    t.not(parameters('X-Amz-Date=first'), first, 'others are not remembered');
    for (let index = 0; index < 1000; index++) parameters(query(String(index)));
    t.not(parameters(query('first')), first, 'the oldest is forgotten');
    const long = 'x'.repeat(2000);
    t.not(parameters(query(long)), parameters(query(long)), 'long ones are not kept');
  },
);
