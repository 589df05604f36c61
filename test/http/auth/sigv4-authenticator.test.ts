import { createHash } from 'node:crypto';
import fc from 'fast-check';
import t from 'tap';
import type { AuthenticationRequest, Identity } from '../../../src/http/auth/authenticator.js';
import { SigV4Authenticator } from '../../../src/http/auth/sigv4-authenticator.js';
import { parseTarget } from '../../../src/http/s3/request-target.js';
import { FixedClock } from '../../support/fixed-clock.js';
import { presign, signHeaders } from '../../support/sigv4-signer.js';
import { throwsS3 } from '../../support/throws-s3.js';

/** The examples of the S3 API reference use these. */
const ACCESS_KEY = 'AKIAIOSFODNN7EXAMPLE';
const SECRET = 'wJalrXUtnFEMI/K7MDENG/bPxRfiCYEXAMPLEKEY';
const TIME = '20130524T000000Z';
const TIME_MS = Date.UTC(2013, 4, 24);
const HOST = 'examplebucket.s3.amazonaws.com';
const SIGNER = { accessKeyId: ACCESS_KEY, secret: SECRET, region: 'us-east-1', time: TIME };
const EMPTY = createHash('sha256').digest('hex');

const clock = new FixedClock(TIME_MS);
const authenticator = new SigV4Authenticator({
  credentials: {
    find: (id) =>
      id === ACCESS_KEY || id === 'disabled' || id === 'with/slash'
        ? { secretAccessKey: SECRET, enabled: id !== 'disabled', user: 'example' }
        : undefined,
  },
  clock,
  anonymous: false,
});

function request(method: string, url: string, headers: Record<string, string>): AuthenticationRequest {
  const { rawPath, rawQuery, query, signing } = parseTarget(url, undefined, []);
  return { method, rawPath, rawQuery, query, signing, headers, rawHeaders: Object.entries(headers).flat() };
}

function authenticate(method: string, url: string, headers: Record<string, string>): Identity {
  return authenticator.authenticate(request(method, url, headers));
}

function authorization(signedHeaders: string, signature: string): string {
  return `AWS4-HMAC-SHA256 Credential=${ACCESS_KEY}/20130524/us-east-1/s3/aws4_request, SignedHeaders=${signedHeaders}, Signature=${signature}`;
}

const common = { host: HOST, 'x-amz-date': TIME, 'x-amz-content-sha256': EMPTY };

void t.test('sigv4: the published example of GetObject with a range is accepted', async (t) => {
  const signature = 'f0e8bdb87c964420e857bd35b5d6ed310bd44f0170aba48dd91039c6036bdb41';
  const headers = { ...common, range: 'bytes=0-9' };
  const signed = {
    ...headers,
    authorization: authorization('host;range;x-amz-content-sha256;x-amz-date', signature),
  };
  t.match(authenticate('GET', '/test.txt', signed), { accessKeyId: ACCESS_KEY, user: 'example' });
});

void t.test('sigv4: the published example of PutObject is accepted', async (t) => {
  const signature = '98ad721746da40c64f1a55b78f14c238d841ea1380cd77a1b5971af0ece108bd';
  t.ok(
    authenticate('PUT', '/test$file.text', {
      ...common,
      'x-amz-content-sha256': '44ce7dd67c959e0d3524ffac1771dfbba87d2b6b4b4e99e42034a8b803f8b072',
      date: 'Fri, 24 May 2013 00:00:00 GMT',
      'x-amz-storage-class': 'REDUCED_REDUNDANCY',
      authorization: authorization(
        'date;host;x-amz-content-sha256;x-amz-date;x-amz-storage-class',
        signature,
      ),
    }),
  );
});

void t.test('sigv4: the published examples with queries are accepted', async (t) => {
  for (const [url, signature] of [
    ['/?lifecycle', 'fea454ca298b7da1c68078a5d1bdbfbbe0d65c699e0f91ac7a200a0136783543'],
    ['/?max-keys=2&prefix=J', '34b48302e7b5fa45bde8084f4b7868a86f0a534bc59db6670ed5711ef69dc6f7'],
  ] as const)
    t.ok(
      authenticate('GET', url, {
        ...common,
        authorization: authorization('host;x-amz-content-sha256;x-amz-date', signature),
      }),
      url,
    );
});

const PRESIGNED =
  '/test.txt?X-Amz-Algorithm=AWS4-HMAC-SHA256&X-Amz-Credential=AKIAIOSFODNN7EXAMPLE%2F20130524%2Fus-east-1%2Fs3%2Faws4_request&X-Amz-Date=20130524T000000Z&X-Amz-Expires=86400&X-Amz-SignedHeaders=host&X-Amz-Signature=aeeed9bbccd4d02ee5c0109b86d86835f995330da4c265957d157751f604d404';

void t.test('sigv4: the published example of a presigned URL is accepted until it expires', async (t) => {
  t.teardown(() => (clock.nowMs = TIME_MS));
  t.match(authenticate('GET', PRESIGNED, { host: HOST }), { user: 'example', payload: 'UNSIGNED-PAYLOAD' });
  clock.nowMs = TIME_MS + 86_400_000;
  t.ok(authenticate('GET', PRESIGNED, { host: HOST }));
  clock.nowMs++;
  throwsS3(t, () => authenticate('GET', PRESIGNED, { host: HOST }), 'AccessDenied', /has expired/);
  clock.nowMs = TIME_MS - 16 * 60_000;
  throwsS3(t, () => authenticate('GET', PRESIGNED, { host: HOST }), 'AccessDenied', /not yet valid/);
});

void t.test('sigv4: the published example of signed chunks is accepted, chunk by chunk', async (t) => {
  const seed = '4f232c4386841ef735655705268965c44a0e4690baa4adea153f7db9fa80a0a9';
  const { chunks } = authenticate('PUT', '/examplebucket/chunkObject.txt', {
    host: 's3.amazonaws.com',
    'x-amz-date': TIME,
    'x-amz-storage-class': 'REDUCED_REDUNDANCY',
    'x-amz-content-sha256': 'STREAMING-AWS4-HMAC-SHA256-PAYLOAD',
    'content-encoding': 'aws-chunked',
    'x-amz-decoded-content-length': '66560',
    'content-length': '66824',
    authorization: authorization(
      'content-encoding;content-length;host;x-amz-content-sha256;x-amz-date;x-amz-decoded-content-length;x-amz-storage-class',
      seed,
    ),
  });
  const sha256 = (bytes: number): string => createHash('sha256').update('a'.repeat(bytes)).digest('hex');
  t.ok(
    chunks?.verifyChunk('ad80c730a21e5b8d04586a2213dd63b9a0e99e0e2307b0ade35a65485a288648', sha256(65_536)),
  );
  t.ok(chunks?.verifyChunk('0055627c9e194cb4542bae2aa5492e3c1575bbb81b612b7d234b86a503ef5497', sha256(1024)));
  t.ok(chunks?.verifyChunk('b6c6ea8a5354eaf15b3cb7646744f4275b71ea724fed81ceb9323e279d449df9', sha256(0)));
});

void t.test('sigv4: the published example of a signed trailer is accepted', async (t) => {
  const seed = '106e2a8a18243abcf37539882f36619c00e2dfc72633413f02d3b74544bfeb8e';
  const { chunks } = authenticate('PUT', '/examplebucket/chunkObject.txt', {
    host: 's3.amazonaws.com',
    'x-amz-date': TIME,
    'x-amz-storage-class': 'REDUCED_REDUNDANCY',
    'x-amz-content-sha256': 'STREAMING-AWS4-HMAC-SHA256-PAYLOAD-TRAILER',
    'content-encoding': 'aws-chunked',
    'x-amz-decoded-content-length': '66560',
    'x-amz-trailer': 'x-amz-checksum-crc32c',
    authorization: authorization(
      'content-encoding;host;x-amz-content-sha256;x-amz-date;x-amz-decoded-content-length;x-amz-storage-class;x-amz-trailer',
      seed,
    ),
  });
  const sha256 = (text: string): string => createHash('sha256').update(text).digest('hex');
  for (const [signature, bytes] of [
    ['b474d8862b1487a5145d686f57f013e54db672cee1c953b3010fb58501ef5aa2', 65_536],
    ['1c1344b170168f8e65b41376b44b20fe354e373826ccbbe2c1d40a8cae51e5c7', 1024],
    ['2ca2aba2005185cf7159c6277faf83795951dd77a3a99e6e65d5c9f85863f992', 0],
  ] as const)
    t.ok(chunks?.verifyChunk(signature, sha256('a'.repeat(bytes))));
  const trailer = 'd81f82fc3505edab99d459891051a732e8730629a2e4a59689829ca17fe2e435';
  t.ok(chunks?.verifyTrailer(trailer, sha256('x-amz-checksum-crc32c:sOO8/Q==\n')));
});

void t.test('sigv4: whatever is signed is accepted, and nothing else', async (t) => {
  const text = fc.string({ unit: 'binary', minLength: 1, maxLength: 20 });
  const encode = (part: string): string =>
    encodeURIComponent(part).replaceAll(/[!'()*]/g, (c) => `%${c.charCodeAt(0).toString(16).toUpperCase()}`);
  fc.assert(
    fc.property(text, fc.dictionary(text, text, { maxKeys: 4 }), fc.boolean(), (key, query, inQuery) => {
      const path = `/bucket/${encode(key)}`;
      const parts = { method: 'GET', path, query, headers: { host: HOST } };
      const plain = Object.entries(query)
        .map(([name, value]) => `${encode(name)}=${encode(value)}`)
        .join('&');
      const url = inQuery
        ? `${path}?${presign(SIGNER, parts, 60)}`
        : `${path}${plain === '' ? '' : `?${plain}`}`;
      const headers = inQuery ? { host: HOST } : signHeaders(SIGNER, { ...parts, payload: EMPTY });
      t.equal(authenticate('GET', url, headers).user, 'example');
      throwsS3(t, () => authenticate('PUT', url, headers), 'SignatureDoesNotMatch');
      throwsS3(t, () => authenticate('GET', url, { ...headers, host: 'other' }), 'SignatureDoesNotMatch');
      const more = `${url}${url.includes('?') ? '&' : '?'}more=1`;
      throwsS3(t, () => authenticate('GET', more, headers), 'SignatureDoesNotMatch');
    }),
    { numRuns: 60 },
  );
});

void t.test('sigv4: who is unknown, disabled, late, or has no signature is told so', async (t) => {
  const parts = { method: 'GET', path: '/b/k', headers: { host: HOST }, payload: EMPTY };
  const as = (more: object): Record<string, string> => signHeaders({ ...SIGNER, ...more }, parts);
  throwsS3(t, () => authenticate('GET', '/b/k', as({ accessKeyId: 'nobody' })), 'InvalidAccessKeyId');
  throwsS3(t, () => authenticate('GET', '/b/k', as({ accessKeyId: 'disabled' })), 'InvalidAccessKeyId');
  throwsS3(t, () => authenticate('GET', '/b/k', as({ secret: 'wrong' })), 'SignatureDoesNotMatch');
  throwsS3(t, () => authenticate('GET', '/b/k', as({ time: '20130524T001501Z' })), 'RequestTimeTooSkewed');
  throwsS3(t, () => authenticate('GET', '/b/k', as({ time: '20130523T234459Z' })), 'RequestTimeTooSkewed');
  throwsS3(t, () => authenticate('GET', '/b/k', { host: HOST }), 'AccessDenied');
  t.ok(authenticate('GET', '/b/k', as({ accessKeyId: 'with/slash', region: 'eu-west-1' })));
});

void t.test('sigv4: a header that was not signed is refused by name', async (t) => {
  const parts = { method: 'GET', path: '/b/k', headers: { host: HOST }, payload: EMPTY };
  const headers = { ...signHeaders(SIGNER, parts), 'x-amz-acl': 'private' };
  throwsS3(t, () => authenticate('GET', '/b/k', headers), 'AccessDenied', /were not signed/);
  const unhosted = signHeaders(SIGNER, { ...parts, headers: {} });
  throwsS3(t, () => authenticate('GET', '/b/k', { ...unhosted, host: HOST }), 'AccessDenied');
  const odd = signHeaders(SIGNER, { ...parts, headers: { host: HOST, constructor: '' } });
  const { constructor: _, ...sent } = odd;
  t.ok(authenticate('GET', '/b/k', sent), 'a name that every object has is no header');
});

void t.test('sigv4: what cannot be read is refused with what is wrong', async (t) => {
  const good = signHeaders(SIGNER, { method: 'GET', path: '/b/k', headers: { host: HOST }, payload: EMPTY });
  const refused = (change: Record<string, string | undefined>, code: string, about: RegExp): void => {
    const headers = Object.entries({ ...good, ...change }).filter(([, value]) => value !== undefined);
    throwsS3(
      t,
      () => authenticate('GET', '/b/k', Object.fromEntries(headers) as Record<string, string>),
      code,
      about,
    );
  };
  const signed = good['authorization'] ?? '';
  refused({ authorization: 'AWS AKID:abc=' }, 'InvalidRequest', /not supported/);
  refused({ authorization: 'AWS4-ECDSA-P256-SHA256 x' }, 'InvalidRequest', /not supported/);
  refused({ authorization: 'Basic abc' }, 'InvalidArgument', /Unsupported Authorization Type/);
  refused({ authorization: 'AWS4-HMAC-SHA256 Credential=a' }, 'AuthorizationHeaderMalformed', /needs/);
  refused(
    { authorization: signed.replace(/20130524/, '2013') },
    'AuthorizationHeaderMalformed',
    /date format/,
  );
  refused(
    { authorization: signed.replace(/20130524/, '20130525') },
    'AuthorizationHeaderMalformed',
    /not the same/,
  );
  refused(
    { authorization: signed.replace('/s3/', '/ec2/') },
    'AuthorizationHeaderMalformed',
    /service "ec2"/,
  );
  refused(
    { authorization: signed.replace('aws4_request', 'aws5') },
    'AuthorizationHeaderMalformed',
    /terminal/,
  );
  refused(
    { authorization: signed.replace('us-east-1', 'r'.repeat(5000)) },
    'AuthorizationHeaderMalformed',
    /region/,
  );
  refused(
    { authorization: signed.replace(/Signature=.*/, 'Signature=abc') },
    'AuthorizationHeaderMalformed',
    /64/,
  );
  refused({ 'x-amz-date': 'yesterday' }, 'AccessDenied', /x-amz-date/);
  refused({ 'x-amz-content-sha256': undefined }, 'InvalidRequest', /x-amz-content-sha256/);
  refused({ 'x-amz-security-token': 'token' }, 'InvalidToken', /token/);
});

void t.test('sigv4: a presigned URL that cannot be read is refused with what is wrong', async (t) => {
  const change = (pattern: RegExp, replacement: string): string => PRESIGNED.replace(pattern, replacement);
  const refused = (url: string, about: RegExp): void =>
    throwsS3(t, () => authenticate('GET', url, { host: HOST }), 'AuthorizationQueryParametersError', about);
  refused(change(/&X-Amz-Expires=\d+/, ''), /requires the/);
  refused(change(/X-Amz-Expires=\d+/, 'X-Amz-Expires=soon'), /number/);
  refused(change(/X-Amz-Expires=\d+/, 'X-Amz-Expires=-1'), /non-negative/);
  refused(change(/X-Amz-Expires=\d+/, 'X-Amz-Expires=604801'), /less than a week/);
  refused(change(/AWS4-HMAC-SHA256/, 'MD5'), /only supports/);
  refused(change(/X-Amz-Date=\w+/, 'X-Amz-Date=today'), /ISO8601/);
  refused(change(/%2Fs3%2F/, '%2Fec2%2F'), /service "ec2"/);
  throwsS3(
    t,
    () => authenticate('GET', '/b/k?AWSAccessKeyId=a&Signature=b&Expires=1', { host: HOST }),
    'InvalidRequest',
  );
  const both = { host: HOST, authorization: 'AWS4-HMAC-SHA256 x' };
  throwsS3(t, () => authenticate('GET', PRESIGNED, both), 'InvalidArgument', /Only one auth mechanism/);
});

void t.test('sigv4: several headers of a name are signed as one, runs of spaces as one space', async (t) => {
  const headers = { host: HOST, 'x-amz-meta-a': 'one,two', 'x-amz-meta-b': 'a b c' };
  const signed = signHeaders(SIGNER, { method: 'GET', path: '/', headers, payload: EMPTY });
  const sent = { ...signed, 'x-amz-meta-a': 'one, two', 'x-amz-meta-b': ' a   b c ' };
  const rawHeaders = ['X-Amz-Meta-A', 'one', 'x-amz-meta-a', ' two'];
  t.ok(authenticator.authenticate({ ...request('GET', '/', sent), rawHeaders }));
});

void t.test('sigv4: a value may end with a byte that is a space elsewhere', async (t) => {
  for (const value of ['voil\xc3\xa0', '\xc2\xa0', 'l\xc3\xa0 et l\xc3\xa0', '\xc3\xa0  \xc3\xa0']) {
    const headers = { host: HOST, 'x-amz-meta-a': value };
    const tidy = { ...headers, 'x-amz-meta-a': value.replaceAll(/ +/g, ' ') };
    const signed = signHeaders(
      { ...SIGNER },
      { method: 'GET', path: '/', headers: tidy, payload: EMPTY, bytes: true },
    );
    t.ok(authenticate('GET', '/', { ...signed, ...headers }), JSON.stringify(value));
  }
});

void t.test('sigv4: presigned URLs of the same second are told apart by their signatures', async (t) => {
  const urls = ['/b/one', '/b/two'].map(
    (path) => [path, presign(SIGNER, { method: 'GET', path, headers: { host: HOST } }, 60)] as const,
  );
  for (const [path, query] of urls) t.ok(authenticate('GET', `${path}?${query}`, { host: HOST }));
  const [[one, first], [two, second]] = urls as [(typeof urls)[0], (typeof urls)[0]];
  throwsS3(t, () => authenticate('GET', `${two}?${first}`, { host: HOST }), 'SignatureDoesNotMatch');
  throwsS3(t, () => authenticate('GET', `${one}?${second}`, { host: HOST }), 'SignatureDoesNotMatch');
  // The signature is not always last.
  const moved = (first ?? '').replace(/^(.*)&(X-Amz-Signature=\w+)$/, '$2&$1');
  t.ok(authenticate('GET', `${one}?${moved}`, { host: HOST }));
  throwsS3(
    t,
    () => authenticate('GET', `${one}?X-Amz-Signature=${'0'.repeat(64)}&${moved}`, { host: HOST }),
    'SignatureDoesNotMatch',
  );
  throwsS3(
    t,
    () => authenticate('GET', `${one}?X-Amz-Signature=${'0'.repeat(64)}`, { host: HOST }),
    'AuthorizationQueryParametersError',
  );
});

void t.test(
  'sigv4: a payload that the header states is not remembered for the next presigned URL',
  async (t) => {
    const parts = { method: 'GET', path: '/b/k', headers: { host: HOST, 'x-amz-content-sha256': EMPTY } };
    const url = `/b/k?${presign(SIGNER, parts, 61, EMPTY)}`;
    t.equal(authenticate('GET', url, parts.headers).payload, EMPTY);
    throwsS3(t, () => authenticate('GET', url, { host: HOST }), 'SignatureDoesNotMatch');
    t.equal(authenticate('GET', url, parts.headers).payload, EMPTY);
  },
);

void t.test('sigv4: a presigned URL that was used is checked as the first time', async (t) => {
  const time = new FixedClock(TIME_MS);
  let credential = { secretAccessKey: SECRET, enabled: true, user: 'example' };
  const used = new SigV4Authenticator({
    credentials: { find: () => credential },
    clock: time,
    anonymous: false,
  });
  const query = presign(SIGNER, { method: 'GET', path: '/b/used', headers: { host: HOST } }, 62);
  const ask = (method = 'GET', host = HOST, text = query, path = '/b/used'): Identity =>
    used.authenticate(request(method, `${path}?${text}`, { host }));
  const refused = 'SignatureDoesNotMatch';
  for (let use = 0; use < 3; use++) t.match(ask(), { user: 'example' });
  throwsS3(t, () => ask('PUT'), refused);
  throwsS3(t, () => ask('GET', 'other'), refused);
  throwsS3(
    t,
    () =>
      ask(
        'GET',
        HOST,
        query.replace(/.$/, (last) => (last === '0' ? '1' : '0')),
      ),
    refused,
  );
  throwsS3(t, () => ask('GET', HOST, query.replace('X-Amz-Expires=62', 'X-Amz-Expires=63')), refused);
  throwsS3(t, () => ask('GET', HOST, query, '/b/other'), refused);
  // Whatever was refused, what is right stays so, and as it says who asks.
  credential = { ...credential, user: 'renamed' };
  t.match(ask(), { user: 'renamed' });
  credential = { ...credential, secretAccessKey: 'another' };
  throwsS3(t, () => ask(), refused);
  credential = { ...credential, secretAccessKey: SECRET, enabled: false };
  throwsS3(t, () => ask(), 'InvalidAccessKeyId');
  credential = { ...credential, enabled: true };
  t.ok(ask());
  time.nowMs += 63_000;
  throwsS3(t, () => ask(), 'AccessDenied');
});

void t.test('sigv4: more presigned URLs than are remembered are told apart', async (t) => {
  const urls = Array.from({ length: 5000 }, (_, n) => {
    const path = `/b/many-${n}`;
    return `${path}?${presign(SIGNER, { method: 'GET', path, headers: { host: HOST } }, 64)}`;
  });
  for (let use = 0; use < 2; use++)
    for (const [n, url] of urls.entries()) {
      authenticate('GET', url, { host: HOST });
      const other = url.replace('many-', n === 0 ? 'many-1' : 'many-0');
      throwsS3(t, () => authenticate('GET', other, { host: HOST }), 'SignatureDoesNotMatch');
    }
});
