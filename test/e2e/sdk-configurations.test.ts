/** Tags, bucket configurations, versions, attributes and requests across origins: the AWS SDK against the real process. */
import {
  CompleteMultipartUploadCommand,
  CopyObjectCommand,
  CreateBucketCommand,
  CreateMultipartUploadCommand,
  DeleteBucketCorsCommand,
  DeleteBucketTaggingCommand,
  DeleteObjectsCommand,
  DeleteObjectTaggingCommand,
  GetBucketCorsCommand,
  GetBucketEncryptionCommand,
  GetBucketLifecycleConfigurationCommand,
  GetBucketTaggingCommand,
  GetObjectAttributesCommand,
  GetObjectTaggingCommand,
  HeadObjectCommand,
  ListObjectVersionsCommand,
  PutBucketCorsCommand,
  PutBucketTaggingCommand,
  PutObjectCommand,
  PutObjectTaggingCommand,
  S3Client,
  UploadPartCommand,
  type Tag,
} from '@aws-sdk/client-s3';
import t from 'tap';
import type { Test } from 'tap';
import { eventually, TestServer } from '../support/headrace-process.js';
import { makeBody } from '../support/object-model.js';

const Bucket = 'configured';

async function start(t: Test): Promise<{ server: TestServer; client: S3Client }> {
  const server = await TestServer.start(t);
  await server.process.setPolicies('WRITE_BACK', { '/configured/through/**': 'WRITE_THROUGH' });
  const client = new S3Client({
    endpoint: server.endpoint,
    region: 'us-east-1',
    forcePathStyle: true,
    credentials: { accessKeyId: 'any', secretAccessKey: 'any' },
  });
  t.teardown(() => client.destroy());
  await client.send(new CreateBucketCommand({ Bucket }));
  return { server, client };
}

const tagSet = (tags: Record<string, string>): Tag[] =>
  Object.entries(tags).map(([Key, Value]) => ({ Key, Value }));

void t.test('tags: written, changed and deleted, before and after the UFS has the object', async (t) => {
  const { server, client } = await start(t);
  const tagsOf = async (Key: string) =>
    (await client.send(new GetObjectTaggingCommand({ Bucket, Key }))).TagSet;
  const persisted = (): Promise<void> =>
    eventually(
      async () => (await server.status()).pendingObjects === 0,
      () => 'objects are still pending',
    );
  for (const Key of ['back', 'through/key']) {
    await t.test(Key, async (t) => {
      const put = await client.send(
        new PutObjectCommand({ Bucket, Key, Body: 'hello', Tagging: 'a=1&b=zwei+%C3%BC' }),
      );
      t.same(await tagsOf(Key), tagSet({ a: '1', b: 'zwei ü' }));
      const before = await client.send(new HeadObjectCommand({ Bucket, Key }));
      t.equal(before.TagCount, 2);
      const changes: Record<string, string>[] = [{ c: '3' }, { d: '4', e: '5' }];
      for (const tags of changes) {
        await persisted();
        await client.send(new PutObjectTaggingCommand({ Bucket, Key, Tagging: { TagSet: tagSet(tags) } }));
        t.same(await tagsOf(Key), tagSet(tags));
      }
      const after = await client.send(new HeadObjectCommand({ Bucket, Key }));
      t.equal(after.ETag, put.ETag, 'the ETag stays');
      t.same(after.LastModified, before.LastModified, 'and the time');
      t.equal(await server.process.s3('GET', `/${Bucket}/${Key}`), 'hello');

      await persisted();
      t.equal((await server.cli('job', 'free', '--path', `/${Bucket}/${Key}`)).code, 0);
      t.same(await tagsOf(Key), tagSet({ d: '4', e: '5' }), 'the UFS has learnt them');
      await client.send(
        new PutObjectTaggingCommand({ Bucket, Key, Tagging: { TagSet: tagSet({ f: '6' }) } }),
      );
      t.same(await tagsOf(Key), tagSet({ f: '6' }), 'what only the UFS holds can be tagged too');
      t.equal((await client.send(new HeadObjectCommand({ Bucket, Key }))).ETag, put.ETag);
      t.equal(await server.process.s3('GET', `/${Bucket}/${Key}`), 'hello');
      await client.send(new DeleteObjectTaggingCommand({ Bucket, Key }));
      t.same(await tagsOf(Key), []);
    });
  }
  await t.test('a copy keeps the tags or gets new ones', async (t) => {
    await client.send(new PutObjectCommand({ Bucket, Key: 'source', Body: 'x', Tagging: 'a=1' }));
    const CopySource = `${Bucket}/source`;
    await client.send(new CopyObjectCommand({ Bucket, Key: 'kept', CopySource }));
    t.same(await tagsOf('kept'), tagSet({ a: '1' }));
    const replaced = { TaggingDirective: 'REPLACE', Tagging: 'b=2' } as const;
    await client.send(new CopyObjectCommand({ Bucket, Key: 'new', CopySource, ...replaced }));
    t.same(await tagsOf('new'), tagSet({ b: '2' }));
  });
  await t.test('what is not there, and what is no tag', async (t) => {
    await t.rejects(tagsOf('nothing'), { name: 'NoSuchKey' });
    const refused = (Key: string, tags: Tag[]): Promise<unknown> =>
      client.send(new PutObjectTaggingCommand({ Bucket, Key, Tagging: { TagSet: tags } }));
    await t.rejects(refused('nothing', []), { name: 'NoSuchKey' });
    await t.rejects(refused('source', tagSet({ ['k'.repeat(129)]: '' })), { name: 'InvalidTag' });
    await t.rejects(refused('source', [...tagSet({ a: '1' }), ...tagSet({ a: '2' })]), {
      name: 'InvalidTag',
    });
    t.same(await tagsOf('source'), tagSet({ a: '1' }));
  });
  await server.process.kill();
  await server.restart();
  t.same(await tagsOf('new'), tagSet({ b: '2' }), 'tags survive a kill -9');
});

void t.test(
  'bucket configurations: tags and CORS, kept over a restart; the rest was never set',
  async (t) => {
    const { server, client } = await start(t);
    await t.rejects(client.send(new GetBucketTaggingCommand({ Bucket })), { name: 'NoSuchTagSet' });
    await t.rejects(client.send(new GetBucketCorsCommand({ Bucket })), { name: 'NoSuchCORSConfiguration' });
    await t.rejects(client.send(new GetBucketEncryptionCommand({ Bucket })), {
      name: 'ServerSideEncryptionConfigurationNotFoundError',
    });
    await t.rejects(client.send(new GetBucketLifecycleConfigurationCommand({ Bucket })), {
      name: 'NoSuchLifecycleConfiguration',
    });
    const TagSet = tagSet({ __proto__x: '', team: 'data' });
    await client.send(new PutBucketTaggingCommand({ Bucket, Tagging: { TagSet } }));
    const CORSRules = [
      {
        ID: 'one',
        AllowedMethods: ['GET', 'PUT'],
        AllowedOrigins: ['https://*.example.com'],
        AllowedHeaders: ['x-amz-*', 'Content-Type'],
        ExposeHeaders: ['ETag'],
        MaxAgeSeconds: 600,
      },
      { AllowedMethods: ['HEAD'], AllowedOrigins: ['*'] },
    ];
    await client.send(new PutBucketCorsCommand({ Bucket, CORSConfiguration: { CORSRules } }));
    await server.process.kill();
    await server.restart();
    t.same((await client.send(new GetBucketTaggingCommand({ Bucket }))).TagSet, TagSet);
    t.same((await client.send(new GetBucketCorsCommand({ Bucket }))).CORSRules, CORSRules);

    const ask = (method: string, headers: Record<string, string>): Promise<Response> =>
      fetch(`${server.endpoint}/${Bucket}/key`, { method, headers });
    const origin = 'https://app.example.com';
    const preflight = await ask('OPTIONS', {
      origin,
      'access-control-request-method': 'PUT',
      'access-control-request-headers': 'X-Amz-Date, content-type',
    });
    t.equal(preflight.status, 200);
    t.equal(preflight.headers.get('access-control-allow-origin'), origin);
    t.equal(preflight.headers.get('access-control-allow-methods'), 'GET, PUT');
    t.equal(preflight.headers.get('access-control-allow-headers'), 'x-amz-date, content-type');
    t.equal(preflight.headers.get('access-control-max-age'), '600');
    const missing = await ask('GET', { origin });
    t.equal(missing.status, 404);
    t.equal(missing.headers.get('access-control-allow-origin'), origin, 'errors can be read by the page too');
    t.equal(missing.headers.get('access-control-expose-headers'), 'ETag');
    t.match(missing.headers.get('vary'), 'Origin');
    t.equal(
      (await ask('GET', { origin: 'https://else.example' })).headers.get('access-control-allow-origin'),
      null,
    );
    t.equal((await ask('HEAD', { origin: 'null' })).headers.get('access-control-allow-origin'), '*');
    t.equal((await ask('OPTIONS', { origin, 'access-control-request-method': 'DELETE' })).status, 403);
    t.equal((await ask('OPTIONS', {})).status, 400);

    await client.send(new DeleteBucketTaggingCommand({ Bucket }));
    await client.send(new DeleteBucketCorsCommand({ Bucket }));
    await t.rejects(client.send(new GetBucketTaggingCommand({ Bucket })), { name: 'NoSuchTagSet' });
    t.equal((await ask('OPTIONS', { origin, 'access-control-request-method': 'PUT' })).status, 403);
  },
);

void t.test(
  'versions and attributes: a bucket without versioning, as tools that clean up see it',
  async (t) => {
    const { client } = await start(t);
    for (const Key of ['a', 'b/1', 'b/2', 'c'])
      await client.send(new PutObjectCommand({ Bucket, Key, Body: Key }));
    const keys: string[] = [];
    let KeyMarker: string | undefined;
    do {
      const page = await client.send(new ListObjectVersionsCommand({ Bucket, MaxKeys: 2, KeyMarker }));
      for (const { Key, VersionId, IsLatest } of page.Versions ?? []) {
        t.same({ VersionId, IsLatest }, { VersionId: 'null', IsLatest: true });
        keys.push(Key ?? '');
      }
      KeyMarker = page.NextKeyMarker;
    } while (KeyMarker !== undefined);
    t.same(keys, ['a', 'b/1', 'b/2', 'c']);
    const folded = await client.send(new ListObjectVersionsCommand({ Bucket, Delimiter: '/' }));
    t.same(folded.CommonPrefixes, [{ Prefix: 'b/' }]);

    const Key = 'multipart';
    const ChecksumAlgorithm = 'CRC32C';
    const { UploadId } = await client.send(
      new CreateMultipartUploadCommand({ Bucket, Key, ChecksumAlgorithm, Tagging: 'a=1' }),
    );
    const Parts = [];
    for (const [PartNumber, size] of [
      [1, 5 * 1024 ** 2],
      [2, 1000],
    ] as const) {
      const Body = makeBody(PartNumber, size);
      const part = new UploadPartCommand({ Bucket, Key, UploadId, PartNumber, Body, ChecksumAlgorithm });
      const { ETag, ChecksumCRC32C } = await client.send(part);
      Parts.push({ PartNumber, ETag, ChecksumCRC32C });
    }
    const done = await client.send(
      new CompleteMultipartUploadCommand({ Bucket, Key, UploadId, MultipartUpload: { Parts } }),
    );
    const all = ['ETag', 'Checksum', 'ObjectParts', 'StorageClass', 'ObjectSize'] as const;
    const attributes = await client.send(
      new GetObjectAttributesCommand({ Bucket, Key, ObjectAttributes: [...all], MaxParts: 1 }),
    );
    t.match(attributes, {
      ETag: done.ETag?.replaceAll('"', ''),
      Checksum: { ChecksumCRC32C: done.ChecksumCRC32C, ChecksumType: 'COMPOSITE' },
      StorageClass: 'STANDARD',
      ObjectSize: 5 * 1024 ** 2 + 1000,
      ObjectParts: {
        TotalPartsCount: 2,
        NextPartNumberMarker: 1,
        IsTruncated: true,
        Parts: [{ PartNumber: 1, Size: 5 * 1024 ** 2, ChecksumCRC32C: Parts[0]?.ChecksumCRC32C }],
      },
    });
    t.equal((await client.send(new HeadObjectCommand({ Bucket, Key }))).TagCount, 1);

    const Objects = [...keys, Key].map((name) => ({ Key: name, VersionId: 'null' }));
    const deleted = await client.send(new DeleteObjectsCommand({ Bucket, Delete: { Objects } }));
    t.same(deleted.Errors ?? [], []);
    t.equal(deleted.Deleted?.[0]?.VersionId, 'null');
    t.equal((await client.send(new ListObjectVersionsCommand({ Bucket }))).Versions, undefined);
  },
);
