import { createHash } from 'node:crypto';
import { Readable } from 'node:stream';
import {
  DeleteObjectCommand,
  GetObjectCommand,
  HeadObjectCommand,
  PutObjectCommand,
} from '@aws-sdk/client-s3';
import type { GetObjectCommandOutput } from '@aws-sdk/client-s3';
import t from 'tap';
import { startEndpoint } from '../../../support/s3-endpoint.js';

const bytesOf = async (output: GetObjectCommandOutput): Promise<Buffer> =>
  Buffer.from((await output.Body?.transformToByteArray()) ?? []);

const Bucket = 'bucket';

void t.test('objects: a small body comes back with its ETag, headers and metadata', async (t) => {
  const { client, objects } = await startEndpoint(t);
  const put = await client.send(
    new PutObjectCommand({
      Bucket,
      Key: 'a/b',
      Body: 'hello',
      ContentType: 'text/plain',
      CacheControl: 'no-cache',
      Metadata: { color: 'blue' },
      Tagging: 'a=1&b=2',
    }),
  );
  const md5 = createHash('md5').update('hello').digest('hex');
  t.equal(put.ETag, `"${md5}"`);
  t.ok(put.ChecksumCRC32, 'the checksum that the SDK sends is verified and said again');
  const got = await client.send(new GetObjectCommand({ Bucket, Key: 'a/b', ChecksumMode: 'ENABLED' }));
  t.equal((await bytesOf(got)).toString(), 'hello');
  t.match(got, {
    ETag: `"${md5}"`,
    ContentType: 'text/plain',
    CacheControl: 'no-cache',
    Metadata: { color: 'blue' },
    ContentLength: 5,
    TagCount: 2,
    AcceptRanges: 'bytes',
    ChecksumCRC32: put.ChecksumCRC32,
    ChecksumType: 'FULL_OBJECT',
  });
  t.equal(objects.unreleased, 0, 'the bytes were given back');
});

void t.test('objects: bodies of every size around the small limit come back', async (t) => {
  const { client, objects } = await startEndpoint(t);
  for (const size of [0, 1, 10_240, 262_143, 262_144, 262_145, 5_000_000]) {
    const Body = Buffer.alloc(size, `${size}-pattern-`);
    const Key = `size-${size}`;
    await client.send(new PutObjectCommand({ Bucket, Key, Body }));
    const got = await client.send(new GetObjectCommand({ Bucket, Key }));
    t.ok((await bytesOf(got)).equals(Body), `${size} bytes`);
    t.equal(got.ContentLength, size);
  }
  t.equal(objects.unreleased, 0);
  t.equal(objects.openStreams, 0);
});

void t.test('objects: a stream, sent as aws-chunked with a trailing checksum, comes back', async (t) => {
  const { client } = await startEndpoint(t);
  for (const size of [100, 3_000_000])
    for (const ChecksumAlgorithm of ['CRC32', 'CRC32C', 'SHA1', 'SHA256'] as const) {
      const bytes = Buffer.alloc(size, ChecksumAlgorithm);
      const Body = Readable.from([bytes.subarray(0, size / 3), bytes.subarray(size / 3)]);
      const put = await client.send(
        new PutObjectCommand({ Bucket, Key: 'stream', Body, ContentLength: size, ChecksumAlgorithm }),
      );
      t.ok(put[`Checksum${ChecksumAlgorithm}`], ChecksumAlgorithm);
      const got = await client.send(new GetObjectCommand({ Bucket, Key: 'stream', ChecksumMode: 'ENABLED' }));
      t.ok((await bytesOf(got)).equals(bytes));
      t.equal(got[`Checksum${ChecksumAlgorithm}`], put[`Checksum${ChecksumAlgorithm}`]);
      t.equal(got.ContentEncoding, undefined, 'aws-chunked is not kept');
    }
});

void t.test('objects: keys are taken as they are', async (t) => {
  const { client } = await startEndpoint(t);
  const keys = ['a//b', 'a/../b', './x', 'tail/', '100%', 'a+b c', '😀/ü', '/lead', '?#&', 'x'.repeat(1024)];
  for (const Key of keys) await client.send(new PutObjectCommand({ Bucket, Key, Body: Key }));
  for (const Key of keys) {
    const got = await client.send(new GetObjectCommand({ Bucket, Key }));
    t.equal((await bytesOf(got)).toString(), Key);
  }
});

void t.test('objects: ranges, also of large objects and from the end', async (t) => {
  const { client } = await startEndpoint(t);
  for (const size of [100, 1_000_000]) {
    const bytes = Buffer.alloc(size, '0123456789abc');
    await client.send(new PutObjectCommand({ Bucket, Key: 'r', Body: bytes }));
    const range = async (Range: string): Promise<GetObjectCommandOutput> =>
      client.send(new GetObjectCommand({ Bucket, Key: 'r', Range }));
    const middle = await range('bytes=10-19');
    t.equal(middle.$metadata.httpStatusCode, 206);
    t.equal(middle.ContentRange, `bytes 10-19/${size}`);
    t.ok((await bytesOf(middle)).equals(bytes.subarray(10, 20)));
    t.ok((await bytesOf(await range('bytes=-7'))).equals(bytes.subarray(-7)));
    t.ok((await bytesOf(await range('bytes=90-'))).equals(bytes.subarray(90)));
    const several = await range('bytes=0-1,5-6');
    t.equal(several.$metadata.httpStatusCode, 200);
    t.equal((await bytesOf(several)).length, size);
    await t.rejects(range(`bytes=${size}-`), { name: 'InvalidRange', $metadata: { httpStatusCode: 416 } });
    const head = await client.send(new HeadObjectCommand({ Bucket, Key: 'r', Range: 'bytes=1-5' }));
    t.match(head, { ContentLength: 5, ContentRange: `bytes 1-5/${size}` });
  }
});

void t.test('objects: HEAD says what GET would, and where the object stands', async (t) => {
  const { client, url } = await startEndpoint(t);
  await client.send(new PutObjectCommand({ Bucket, Key: 'h', Body: 'hello', ContentType: 'a/b' }));
  t.match(await client.send(new HeadObjectCommand({ Bucket, Key: 'h' })), {
    ContentLength: 5,
    ContentType: 'a/b',
  });
  const answer = await fetch(`${url}/bucket/h`, { method: 'HEAD' });
  t.equal(answer.headers.get('x-headrace-state'), 'PENDING');
  await t.rejects(client.send(new HeadObjectCommand({ Bucket, Key: 'none' })), { name: 'NotFound' });
});

void t.test('objects: conditions of reads follow S3', async (t) => {
  const { client } = await startEndpoint(t);
  await client.send(new PutObjectCommand({ Bucket, Key: 'c', Body: 'hello' }));
  const { ETag, LastModified } = await client.send(new HeadObjectCommand({ Bucket, Key: 'c' }));
  const second = LastModified?.getTime() ?? 0;
  const get = (conditions: object): Promise<GetObjectCommandOutput> =>
    client.send(new GetObjectCommand({ Bucket, Key: 'c', ...conditions }));
  const status = async (conditions: object): Promise<number | undefined> => {
    try {
      const output = await get(conditions);
      await output.Body?.transformToByteArray();
      return output.$metadata.httpStatusCode;
    } catch (error) {
      return (error as { $metadata: { httpStatusCode: number } }).$metadata.httpStatusCode;
    }
  };
  const earlier = new Date(second - 10_000);
  t.equal(await status({ IfMatch: ETag }), 200);
  t.equal(await status({ IfMatch: '"other"' }), 412);
  t.equal(await status({ IfNoneMatch: ETag }), 304);
  t.equal(await status({ IfNoneMatch: '"other"' }), 200);
  t.equal(await status({ IfModifiedSince: LastModified }), 304);
  t.equal(await status({ IfModifiedSince: earlier }), 200);
  t.equal(await status({ IfUnmodifiedSince: LastModified }), 200);
  t.equal(await status({ IfUnmodifiedSince: earlier }), 412);
  t.equal(await status({ IfMatch: ETag, IfUnmodifiedSince: earlier }), 200);
  t.equal(await status({ IfNoneMatch: ETag, IfModifiedSince: earlier }), 304);
});

void t.test('objects: a 304 has no body and says what the client has', async (t) => {
  const { client, url } = await startEndpoint(t);
  await client.send(new PutObjectCommand({ Bucket, Key: 'c', Body: 'hello' }));
  const { ETag = '' } = await client.send(new HeadObjectCommand({ Bucket, Key: 'c' }));
  const answer = await fetch(`${url}/bucket/c`, { headers: { 'If-None-Match': ETag } });
  t.equal(answer.status, 304);
  t.equal(await answer.text(), '');
  t.equal(answer.headers.get('etag'), ETag);
  t.ok(answer.headers.get('last-modified'));
});

void t.test('objects: conditions of writes; of two that must be the first, one is', async (t) => {
  const { client } = await startEndpoint(t);
  const put = (Body: string, conditions: object) =>
    client.send(new PutObjectCommand({ Bucket, Key: 'w', Body, ...conditions }));
  const results = await Promise.allSettled([
    put('one', { IfNoneMatch: '*' }),
    put('two', { IfNoneMatch: '*' }),
  ]);
  t.same(results.map(({ status }) => status).toSorted(), ['fulfilled', 'rejected']);
  await t.rejects(put('x', { IfMatch: '"other"' }), { name: 'PreconditionFailed' });
  const { ETag } = await client.send(new HeadObjectCommand({ Bucket, Key: 'w' }));
  await put('three', { IfMatch: ETag });
  const remove = (IfMatch: string) => client.send(new DeleteObjectCommand({ Bucket, Key: 'w', IfMatch }));
  await t.rejects(remove(ETag ?? ''), { name: 'PreconditionFailed' });
});

void t.test('objects: a delete succeeds whether or not there was one', async (t) => {
  const { client } = await startEndpoint(t);
  await client.send(new PutObjectCommand({ Bucket, Key: 'd', Body: 'x' }));
  for (let time = 0; time < 2; time++) {
    const { $metadata } = await client.send(new DeleteObjectCommand({ Bucket, Key: 'd' }));
    t.equal($metadata.httpStatusCode, 204);
  }
  await t.rejects(client.send(new GetObjectCommand({ Bucket, Key: 'd' })), { name: 'NoSuchKey' });
  await t.rejects(client.send(new GetObjectCommand({ Bucket: 'nobody', Key: 'd' })), {
    name: 'NoSuchBucket',
  });
});

void t.test('objects: a write says where its event stands', async (t) => {
  const { url } = await startEndpoint(t);
  const answer = await fetch(`${url}/bucket/o`, { method: 'PUT', body: 'x' });
  t.equal(answer.headers.get('x-headrace-offset'), '0:0');
  t.equal(answer.headers.get('server'), 'Headrace');
  t.match(answer.headers.get('x-amz-request-id'), /^[\dA-F]{16}$/);
  t.ok(answer.headers.get('x-amz-id-2'));
});

void t.test('objects: response-* parameters replace headers of the answer', async (t) => {
  const { client } = await startEndpoint(t);
  await client.send(new PutObjectCommand({ Bucket, Key: 'o', Body: 'x', ContentType: 'a/b' }));
  const got = await client
    .send(
      new GetObjectCommand({
        Bucket,
        Key: 'o',
        ResponseContentType: 'c/d',
        ResponseContentDisposition: 'attachment; filename="ü"',
      }),
    )
    .catch((error: unknown) => error);
  t.match(got, { ContentType: 'c/d' });
});

void t.test('objects: versions other than the only one are refused', async (t) => {
  const { client } = await startEndpoint(t);
  await client.send(new PutObjectCommand({ Bucket, Key: 'v', Body: 'x' }));
  const get = (VersionId: string) => client.send(new GetObjectCommand({ Bucket, Key: 'v', VersionId }));
  t.equal((await bytesOf(await get('null'))).toString(), 'x');
  await t.rejects(get('abc'), { name: 'InvalidArgument' });
});
