/** Virtual-host style addresses and keys of every kind: the AWS SDK against the real process. */
import { Agent } from 'node:http';
import type { LookupFunction } from 'node:net';
import {
  CopyObjectCommand,
  CreateBucketCommand,
  DeleteObjectsCommand,
  GetObjectCommand,
  ListObjectsV2Command,
  PutObjectCommand,
  S3Client,
} from '@aws-sdk/client-s3';
import t from 'tap';
import { TestServer } from '../support/headrace-process.js';

const KEYS = [
  ' leading and trailing ',
  '%2F%25',
  '..',
  './.',
  '//double//slash//',
  'a+b c',
  'dir/',
  'emoji 🚰 ü \u{65}\u{301}',
  `${'é'.repeat(511)}xy`,
  'query?a=b&c#d',
  'quotes \'"<>&;',
  'tab\tnew\nline\u{1}',
];

/** Every name is this machine. */
const lookup: LookupFunction = (_name, options, callback) => {
  if (options.all === true) callback(null, [{ address: '127.0.0.1', family: 4 }]);
  else callback(null, '127.0.0.1', 4);
};

void t.test('addressing: buckets are subdomains of the domain that is set, on any port', async (t) => {
  const server = await TestServer.start(t, { environment: { HEADRACE_S3_DOMAIN: 'S3.Example.Test' } });
  await server.process.setPolicies('WRITE_BACK');
  const port = new URL(server.endpoint).port;
  const options = {
    region: 'us-east-1',
    credentials: { accessKeyId: 'any', secretAccessKey: 'any' },
    requestHandler: { httpAgent: new Agent({ lookup, keepAlive: true }) },
  };
  const virtual = new S3Client({ ...options, endpoint: `http://s3.example.test:${port}` });
  const path = new S3Client({ ...options, endpoint: server.endpoint, forcePathStyle: true });
  t.teardown(() => {
    virtual.destroy();
    path.destroy();
  });
  const Bucket = 'my.bucket-1';
  await virtual.send(new CreateBucketCommand({ Bucket }));
  for (const Key of KEYS) {
    await virtual.send(new PutObjectCommand({ Bucket, Key, Body: Key }));
    for (const client of [virtual, path]) {
      const got = await client.send(new GetObjectCommand({ Bucket, Key }));
      t.equal(await got.Body?.transformToString(), Key, JSON.stringify(Key));
    }
  }
  const CopySource = encodeURIComponent(`${Bucket}/${KEYS[0] ?? ''}`);
  await virtual.send(new CopyObjectCommand({ Bucket, Key: 'copy', CopySource }));
  const listed = await virtual.send(new ListObjectsV2Command({ Bucket, EncodingType: 'url' }));
  t.same(
    listed.Contents?.map(({ Key }) => decodeURIComponent(Key ?? '')).toSorted(),
    [...KEYS, 'copy'].toSorted(),
  );
  const Objects = [...KEYS.filter((key) => !key.includes('\u{1}')), 'copy'].map((Key) => ({ Key }));
  const deleted = await virtual.send(new DeleteObjectsCommand({ Bucket, Delete: { Objects } }));
  t.equal(deleted.Deleted?.length, Objects.length);
});
