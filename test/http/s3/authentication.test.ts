import { createHash } from 'node:crypto';
import { Readable } from 'node:stream';
import { GetObjectCommand, ListBucketsCommand, PutObjectCommand, S3Client } from '@aws-sdk/client-s3';
import t from 'tap';
import type { Test } from 'tap';
import { SystemClock } from '../../../src/adapters/system-clock.js';
import { SigV4Authenticator } from '../../../src/http/auth/sigv4-authenticator.js';
import { checksumOf } from '../../../src/core/checksum.js';
import { formatCompactDate } from '../../../src/http/s3/timestamps.js';
import { codeOf, openRaw, startEndpoint } from '../../support/s3-endpoint.js';
import type { S3Endpoint } from '../../support/s3-endpoint.js';
import { presign, signChunks, signHeaders } from '../../support/sigv4-signer.js';
import type { Signer } from '../../support/sigv4-signer.js';

const Bucket = 'bucket';

async function startSigned(
  t: Test,
  anonymous = false,
): Promise<S3Endpoint & { host: string; signer: Signer }> {
  const clock = new SystemClock();
  const credentials = {
    find: (id: string) =>
      id === 'access' ? { secretAccessKey: 'secret', enabled: true, user: 'test' } : undefined,
  };
  const authenticator = new SigV4Authenticator({ credentials, clock, anonymous });
  const endpoint = await startEndpoint(t, { authenticator });
  const time = formatCompactDate(clock.wallTimeMs());
  const signer = { accessKeyId: 'access', secret: 'secret', region: 'us-east-1', time };
  return Object.assign(endpoint, { host: `127.0.0.1:${endpoint.port}`, signer });
}

void t.test('authentication: the AWS SDK signs what the server accepts', async (t) => {
  const { client } = await startSigned(t);
  for (const Key of ['plain', 'a b/ü+😀', "!'()*~", 'a//../b', '%41']) {
    await client.send(new PutObjectCommand({ Bucket, Key, Body: Key, Metadata: { 'some-thing': 'a  b' } }));
    const got = await client.send(new GetObjectCommand({ Bucket, Key, ResponseContentType: 'a/b; c="d e"' }));
    t.equal(await got.Body?.transformToString(), Key);
  }
  const Body = Readable.from([Buffer.alloc(300_000, 'x'), Buffer.alloc(300_000, 'y')]);
  t.ok(await client.send(new PutObjectCommand({ Bucket, Key: 'stream', Body, ContentLength: 600_000 })));
});

void t.test('authentication: a wrong secret, a wrong key and no key are refused', async (t) => {
  const { url } = await startSigned(t);
  const list = (accessKeyId: string, secretAccessKey: string): Promise<unknown> =>
    new S3Client({
      ...{ endpoint: url, region: 'us-east-1', forcePathStyle: true, maxAttempts: 1 },
      credentials: { accessKeyId, secretAccessKey },
    }).send(new ListBucketsCommand({}));
  await t.rejects(list('access', 'other'), { name: 'SignatureDoesNotMatch' });
  await t.rejects(list('nobody', 'secret'), { name: 'InvalidAccessKeyId' });
  const answer = await fetch(url);
  t.equal(answer.status, 403);
  t.match(await answer.text(), '<Code>AccessDenied</Code>');
});

void t.test('authentication: who is anonymous is let in only where that is allowed', async (t) => {
  const { url } = await startSigned(t, true);
  t.equal((await fetch(url)).status, 200);
});

void t.test('authentication: a presigned URL needs no other header', async (t) => {
  const { url, host, signer } = await startSigned(t);
  const target = (method: string, seconds: number): string =>
    `${url}/bucket/a%20b?${presign(signer, { method, path: '/bucket/a%20b', headers: { host } }, seconds)}`;
  t.equal((await fetch(target('PUT', 60), { method: 'PUT', body: 'hello' })).status, 200);
  t.equal(await (await fetch(target('GET', 60))).text(), 'hello');
  t.equal((await fetch(target('GET', 60), { method: 'DELETE' })).status, 403);
  const expired = { ...signer, time: '20200101T000000Z' };
  const old = presign(expired, { method: 'GET', path: '/bucket/a%20b', headers: { host } }, 60);
  t.match(await (await fetch(`${url}/bucket/a%20b?${old}`)).text(), 'Request has expired');
});

void t.test(
  'authentication: headers in the query of a presigned URL are as if they had been sent',
  async (t) => {
    const { url, host, signer, objects } = await startSigned(t);
    const address = { bucket: 'bucket', key: 'k' };
    const put = (query: Record<string, string>, headers: Record<string, string> = {}): Promise<Response> => {
      const signed = presign(signer, { method: 'PUT', path: '/bucket/k', query, headers: { host } }, 60);
      return fetch(`${url}/bucket/k?${signed}`, { method: 'PUT', body: 'hello', headers });
    };
    t.match(await (await put({ 'x-amz-server-side-encryption': 'AES256' })).text(), 'NotImplemented');
    await t.rejects(objects.headObject(address), { code: 'NO_SUCH_KEY' });
    const emptyBody = { 'x-amz-checksum-crc32': 'AAAAAA==', 'x-amz-sdk-checksum-algorithm': 'CRC32' };
    const sent = await put({ ...emptyBody, 'x-amz-meta-a': 'b', 'X-Amz-Tagging': 'c=d' });
    t.equal(sent.status, 200);
    t.match(await objects.headObject(address), {
      checksum: undefined,
      headers: { user: { a: 'b' }, tags: { c: 'd' } },
    });
    t.match(
      await (await put({ 'x-amz-meta-a': 'b' }, { 'x-amz-meta-a': 'c' })).text(),
      'which were not signed',
    );
  },
);

void t.test('authentication: a body that is not the one that was signed is refused', async (t) => {
  const { url, host, signer, objects } = await startSigned(t);
  const payload = createHash('sha256').update('hello').digest('hex');
  const headers = signHeaders(signer, { method: 'PUT', path: '/bucket/k', headers: { host }, payload });
  const put = (body: string): Promise<Response> => fetch(`${url}/bucket/k`, { method: 'PUT', headers, body });
  t.match(await (await put('jello')).text(), '<Code>XAmzContentSHA256Mismatch</Code>');
  await t.rejects(objects.headObject({ bucket: 'bucket', key: 'k' }), { code: 'NO_SUCH_KEY' });
  t.equal((await put('hello')).status, 200);
});

void t.test(
  'authentication: signed chunks and trailers are checked, a changed byte is refused',
  async (t) => {
    const { port, host, signer, objects } = await startSigned(t);
    for (const size of [10, 500_000])
      for (const trailing of [false, true]) {
        const data = Buffer.alloc(size, 'abc');
        const crc = checksumOf('CRC32', [data]);
        const payload = `STREAMING-AWS4-HMAC-SHA256-PAYLOAD${trailing ? '-TRAILER' : ''}`;
        const headers = signHeaders(signer, {
          method: 'PUT',
          path: '/bucket/k',
          headers: {
            host,
            'x-amz-decoded-content-length': String(size),
            ...(trailing ? { 'x-amz-trailer': 'x-amz-checksum-crc32' } : {}),
          },
          payload,
        });
        const seed = headers['authorization']?.slice(-64) ?? '';
        const chunks = [data.subarray(0, size / 2), data.subarray(size / 2)];
        const body = signChunks(signer, seed, chunks, trailing ? { 'x-amz-checksum-crc32': crc } : {});
        const send = async (bytes: Uint8Array): Promise<string | number> => {
          const raw = openRaw(t, port);
          const lines = Object.entries(headers).map(([name, value]) => `${name}: ${value}\r\n`);
          raw.send(
            `PUT /bucket/k HTTP/1.1\r\n${lines.join('')}Content-Length: ${bytes.length}\r\n\r\n`,
            bytes,
          );
          const answer = await raw.answer();
          return codeOf(answer) ?? answer.status;
        };
        const changed = Buffer.from(body);
        changed[200] = (changed[200] ?? 0) ^ 1;
        if (size > 10) t.equal(await send(changed), 'SignatureDoesNotMatch');
        const stripped = Buffer.from(
          body.toString('latin1').replace(/x-amz-trailer-signature:.*\r\n/, ''),
          'latin1',
        );
        if (trailing) t.equal(await send(stripped), 'SignatureDoesNotMatch');
        await t.rejects(objects.headObject({ bucket: 'bucket', key: 'k' }), { code: 'NO_SUCH_KEY' });
        t.equal(await send(body), 200);
        t.equal((await objects.headObject({ bucket: 'bucket', key: 'k' })).size, size);
        await objects.deleteObject('bucket', 'k');
      }
  },
);
