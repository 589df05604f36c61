import fc from 'fast-check';
import t from 'tap';
import { BucketPolicy, matches } from '../../src/engine/bucket-policy.js';

const BUCKET = 'photos';
const ARN = `arn:aws:s3:::${BUCKET}`;

function statement(fields: Record<string, unknown> = {}): Record<string, unknown> {
  return { Effect: 'Allow', Principal: '*', Action: 's3:GetObject', Resource: `${ARN}/*`, ...fields };
}

function parse(...statements: Record<string, unknown>[]): BucketPolicy {
  return BucketPolicy.parse(BUCKET, JSON.stringify({ Version: '2012-10-17', Statement: statements }));
}

void t.test(
  'policy: principals, actions and resources have to fit, and a Deny beats every Allow',
  async (t) => {
    const policy = parse(
      statement({ Resource: `${ARN}/public/*` }),
      statement({
        Principal: { AWS: ['alice', 'arn:aws:iam::123456789012:user/bob'] },
        Action: ['s3:Put*', 's3:List?ucket'],
        Resource: [ARN, `${ARN}/*`],
      }),
      statement({ Effect: 'Deny', Principal: { AWS: '*' }, Action: '*', Resource: `${ARN}/public/secret*` }),
    );
    t.equal(policy.decide(undefined, 's3:GetObject', BUCKET, 'public/a'), 'Allow');
    t.equal(policy.decide('alice', 's3:getobject', BUCKET, 'public/a'), 'Allow', 'actions have no case');
    t.equal(policy.decide(undefined, 's3:GetObject', BUCKET, 'Public/a'), undefined, 'keys do');
    t.equal(policy.decide(undefined, 's3:GetObject', BUCKET, 'public'), undefined);
    t.equal(policy.decide(undefined, 's3:PutObject', BUCKET, 'public/a'), undefined);
    t.equal(policy.decide('alice', 's3:PutObject', BUCKET, 'x'), 'Allow');
    t.equal(policy.decide('bob', 's3:PutObjectTagging', BUCKET, 'x'), 'Allow');
    t.equal(policy.decide('bob', 's3:ListBucket', BUCKET, undefined), 'Allow');
    t.equal(policy.decide('carol', 's3:PutObject', BUCKET, 'x'), undefined);
    t.equal(policy.decide('alice', 's3:PutObject', BUCKET, 'public/secret.txt'), 'Deny');
    t.equal(policy.isPublic, true);
    t.equal(parse(statement({ Principal: { AWS: 'alice' } })).isPublic, false);
    t.equal(parse(statement({ Effect: 'Deny' })).isPublic, false);
  },
);

void t.test(
  'policy: a user is named by itself, as an account of its own and by its canonical ID',
  async (t) => {
    const named: Record<string, unknown>[] = [
      { AWS: 'alice' },
      { AWS: 'arn:aws:iam::123456789012:user/alice' },
      { AWS: 'arn:aws:iam::alice:root' },
      { CanonicalUser: 'alice' },
      { AWS: 'carol', CanonicalUser: ['dave', 'alice'] },
    ];
    for (const Principal of named) {
      const policy = parse(statement({ Principal }));
      t.equal(policy.decide('alice', 's3:GetObject', BUCKET, 'k'), 'Allow', JSON.stringify(Principal));
      t.equal(policy.decide('bob', 's3:GetObject', BUCKET, 'k'), undefined);
      t.equal(policy.decide(undefined, 's3:GetObject', BUCKET, 'k'), undefined);
      t.equal(policy.isPublic, false);
    }
    t.equal(parse(statement({ Principal: { AWS: '*', CanonicalUser: 'alice' } })).isPublic, true);
  },
);

void t.test('policy: what is not decided by is refused by name', async (t) => {
  const notImplemented: [Record<string, unknown>, RegExp][] = [
    [{ Condition: { Bool: { 'aws:SecureTransport': 'true' } } }, /Condition/],
    [{ NotAction: 's3:*' }, /NotAction/],
    [{ NotResource: ARN }, /NotResource/],
    [{ Effect: 'Deny', NotPrincipal: '*' }, /NotPrincipal/],
    [{ Principal: { Service: 'x.amazonaws.com' } }, /Service/],
    [{ Resource: `${ARN}/\${aws:username}/*` }, /aws:username/],
  ];
  for (const [fields, message] of notImplemented)
    t.throws(() => parse(statement(fields)), { kind: 'NOT_IMPLEMENTED', message });
  const malformed: [Record<string, unknown>, RegExp][] = [
    [{ Effect: 'allow' }, /"allow"/],
    [{ Effect: 'Allow', NotPrincipal: '*' }, /NotPrincipal/],
    [{ Principal: undefined }, /missing/],
    [{ Principal: 'alice' }, /"alice"/],
    [{ Principal: { AWS: 'a b' } }, /"a b"/],
    [{ Principal: { AWS: 'arn:aws:iam::123456789012:root' } }, /123456789012/],
    [{ Principal: { CanonicalUser: '*' } }, /"\*"/],
    [{ Principal: { CanonicalUser: 'arn:aws:iam::a:root' } }, /root/],
    [{ Principal: {} }, /missing/],
    [{ Principal: { AWS: [] } }, /empty/],
    [{ Principal: { AWS: [], CanonicalUser: 'alice' } }, /empty/],
    [{ Action: 'ec2:*' }, /ec2/],
    [{ Action: 7 }, /7/],
    [{ Resource: 'arn:aws:s3:::other/*' }, /other/],
    [{ Resource: `${ARN}s/*` }, /photoss/],
    [{ Resource: '*' }, /"\*"/],
    [{ Resource: undefined }, /missing/],
    [{ Sid: 1 }, /Sid/],
    [{ Efect: 'Deny' }, /Efect/],
  ];
  for (const [fields, message] of malformed)
    t.throws(() => parse(statement(fields)), { kind: 'MALFORMED', message });
  for (const document of [
    '',
    'x',
    '[]',
    'null',
    '{}',
    '{"Statement":[]}',
    '{"Version":"1","Statement":[]}',
    '{"Version":"2012-10-17","Statements":[]}',
    ' '.repeat(20_481),
  ])
    t.throws(
      () => BucketPolicy.parse(BUCKET, document),
      { name: 'PolicyRefusal', kind: 'MALFORMED' },
      document.slice(0, 40),
    );
  t.throws(() => parse(...Array.from({ length: 201 }, () => statement())), {
    name: 'PolicyRefusal',
    kind: 'MALFORMED',
  });
});

void t.test('policy: wildcards match as the obvious regular expression does', async (t) => {
  const letters = fc.array(fc.constantFrom('a', 'b', '*', '?'), { maxLength: 8 });
  const subject = fc.array(fc.constantFrom('a', 'b', '/', '.'), { maxLength: 10 });
  fc.assert(
    fc.property(letters, subject, (pattern, text) => {
      const source = pattern.map((one) => (one === '*' ? '[^]*' : one === '?' ? '[^]' : one)).join('');
      const expected = new RegExp(`^${source}$`).test(text.join(''));
      return matches(pattern.join(''), text.join('')) === expected;
    }),
    { numRuns: 500 },
  );
  t.equal(matches(`${'a*'.repeat(500)}b`, 'a'.repeat(1024)), false, 'in bounded time');
});
