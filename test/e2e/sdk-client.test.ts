/** The AWS SDK for JavaScript, unchanged, against the real process. */
import {
  CompleteMultipartUploadCommand,
  CopyObjectCommand,
  CreateBucketCommand,
  CreateMultipartUploadCommand,
  DeleteBucketCommand,
  DeleteObjectsCommand,
  GetObjectCommand,
  HeadObjectCommand,
  ListBucketsCommand,
  ListObjectsV2Command,
  NoSuchKey,
  paginateListObjectsV2,
  PutObjectCommand,
  S3Client,
  UploadPartCommand,
  UploadPartCopyCommand,
} from '@aws-sdk/client-s3';
import t from 'tap';
import { TestServer } from '../support/headrace-process.js';
import { makeBody, multipartContent, singleContent } from '../support/object-model.js';

const Bucket = 'sdk-bucket';
const PART_BYTES = 5 * 1024 ** 2;

void t.test('AWS SDK: buckets, objects, listings, copies, multipart uploads and deletes', async (t) => {
  const server = await TestServer.start(t);
  await server.process.setPolicies('WRITE_BACK');
  const client = new S3Client({
    endpoint: server.endpoint,
    region: 'us-east-1',
    forcePathStyle: true,
    credentials: { accessKeyId: 'any', secretAccessKey: 'any' },
  });
  t.teardown(() => client.destroy());
  const read = async (Key: string, Range?: string) => {
    const got = await client.send(new GetObjectCommand({ Bucket, Key, Range }));
    return Buffer.from((await got.Body?.transformToByteArray()) ?? []);
  };
  await client.send(new CreateBucketCommand({ Bucket }));
  t.same(
    (await client.send(new ListBucketsCommand({}))).Buckets?.map((bucket) => bucket.Name),
    [Bucket],
  );

  await t.test('an object comes back with its bytes, headers and ETag', async (t) => {
    const Body = makeBody(1, 300_000);
    const put = await client.send(
      new PutObjectCommand({
        Bucket,
        Key: 'dir/größe & 100%.bin',
        Body,
        ContentType: 'application/x-test',
        Metadata: { origin: 'here' },
      }),
    );
    t.equal(put.ETag, singleContent(1, 300_000).etag);
    const head = await client.send(new HeadObjectCommand({ Bucket, Key: 'dir/größe & 100%.bin' }));
    t.match(head, { ETag: put.ETag, ContentLength: 300_000, ContentType: 'application/x-test' });
    t.same(head.Metadata, { origin: 'here' });
    t.ok((await read('dir/größe & 100%.bin')).equals(Body));
    t.ok((await read('dir/größe & 100%.bin', 'bytes=100-199')).equals(Body.subarray(100, 200)));
  });

  await t.test('a stream of unknown checksum is sent in chunks with a trailer', async (t) => {
    const Body = makeBody(2, 100_000);
    await client.send(new PutObjectCommand({ Bucket, Key: 'chunked', Body, ChecksumAlgorithm: 'CRC32' }));
    t.ok((await read('chunked')).equals(Body));
  });

  await t.test('what is not there is NoSuchKey, and a failed condition stores nothing', async (t) => {
    await t.rejects(read('nothing'), NoSuchKey);
    const again = new PutObjectCommand({ Bucket, Key: 'chunked', Body: 'x', IfNoneMatch: '*' });
    await t.rejects(client.send(again), { name: 'PreconditionFailed' });
    t.equal((await read('chunked')).length, 100_000);
  });

  await t.test('a multipart upload with a copied part is one object', async (t) => {
    const Key = 'multipart';
    const { UploadId } = await client.send(new CreateMultipartUploadCommand({ Bucket, Key }));
    const parts = [singleContent(3, PART_BYTES), singleContent(1, 300_000)];
    const Body = makeBody(3, PART_BYTES);
    const first = await client.send(new UploadPartCommand({ Bucket, Key, UploadId, PartNumber: 1, Body }));
    const CopySource = `${Bucket}/${encodeURIComponent('dir/größe & 100%.bin')}`;
    const second = await client.send(
      new UploadPartCopyCommand({ Bucket, Key, UploadId, PartNumber: 2, CopySource }),
    );
    const complete = new CompleteMultipartUploadCommand({
      Bucket,
      Key,
      UploadId,
      MultipartUpload: {
        Parts: [
          { PartNumber: 1, ETag: first.ETag },
          { PartNumber: 2, ETag: second.CopyPartResult?.ETag },
        ],
      },
    });
    const tooLong = new UploadPartCopyCommand({
      ...{ Bucket, Key, UploadId, PartNumber: 3, CopySource, CopySourceRange: 'bytes=0-300000' },
    });
    await t.rejects(client.send(tooLong), { name: 'InvalidRange' }, 'a source that ends too early');
    const done = await client.send(complete);
    t.equal((await client.send(complete)).ETag, done.ETag, 'a completion whose answer was lost is repeated');
    t.equal(done.ETag, multipartContent(parts).etag);
    t.ok((await read(Key)).equals(Buffer.concat([Body, makeBody(1, 300_000)])));
  });

  await t.test('a copy is its own object', async (t) => {
    await client.send(new CopyObjectCommand({ Bucket, Key: 'copy', CopySource: `${Bucket}/chunked` }));
    t.ok((await read('copy')).equals(makeBody(2, 100_000)));
    const { ETag } = await client.send(new HeadObjectCommand({ Bucket, Key: 'copy' }));
    const unchanged = { CopySource: `${Bucket}/copy`, CopySourceIfNoneMatch: ETag };
    const refused = client.send(new CopyObjectCommand({ Bucket, Key: 'other', ...unchanged }));
    await t.rejects(refused, { name: 'PreconditionFailed' }, 'a copy is never 304');
  });

  await t.test('listings page through everything, with common prefixes', async (t) => {
    const keys: string[] = [];
    for await (const page of paginateListObjectsV2({ client, pageSize: 1 }, { Bucket }))
      keys.push(...(page.Contents ?? []).map((object) => object.Key ?? ''));
    t.same(keys, ['chunked', 'copy', 'dir/größe & 100%.bin', 'multipart']);
    const top = await client.send(new ListObjectsV2Command({ Bucket, Delimiter: '/' }));
    t.same(
      top.CommonPrefixes?.map((prefix) => prefix.Prefix),
      ['dir/'],
    );
    const Objects = keys.map((Key) => ({ Key }));
    const deleted = await client.send(new DeleteObjectsCommand({ Bucket, Delete: { Objects } }));
    t.equal(deleted.Deleted?.length, keys.length);
    t.equal((await client.send(new ListObjectsV2Command({ Bucket }))).KeyCount, 0);
    await client.send(new DeleteBucketCommand({ Bucket }));
  });
});
