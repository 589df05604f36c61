/** The bench's signed requests against the signer of the tests, which was written apart from the server's code. */
import { createHash } from 'node:crypto';
import t from 'tap';
import { bodyBlock } from '../../bench/load-plan.js';
import { RequestTemplate, type RequestSigning } from '../../bench/request-template.js';
import { presign, signChunks, signHeaders } from '../support/sigv4-signer.js';

const PORT = 29998;
const HOST = `127.0.0.1:${PORT}`;
const KEY = { accessKeyId: 'AKID', secretAccessKey: 'secret' };
const BODY = bodyBlock(0, 1000);

interface Parsed {
  readonly method: string;
  readonly target: string;
  readonly headers: Readonly<Record<string, string>>;
  readonly body: Buffer;
}

function parse(bytes: Buffer): Parsed {
  const end = bytes.indexOf('\r\n\r\n');
  const [line = '', ...fields] = bytes.toString('latin1', 0, end).split('\r\n');
  const [method = '', target = ''] = line.split(' ');
  const headers = fields.map((field) => {
    const colon = field.indexOf(':');
    return [field.slice(0, colon).toLowerCase(), field.slice(colon + 1).trim()] as const;
  });
  return { method, target, headers: Object.fromEntries(headers), body: bytes.subarray(end + 4) };
}

function requestFor(name: string, method: string, form?: RequestSigning['form']): Parsed {
  const template = new RequestTemplate({
    method,
    port: PORT,
    prefix: 'bench/keys/',
    bodyBytes: method === 'PUT' ? BODY.length : undefined,
    body: method === 'PUT' ? BODY : undefined,
    signing: form === undefined ? undefined : { ...KEY, form },
  });
  template.prepare('ffffffff');
  template.prepare(name);
  return parse(template.bytes);
}

function signerOf(headers: Readonly<Record<string, string>>) {
  return {
    accessKeyId: KEY.accessKeyId,
    secret: KEY.secretAccessKey,
    region: 'us-east-1',
    time: headers['x-amz-date'] ?? '',
  };
}

void t.test('request template: only the name of a request without a signature changes', async (t) => {
  const request = requestFor('0badcafe', 'PUT');
  t.equal(request.target, '/bench/keys/0badcafe');
  t.same(request.headers, { host: HOST, 'content-length': String(BODY.length) });
  t.ok(request.body.equals(BODY));
});

for (const form of ['signed-payload', 'unsigned-payload', 'signed-trailer'] as const) {
  void t.test(`request template: the header of ${form} is signed for its name`, async (t) => {
    const { method, target, headers, body } = requestFor('0badcafe', 'PUT', form);
    t.equal(Number(headers['content-length']), body.length);
    const { authorization = '', 'content-length': _, ...others } = headers;
    const { 'x-amz-date': __, 'x-amz-content-sha256': payload = '', ...rest } = others;
    const signer = signerOf(headers);
    const expected = signHeaders(signer, { method, path: target, headers: rest, payload });
    t.equal(authorization.replaceAll(', ', ','), expected['authorization']);
    const sha256 = createHash('sha256').update(BODY).digest('hex');
    if (form === 'signed-payload') t.equal(payload, sha256);
    if (form !== 'signed-trailer') return;
    const [, checksum = ''] = /x-amz-checksum-crc32:(.*)\r\n/.exec(body.toString('latin1')) ?? [];
    const seed = authorization.slice(-64);
    t.ok(body.equals(signChunks(signer, seed, [BODY], { 'x-amz-checksum-crc32': checksum })));
  });
}

void t.test('request template: a presigned URL is signed for its name', async (t) => {
  const { method, target, headers } = requestFor('0badcafe', 'GET', 'presigned');
  const url = new URL(target, `http://${HOST}`);
  const time = url.searchParams.get('X-Amz-Date') ?? '';
  const expires = Number(url.searchParams.get('X-Amz-Expires'));
  const parts = { method, path: url.pathname, headers: { host: headers['host'] ?? '' } };
  t.equal(url.search.slice(1), presign({ ...signerOf(headers), time }, parts, expires));
});
