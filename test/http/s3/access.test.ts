import {
  CopyObjectCommand,
  CreateBucketCommand,
  CreateMultipartUploadCommand,
  DeleteBucketCommand,
  DeleteObjectCommand,
  DeleteObjectsCommand,
  GetBucketLocationCommand,
  GetObjectCommand,
  HeadBucketCommand,
  HeadObjectCommand,
  ListBucketsCommand,
  ListMultipartUploadsCommand,
  ListObjectsV2Command,
  ListPartsCommand,
  PutBucketAclCommand,
  PutObjectCommand,
  UploadPartCopyCommand,
} from '@aws-sdk/client-s3';
import t from 'tap';
import { parseGrant } from '../../../src/engine/users-document.js';
import { isListed } from '../../../src/http/auth/permissions.js';
import { OPERATIONS } from '../../../src/http/s3/operation-table.js';
import { formatCompactDate } from '../../../src/http/s3/timestamps.js';
import { startSecured } from '../../support/secured-endpoint.js';
import { presign, signHeaders } from '../../support/sigv4-signer.js';

const Bucket = 'bucket';
const DENIED = { name: 'AccessDenied' };

void t.test('access: everybody may do everything until there is a user', async (t) => {
  const { url, users, clientOf, addUser } = await startSecured(t, 'withoutUsers');
  const stranger = clientOf('nobody', 'nothing');
  t.equal((await fetch(url)).status, 200);
  await stranger.send(new PutObjectCommand({ Bucket, Key: 'k', Body: 'x' }));
  const alice = await addUser('alice', 'admin:*');
  t.match(await (await fetch(url)).text(), '<Code>AccessDenied</Code>');
  await t.rejects(stranger.send(new ListBucketsCommand({})), { name: 'InvalidAccessKeyId' });
  t.match(await alice.client.send(new ListBucketsCommand({})), { Buckets: [{ Name: 'bucket' }] });
  await users.remove('alice');
  t.equal((await fetch(url)).status, 403, 'who once asked for signatures goes on');
});

void t.test(
  'access: wrong keys, wrong secrets and keys that were revoked have their own errors',
  async (t) => {
    const { users, addUser, clientOf } = await startSecured(t);
    const { client, accessKeyId } = await addUser('alice', 'admin:*');
    const list = new ListBucketsCommand({});
    await client.send(list);
    await t.rejects(clientOf(accessKeyId, 'wrong').send(list), { name: 'SignatureDoesNotMatch' });
    await t.rejects(clientOf('HRNOBODY', 'wrong').send(list), { name: 'InvalidAccessKeyId' });
    const second = await users.rotate('alice');
    const rotated = clientOf(second.accessKeyId, second.secretAccessKey);
    await rotated.send(list);
    await users.setEnabled('alice', false, accessKeyId);
    await t.rejects(client.send(list), { name: 'InvalidAccessKeyId' });
    await rotated.send(list);
    await users.setEnabled('alice', false);
    await t.rejects(rotated.send(list), { name: 'InvalidAccessKeyId' });
    await users.setEnabled('alice', true);
    await rotated.send(list);
    await users.remove('alice');
    await t.rejects(rotated.send(list), { name: 'InvalidAccessKeyId' });
  },
);

void t.test('access: skewed, expired, early and too long-lived requests are told apart', async (t) => {
  const { url, host, clock, addUser } = await startSecured(t);
  const { signer } = await addUser('alice', 'admin:*');
  const at = (offsetMs: number): typeof signer => ({
    ...signer,
    time: formatCompactDate(clock.wallTimeMs() + offsetMs),
  });
  const codeOf = async (answer: Response): Promise<string | undefined> =>
    /<Code>(.*?)<\/Code>.*<Message>(.*?)<\/Message>/
      .exec(await answer.text())
      ?.slice(1)
      .join(': ');
  for (const offsetMs of [-16 * 60_000, 16 * 60_000]) {
    const headers = signHeaders(at(offsetMs), {
      method: 'GET',
      path: '/',
      headers: { host },
      payload: 'UNSIGNED-PAYLOAD',
    });
    t.match(await codeOf(await fetch(url, { headers })), 'RequestTimeTooSkewed');
  }
  const get = (offsetMs: number, seconds: number): Promise<Response> =>
    fetch(`${url}/?${presign(at(offsetMs), { method: 'GET', path: '/', headers: { host } }, seconds)}`);
  t.equal((await get(-60_000, 120)).status, 200);
  t.equal(await codeOf(await get(-60_000, 30)), 'AccessDenied: Request has expired');
  t.equal(await codeOf(await get(20 * 60_000, 30)), 'AccessDenied: Request is not yet valid');
  t.match(await codeOf(await get(0, 604_801)), /^AuthorizationQueryParametersError/);
});

void t.test('access: grants are for a prefix, and for what they name only', async (t) => {
  const { objects, addUser } = await startSecured(t);
  await objects.createBucket('other');
  const { client: admin } = await addUser('admin', 'admin:*');
  for (const Key of ['in/1', 'in/2', 'out/1', 'into'])
    await admin.send(new PutObjectCommand({ Bucket, Key, Body: Key }));
  const { client: reader } = await addUser('reader', 'read:bucket/in/');
  const { client: writer } = await addUser('writer', 'write:bucket/in/');
  const { client: lister } = await addUser('lister', 'list:bucket/in/');
  const { client: nobody } = await addUser('nobody');
  const got = await reader.send(new GetObjectCommand({ Bucket, Key: 'in/1' }));
  t.equal(await got.Body?.transformToString(), 'in/1');
  for (const Key of ['out/1', 'into', 'in', 'gone'])
    await t.rejects(reader.send(new GetObjectCommand({ Bucket, Key })), DENIED, Key);
  await t.rejects(reader.send(new PutObjectCommand({ Bucket, Key: 'in/1', Body: '' })), DENIED);
  await t.rejects(reader.send(new ListObjectsV2Command({ Bucket, Prefix: 'in/' })), DENIED);
  await writer.send(new PutObjectCommand({ Bucket, Key: 'in/3', Body: 'x', Tagging: 'a=b' }));
  await writer.send(new CreateMultipartUploadCommand({ Bucket, Key: 'in/4' }));
  await t.rejects(writer.send(new CreateMultipartUploadCommand({ Bucket, Key: 'on/4' })), DENIED);
  await t.rejects(writer.send(new GetObjectCommand({ Bucket, Key: 'in/3' })), DENIED);
  await t.rejects(writer.send(new DeleteObjectCommand({ Bucket, Key: 'out/1' })), DENIED);
  await writer.send(new DeleteObjectCommand({ Bucket, Key: 'in/3' }));
  const page = await lister.send(new ListObjectsV2Command({ Bucket, Prefix: 'in/' }));
  t.same(
    page.Contents?.map(({ Key }) => Key),
    ['in/1', 'in/2'],
  );
  await lister.send(new ListMultipartUploadsCommand({ Bucket, Prefix: 'in/' }));
  await t.rejects(lister.send(new ListObjectsV2Command({ Bucket, Prefix: 'in' })), DENIED);
  await t.rejects(lister.send(new ListObjectsV2Command({ Bucket })), DENIED);
  for (const client of [reader, writer, lister, nobody]) {
    await t.rejects(client.send(new CreateBucketCommand({ Bucket: 'fresh' })), DENIED);
    await t.rejects(client.send(new DeleteBucketCommand({ Bucket })), DENIED);
    await t.rejects(client.send(new HeadBucketCommand({ Bucket: 'other' })), { name: 'Unknown' });
  }
  await reader.send(new HeadBucketCommand({ Bucket }));
  await reader.send(new GetBucketLocationCommand({ Bucket }));
});

void t.test('access: uploads say who began them and who will own them', async (t) => {
  const { url, users, addUser } = await startSecured(t);
  const { client: alice } = await addUser('alice', 'create:*');
  const { client: bob } = await addUser('bob', 'write:shared/');
  await users.grant('anonymous', [parseGrant('read:shared/')]);
  const shared = { Bucket: 'shared' };
  await alice.send(new CreateBucketCommand(shared));
  await alice.send(new PutBucketAclCommand({ ...shared, ACL: 'public-read-write' }));
  await alice.send(new CreateMultipartUploadCommand({ ...shared, Key: '1' }));
  const { UploadId } = await bob.send(new CreateMultipartUploadCommand({ ...shared, Key: '2' }));
  await bob.send(new CreateMultipartUploadCommand({ ...shared, Key: '3', ACL: 'bucket-owner-full-control' }));
  t.equal((await fetch(`${url}/shared/4?uploads`, { method: 'POST' })).status, 200);
  const { Uploads = [] } = await alice.send(new ListMultipartUploadsCommand(shared));
  t.same(
    Uploads.map(({ Key, Initiator, Owner }) => [Key, Initiator?.ID, Owner?.ID]),
    [
      ['1', 'alice', 'alice'],
      ['2', 'bob', 'alice'],
      ['3', 'bob', 'bob'],
      ['4', 'anonymous', 'alice'],
    ],
  );
  const parts = await bob.send(new ListPartsCommand({ ...shared, Key: '2', UploadId }));
  t.match(parts, { Initiator: { ID: 'bob', DisplayName: 'bob' }, Owner: { ID: 'alice' } });
});

void t.test(
  'access: a missing key is told only to who may list, a missing bucket to everybody',
  async (t) => {
    const { url, addUser } = await startSecured(t);
    const { client: reader } = await addUser('reader', 'read:bucket');
    const { client: lister } = await addUser('lister', 'read,list:bucket');
    const gone = { Bucket, Key: 'gone' };
    await t.rejects(reader.send(new GetObjectCommand(gone)), DENIED);
    await t.rejects(reader.send(new HeadObjectCommand(gone)), { name: 'Unknown' });
    await t.rejects(lister.send(new GetObjectCommand(gone)), { name: 'NoSuchKey' });
    await t.rejects(lister.send(new HeadObjectCommand(gone)), { name: 'NotFound' });
    t.match(await (await fetch(`${url}/gone/gone`)).text(), '<Code>NoSuchBucket</Code>');
    t.match(await (await fetch(`${url}/bucket/gone`)).text(), '<Code>AccessDenied</Code>');
  },
);

void t.test('access: ListBuckets shows the buckets in which something is granted', async (t) => {
  const { objects, users, addUser } = await startSecured(t);
  for (const name of ['first', 'second', 'third']) await objects.createBucket(name);
  const { client } = await addUser('alice', 'read:second/x', 'list:third');
  const names = async (): Promise<(string | undefined)[] | undefined> =>
    (await client.send(new ListBucketsCommand({}))).Buckets?.map(({ Name }) => Name);
  t.same(await names(), ['second', 'third']);
  await users.revoke('alice', [parseGrant('read:second/x')]);
  t.same(await names(), ['third']);
});

void t.test('access: copies need their source, DeleteObjects refuses key by key', async (t) => {
  const { objects, addUser } = await startSecured(t);
  const { client: admin } = await addUser('admin', 'admin:bucket');
  for (const Key of ['mine/1', 'mine/2', 'theirs/1'])
    await admin.send(new PutObjectCommand({ Bucket, Key, Body: Key }));
  const { client } = await addUser('alice', 'read,write:bucket/mine/');
  const copy = (CopySource: string, Key: string): CopyObjectCommand =>
    new CopyObjectCommand({ Bucket, Key, CopySource });
  await client.send(copy('bucket/mine/1', 'mine/copy'));
  await t.rejects(client.send(copy('bucket/theirs/1', 'mine/copy')), DENIED);
  await t.rejects(client.send(copy('/bucket/%74heirs/1', 'mine/copy')), DENIED);
  await t.rejects(client.send(copy('bucket/mine/1', 'theirs/copy')), DENIED);
  const { UploadId } = await client.send(new CreateMultipartUploadCommand({ Bucket, Key: 'mine/m' }));
  const part = { Bucket, Key: 'mine/m', UploadId, PartNumber: 1 };
  await client.send(new UploadPartCopyCommand({ ...part, CopySource: 'bucket/mine/1' }));
  await t.rejects(client.send(new UploadPartCopyCommand({ ...part, CopySource: 'bucket/theirs/1' })), DENIED);
  const Objects = ['mine/1', 'theirs/1', 'mine/2'].map((Key) => ({ Key }));
  const { Deleted, Errors } = await client.send(new DeleteObjectsCommand({ Bucket, Delete: { Objects } }));
  t.same(
    Deleted?.map(({ Key }) => Key),
    ['mine/1', 'mine/2'],
  );
  t.match(Errors, [{ Key: 'theirs/1', Code: 'AccessDenied' }]);
  t.ok(await objects.headObject({ bucket: Bucket, key: 'theirs/1' }));
});

void t.test('access: what anonymous is granted is there for everybody, the rest for nobody', async (t) => {
  const { url, users, addUser } = await startSecured(t);
  const { client: admin } = await addUser('admin', 'admin:*');
  await admin.send(new PutObjectCommand({ Bucket, Key: 'public/a', Body: 'hello' }));
  await admin.send(new PutObjectCommand({ Bucket, Key: 'secret', Body: 'no' }));
  const { client: nobody } = await addUser('nobody');
  t.equal((await fetch(`${url}/bucket/public/a`)).status, 403);
  await users.grant('anonymous', [parseGrant('read:bucket/public/')]);
  t.equal(await (await fetch(`${url}/bucket/public/a`)).text(), 'hello');
  t.equal((await fetch(`${url}/bucket/public/a?response-content-type=text/html`)).status, 400);
  t.ok(await nobody.send(new GetObjectCommand({ Bucket, Key: 'public/a', ResponseContentType: 'a/b' })));
  for (const [method, path] of [
    ['GET', '/bucket/secret'],
    ['GET', '/bucket'],
    ['GET', '/'],
    ['PUT', '/bucket/public/b'],
    ['DELETE', '/bucket/public/a'],
    ['POST', '/bucket/public/a?uploads'],
    ['PUT', '/fresh'],
  ] as const) {
    const answer = await fetch(url + path, { method });
    t.equal(answer.status, 403, `${method} ${path}`);
    t.match(await answer.text(), '<Code>AccessDenied</Code>');
  }
  await users.revoke('anonymous', [parseGrant('read:bucket/public/')]);
  t.equal((await fetch(`${url}/bucket/public/a`)).status, 403);
});

void t.test(
  'access: every operation on objects that is served says what it needs; others are for administrators',
  async (t) => {
    const served = OPERATIONS.filter(({ run }) => run !== undefined);
    const unlisted = served.filter(({ name, level }) => level !== 'bucket' && !isListed(name));
    t.same(
      unlisted.map(({ name }) => name),
      [],
    );
  },
);
