import assert from 'node:assert/strict';
import fc from 'fast-check';
import t from 'tap';
import { parsePlainHead, type PlainHead } from '../../../src/http/plain/plain-head.js';
import { edits, headLines } from '../../support/http-heads.js';
import { readByNode } from '../../support/node-reading.js';

const RUNS = Number(process.env['HEADRACE_TEST_RUNS'] ?? 2000);
const BODY_BYTES_MAX = 1000;
const LINE = 'GET /bucket/key HTTP/1.1\r\n';

function parse(text: string): PlainHead | undefined {
  const bytes = Buffer.from(text, 'latin1');
  return parsePlainHead(bytes, 0, bytes.length);
}

function withHeaders(...lines: string[]): string {
  return `${LINE}${lines.map((line) => `${line}\r\n`).join('')}\r\n`;
}

void t.test('plain head: what is plain is read', async (t) => {
  const text =
    'PUT /bucket/a%20b?x=y&z HTTP/1.1\r\nHOST: a\r\nContent-Length: 12\r\nX-Amz-Meta-Long: from one to the other\r\n\r\n';
  t.same(parse(text), {
    method: 'PUT',
    url: '/bucket/a%20b?x=y&z',
    headers: { host: 'a', 'content-length': '12', 'x-amz-meta-long': 'from one to the other' },
    rawHeaders: ['HOST', 'a', 'Content-Length', '12', 'X-Amz-Meta-Long', 'from one to the other'],
    bodyBytes: 12,
    expectsContinue: false,
    end: text.length,
  });
  t.match(parse('HEAD / HTTP/1.1\r\n\r\n'), { method: 'HEAD', headers: {}, rawHeaders: [], bodyBytes: 0 });
  for (const method of ['GET', 'PUT', 'HEAD', 'DELETE', 'POST'])
    t.equal(parse(`${method} / HTTP/1.1\r\nHost: a\r\n\r\n`)?.method, method);
});

void t.test('plain head: values are trimmed, and else stay as they came', async (t) => {
  for (const [line, value] of [
    ['X-A:', ''],
    ['X-A: ', ''],
    ['X-A:b', 'b'],
    ['X-A:   b   ', 'b'],
    ['X-A:  b \t c  ', 'b \t c'],
    ['X-A: a value that is longer: \x80\xff~  ', 'a value that is longer: \x80\xff~'],
  ] as const)
    t.equal(parse(withHeaders(line))?.headers['x-a'], value, JSON.stringify(line));
  t.match(parse(withHeaders('Expect: 100-Continue')), { expectsContinue: true });
  t.match(parse(withHeaders('Content-Length: 007')), { bodyBytes: 7 });
  t.match(parse(withHeaders(`Content-Length: ${'9'.repeat(15)}`)), { bodyBytes: 999_999_999_999_999 });
  t.match(parse(withHeaders('Connection: Keep-Alive', 'Proxy-Connection: keep-alive')), { bodyBytes: 0 });
});

void t.test('plain head: it lies between its start and the end that is given', async (t) => {
  const head = 'GET /bucket HTTP/1.1\r\nHost: a\r\n\r\n';
  const bytes = Buffer.from(`rest${head}GET /bucket HTTP/1.1\r\n`, 'latin1');
  const end = 4 + head.length;
  t.match(parsePlainHead(bytes, 4, bytes.length), { url: '/bucket', headers: { host: 'a' }, end });
  t.match(parsePlainHead(bytes, 4, end), { end });
  for (let before = 0; before < end; before++) t.equal(parsePlainHead(bytes, 4, before), undefined);
  t.equal(parsePlainHead(bytes, 3, bytes.length), undefined);
  t.equal(parsePlainHead(bytes, end, bytes.length), undefined, 'one that is not whole');
  t.equal(parsePlainHead(bytes, bytes.length, bytes.length), undefined);
});

void t.test('plain head: what two readers could take for two things is not plain', async (t) => {
  for (const line of [
    'PATCH / HTTP/1.1',
    'OPTIONS / HTTP/1.1',
    'CONNECT a:1 HTTP/1.1',
    'TRACE / HTTP/1.1',
    'get / HTTP/1.1',
    'GETS / HTTP/1.1',
    ' GET / HTTP/1.1',
    '\r\nGET / HTTP/1.1',
    'GET  / HTTP/1.1',
    'GET\t/ HTTP/1.1',
    'GET / HTTP/1.0',
    'GET / HTTP/1.2',
    'GET / HTTP/2.0',
    'GET / http/1.1',
    'GET / HTTP/1.1 ',
    'GET /  HTTP/1.1',
    'GET /',
    'GET  HTTP/1.1',
    'GET http://a/ HTTP/1.1',
    'GET * HTTP/1.1',
    'GET a HTTP/1.1',
    'GET /a b HTTP/1.1',
    'GET /a\tb HTTP/1.1',
    'GET /a\0b HTTP/1.1',
    'GET /a\x7fb HTTP/1.1',
    'GET /gr\xfcn HTTP/1.1',
    'GET / HTTP/1.1\nHost: b',
    'GET / HTTP/1.1\rHost: b',
  ])
    t.equal(parse(`${line}\r\nHost: a\r\n\r\n`), undefined, JSON.stringify(line));
  for (const lines of [
    ['X-A: b', 'x-a: c'],
    ['X-A:', 'X-A:'],
    ['Host: a', 'host: a'],
    ['Content-Length: 3', 'content-length: 3'],
    ['X-A:\tb'],
    ['X-A: b \t '],
    ['X-A : b'],
    ['X-A\t: b'],
    [' X-A: b'],
    ['X-A: b', ' c'],
    ['X-A: b', '\tc'],
    ['X-A'],
    [': b'],
    ['X A: b'],
    ['X-(A): b'],
    ['X-\xfc: b'],
    ['X-A: b\nX-C: d'],
    ['X-A: b\rX-C: d'],
    ['X-A: b\r'],
    ['X-A: b\n'],
    ['X-A: b\0'],
    ['X-A: \x01b'],
    ['X-A: b\x0b'],
    ['X-A: b\x1fc'],
    ['X-A: b\x7f'],
    ['Transfer-Encoding: chunked'],
    ['Transfer-Encoding:'],
    ['transfer-encoding: identity', 'Content-Length: 3'],
    ['TE: trailers'],
    ['Trailer: x'],
    ['Upgrade: h2c'],
    ['HTTP2-Settings: a'],
    ['Set-Cookie: a'],
    ['Expect: 200'],
    ['Expect:'],
    ['Expect: 100-continue, 100-continue'],
    ['Connection: close'],
    ['Connection: keep-alive, close'],
    ['Connection: X-A'],
    ['Connection:'],
    ['Proxy-Connection: close'],
    ['Content-Length:'],
    ['Content-Length: +3'],
    ['Content-Length: -3'],
    ['Content-Length: 3,3'],
    ['Content-Length: 3 3'],
    ['Content-Length: 3.0'],
    ['Content-Length: 0x3'],
    ['Content-Length: 3a'],
    [`Content-Length: ${'0'.repeat(15)}3`],
    ['__proto__: a'],
    ['constructor: a'],
  ])
    t.equal(parse(withHeaders(...lines)), undefined, JSON.stringify(lines));
});

void t.test('plain head: 64 headers are plain, and no more', async (t) => {
  const lines = Array.from({ length: 65 }, (_, index) => `x-${index}: ${index}`);
  t.equal(parse(withHeaders(...lines.slice(1)))?.rawHeaders.length, 128);
  t.equal(parse(withHeaders(...lines)), undefined);
});

void t.test('plain head: one that was read does not change with the bytes it was read from', async (t) => {
  const text = withHeaders('Host: a', 'X-Short: b', `X-Long: ${'c'.repeat(50)}`);
  const bytes = Buffer.from(text, 'latin1');
  const head = parsePlainHead(bytes, 0, bytes.length);
  bytes.fill('z');
  t.same(head, parse(text));
});

void t.test('plain head: node:http understands every plain head alike', async (t) => {
  let plain = 0;
  let total = 0;
  const property = fc.asyncProperty(headLines, edits, async (lines, edited) => {
    const text = edited(`${lines.join('\r\n')}\r\n\r\n`);
    const head = parse(text);
    total++;
    if (head === undefined || head.bodyBytes > BODY_BYTES_MAX) return;
    plain++;
    const next = 'GET /next HTTP/1.1\r\nHost: next\r\n\r\n';
    const whole = text.slice(0, head.end) + 'x'.repeat(head.bodyBytes) + next;
    const { requests, failed } = await readByNode(Buffer.from(whole, 'latin1'));
    const [request, behind] = requests;
    assert.equal(failed, false);
    assert.equal(requests.length, 2);
    assert.deepEqual(
      [request?.method, request?.url, request?.httpVersion, request?.headers, request?.rawHeaders],
      [head.method, head.url, '1.1', head.headers, head.rawHeaders],
    );
    assert.equal(behind?.url, '/next');
  });
  await t.resolves(fc.assert(property, { numRuns: RUNS, seed: 1 }));
  t.ok(plain > total / 10, `${plain} of ${total} are plain`);
});
