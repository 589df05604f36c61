import { createHash } from 'node:crypto';
import t from 'tap';
import type { Test } from 'tap';
import { checksumOf } from '../../../src/core/checksum.js';
import type { ObjectService } from '../../../src/engine/object-service.js';
import { codeOf, openRaw, startEndpoint } from '../../support/s3-endpoint.js';
import type { S3Endpoint } from '../../support/s3-endpoint.js';

const HOST = 'Host: 127.0.0.1\r\n';
const SMALL = Buffer.from('hello');
const LARGE = Buffer.alloc(1_000_000, 'large body ');

/** An endpoint that tells when an answer was given or given up, and counts the writes the engine was asked for. */
async function watch(
  t: Test,
): Promise<S3Endpoint & { puts: () => number; nextAnswer: () => Promise<number> }> {
  let puts = 0;
  let wake: (status: number) => void = () => {};
  const endpoint = await startEndpoint(
    t,
    { observer: (_operation, status) => wake(status) },
    (objects): Partial<ObjectService> => ({
      putObject: (request) => {
        puts++;
        return objects.putObject(request);
      },
    }),
  );
  const nextAnswer = (): Promise<number> =>
    new Promise((resolve) => {
      wake = resolve;
    });
  return Object.assign(endpoint, { puts: () => puts, nextAnswer });
}

async function put(t: Test, port: number, headers: string, body: Uint8Array): Promise<string | number> {
  const raw = openRaw(t, port);
  raw.send(`PUT /bucket/k HTTP/1.1\r\n${HOST}${headers}Content-Length: ${body.length}\r\n\r\n`, body);
  const answer = await raw.answer();
  return codeOf(answer) ?? answer.status;
}

void t.test('integrity: a client that vanishes in the middle of a body stores nothing', async (t) => {
  const { port, objects, puts, nextAnswer } = await watch(t);
  for (const body of [SMALL, LARGE]) {
    const raw = openRaw(t, port);
    const over = nextAnswer();
    raw.send(`PUT /bucket/k HTTP/1.1\r\n${HOST}Content-Length: ${body.length + 1}\r\n\r\n`, body);
    raw.socket.once('ready', () => raw.socket.end(() => raw.socket.resetAndDestroy()));
    t.ok([0, 400].includes(await over), 'no success was claimed');
    await t.rejects(objects.headObject({ bucket: 'bucket', key: 'k' }), { code: 'NO_SUCH_KEY' });
  }
  t.equal(puts(), 1, 'the engine saw the large one only');
});

void t.test('integrity: a body that ends early is told so', async (t) => {
  const { port, objects } = await startEndpoint(t);
  for (const body of [SMALL, LARGE]) {
    const raw = openRaw(t, port);
    raw.send(`PUT /bucket/k HTTP/1.1\r\n${HOST}Content-Length: ${body.length + 1}\r\n\r\n`, body);
    raw.socket.end();
    const answer = await raw.answer();
    t.equal(answer.status, 400);
    t.equal(codeOf(answer), 'IncompleteBody');
    await raw.ended();
    await t.rejects(objects.headObject({ bucket: 'bucket', key: 'k' }), { code: 'NO_SUCH_KEY' });
  }
});

void t.test('integrity: a body that stops moving is given up', async (t) => {
  const { port, objects } = await startEndpoint(t, { options: { idleTimeoutMs: 30 } });
  for (const body of [SMALL, LARGE]) {
    const raw = openRaw(t, port);
    raw.send(`PUT /bucket/k HTTP/1.1\r\n${HOST}Content-Length: ${body.length + 1}\r\n\r\n`, body);
    const answer = await raw.answer();
    t.equal(answer.status, 400);
    t.equal(codeOf(answer), 'RequestTimeout');
    await raw.ended();
    await t.rejects(objects.headObject({ bucket: 'bucket', key: 'k' }), { code: 'NO_SUCH_KEY' });
  }
});

void t.test('integrity: an MD5 is checked; one that is none is refused', async (t) => {
  const { port } = await startEndpoint(t);
  for (const body of [SMALL, LARGE]) {
    const md5 = createHash('md5').update(body).digest('base64');
    t.equal(await put(t, port, `Content-MD5: ${md5}\r\n`, body), 200);
    t.equal(await put(t, port, 'Content-MD5: AAAAAAAAAAAAAAAAAAAAAA==\r\n', body), 'BadDigest');
    for (const wrong of ['AAAA', md5.slice(0, -2), 'nonsense', ''])
      t.equal(await put(t, port, `Content-MD5: ${wrong}\r\n`, body), 'InvalidDigest', wrong);
  }
});

void t.test('integrity: every checksum is checked in the header', async (t) => {
  const { port, objects } = await startEndpoint(t);
  for (const algorithm of ['CRC32', 'CRC32C', 'CRC64NVME', 'SHA1', 'SHA256'] as const)
    for (const body of [SMALL, LARGE]) {
      const header = `x-amz-checksum-${algorithm.toLowerCase()}`;
      const value = checksumOf(algorithm, [body]);
      t.equal(await put(t, port, `${header}: ${value}\r\n`, body), 200, algorithm);
      const { checksum } = await objects.headObject({ bucket: 'bucket', key: 'k' });
      t.same(checksum, { algorithm, value, type: 'FULL_OBJECT' });
      await objects.deleteObject('bucket', 'k');
      t.equal(
        await put(t, port, `${header}: ${checksumOf(algorithm, [])}\r\n`, body),
        'BadDigest',
        algorithm,
      );
      t.equal(await put(t, port, `${header}: abc\r\n`, body), 'InvalidRequest', algorithm);
      await t.rejects(objects.headObject({ bucket: 'bucket', key: 'k' }), { code: 'NO_SUCH_KEY' });
    }
});

void t.test('integrity: the SHA-256 that a client signed is checked', async (t) => {
  const { port } = await startEndpoint(t);
  for (const body of [SMALL, LARGE, Buffer.alloc(0)]) {
    const sha256 = createHash('sha256').update(body).digest('hex');
    const header = (value: string): string => `x-amz-content-sha256: ${value}\r\n`;
    t.equal(await put(t, port, header(sha256), body), 200);
    t.equal(await put(t, port, header('UNSIGNED-PAYLOAD'), body), 200);
    t.equal(await put(t, port, header('a'.repeat(64)), body), 'XAmzContentSHA256Mismatch');
    t.equal(await put(t, port, header('abc'), body), 'InvalidArgument');
    t.equal(await put(t, port, header('STREAMING-AWS4-ECDSA-P256-SHA256-PAYLOAD'), body), 'NotImplemented');
  }
});

function awsChunked(body: Uint8Array, trailer: string): Buffer {
  const half = body.length >> 1;
  const chunk = (part: Uint8Array): Buffer =>
    Buffer.concat([Buffer.from(`${part.length.toString(16)}\r\n`), part, Buffer.from('\r\n')]);
  const chunks = [body.subarray(0, half), body.subarray(half)].map(chunk);
  return Buffer.concat([...chunks, Buffer.from(`0\r\n${trailer}\r\n`)]);
}

void t.test('integrity: a checksum in the trailer is checked', async (t) => {
  const { port, objects } = await startEndpoint(t);
  for (const body of [SMALL, LARGE]) {
    const head =
      'x-amz-content-sha256: STREAMING-UNSIGNED-PAYLOAD-TRAILER\r\nContent-Encoding: aws-chunked\r\n' +
      `x-amz-trailer: x-amz-checksum-crc32c\r\nx-amz-decoded-content-length: ${body.length}\r\n`;
    const trailer = (value: string): string => `x-amz-checksum-crc32c:${value}\r\n`;
    const send = (tail: string): Promise<string | number> => put(t, port, head, awsChunked(body, tail));
    t.equal(await send(trailer('AAAAAA==')), 'BadDigest');
    t.equal(await send(trailer('AAAA')), 'InvalidRequest');
    t.equal(await send(''), 'MalformedTrailerError');
    await t.rejects(objects.headObject({ bucket: 'bucket', key: 'k' }), { code: 'NO_SUCH_KEY' });
    t.equal(await send(trailer(checksumOf('CRC32C', [body]))), 200);
    t.equal((await objects.headObject({ bucket: 'bucket', key: 'k' })).size, body.length);
    await objects.deleteObject('bucket', 'k');
  }
});

void t.test('integrity: aws-chunked data must be as long as declared', async (t) => {
  const { port, objects } = await startEndpoint(t);
  for (const body of [SMALL, LARGE])
    for (const [length, code] of [
      [String(body.length - 1), 'IncompleteBody'],
      [String(body.length + 1), 'IncompleteBody'],
      ['x', 'InvalidArgument'],
      ['', 'InvalidArgument'],
    ] as const) {
      const head = `Content-Encoding: aws-chunked\r\nx-amz-decoded-content-length: ${length}\r\n`;
      t.equal(await put(t, port, head, awsChunked(body, '')), code);
      await t.rejects(objects.headObject({ bucket: 'bucket', key: 'k' }), { code: 'NO_SUCH_KEY' });
    }
  t.equal(
    await put(t, port, 'Content-Encoding: aws-chunked\r\n', awsChunked(SMALL, '')),
    'MissingContentLength',
  );
});

void t.test('integrity: a body beyond 5 GiB is refused by its length', async (t) => {
  const { port } = await startEndpoint(t);
  const raw = openRaw(t, port);
  raw.send(`PUT /bucket/k HTTP/1.1\r\n${HOST}Content-Length: ${5 * 1024 ** 3 + 1}\r\n\r\n`);
  t.equal(codeOf(await raw.answer()), 'EntityTooLarge');
});
