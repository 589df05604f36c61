import {
  CopyObjectCommand,
  CreateBucketCommand,
  DeleteBucketOwnershipControlsCommand,
  DeleteBucketPolicyCommand,
  DeletePublicAccessBlockCommand,
  GetBucketAclCommand,
  GetBucketOwnershipControlsCommand,
  GetBucketPolicyCommand,
  GetBucketPolicyStatusCommand,
  GetObjectAclCommand,
  GetObjectCommand,
  GetPublicAccessBlockCommand,
  ListBucketsCommand,
  ListObjectsV2Command,
  PutBucketAclCommand,
  PutBucketOwnershipControlsCommand,
  PutBucketPolicyCommand,
  PutObjectAclCommand,
  PutObjectCommand,
  PutPublicAccessBlockCommand,
} from '@aws-sdk/client-s3';
import t from 'tap';
import { startEndpoint } from '../../../support/s3-endpoint.js';
import { startSecured } from '../../../support/secured-endpoint.js';

const Bucket = 'bucket';
const DENIED = { name: 'AccessDenied' };
const ALL_USERS = 'http://acs.amazonaws.com/groups/global/AllUsers';
const OWNER = {
  Grantee: { ID: 'headrace', Type: 'CanonicalUser' as const },
  Permission: 'FULL_CONTROL' as const,
};
const EVERYBODY = { Grantee: { URI: ALL_USERS, Type: 'Group' as const }, Permission: 'READ' as const };

function policy(...statements: Record<string, unknown>[]): string {
  const base = { Effect: 'Allow', Principal: '*', Action: 's3:GetObject', Resource: 'arn:aws:s3:::bucket/*' };
  return JSON.stringify({
    Version: '2012-10-17',
    Statement: statements.map((one) => ({ ...base, ...one })),
  });
}

void t.test(
  'bucket policy: it is stored, told, removed, and what is not understood is refused',
  async (t) => {
    const { client } = await startEndpoint(t);
    await t.rejects(client.send(new GetBucketPolicyCommand({ Bucket })), { name: 'NoSuchBucketPolicy' });
    t.match(await client.send(new GetBucketPolicyStatusCommand({ Bucket })), {
      PolicyStatus: { IsPublic: false },
    });
    await client.send(new PutBucketPolicyCommand({ Bucket, Policy: policy({}) }));
    t.equal((await client.send(new GetBucketPolicyCommand({ Bucket }))).Policy, policy({}));
    t.match(await client.send(new GetBucketPolicyStatusCommand({ Bucket })), {
      PolicyStatus: { IsPublic: true },
    });
    const put = (Policy: string, bucket = Bucket): Promise<unknown> =>
      client.send(new PutBucketPolicyCommand({ Bucket: bucket, Policy }));
    await t.rejects(put(policy({ Condition: {} })), { name: 'NotImplemented', message: /Condition/ });
    await t.rejects(put('{"Statement":'), { name: 'MalformedPolicy' });
    await t.rejects(put(' '.repeat(30_000)), { name: 'EntityTooLarge' });
    await t.rejects(put(policy({ Resource: 'arn:aws:s3:::gone/*' }), 'gone'), { name: 'NoSuchBucket' });
    t.equal((await client.send(new GetBucketPolicyCommand({ Bucket }))).Policy, policy({}), 'unchanged');
    await client.send(new DeleteBucketPolicyCommand({ Bucket }));
    await t.rejects(client.send(new GetBucketPolicyCommand({ Bucket })), { name: 'NoSuchBucketPolicy' });
  },
);

void t.test('bucket policy: it is in force at once, for users and for everybody', async (t) => {
  const { url, addUser } = await startSecured(t);
  const { client: admin } = await addUser('admin', 'admin:bucket');
  const { client: alice } = await addUser('alice');
  await admin.send(new PutObjectCommand({ Bucket, Key: 'a', Body: 'x' }));
  const get = (): Promise<unknown> => alice.send(new GetObjectCommand({ Bucket, Key: 'a' }));
  await t.rejects(get(), DENIED);
  const set = (Policy: string): Promise<unknown> =>
    admin.send(new PutBucketPolicyCommand({ Bucket, Policy }));
  await set(policy({ Principal: { AWS: 'alice' } }));
  await get();
  t.equal((await fetch(`${url}/bucket/a`)).status, 403);
  await set(policy({}));
  t.equal((await fetch(`${url}/bucket/a`)).status, 200);
  await t.rejects(alice.send(new GetBucketPolicyCommand({ Bucket })), DENIED);
  await set(
    policy({ Effect: 'Deny', Action: 's3:*', Resource: ['arn:aws:s3:::bucket', 'arn:aws:s3:::bucket/*'] }),
  );
  await t.rejects(admin.send(new GetObjectCommand({ Bucket, Key: 'a' })), DENIED, 'a Deny beats grants');
  await t.rejects(admin.send(new ListObjectsV2Command({ Bucket })), DENIED);
  await admin.send(new DeleteBucketPolicyCommand({ Bucket }));
  await admin.send(new GetObjectCommand({ Bucket, Key: 'a' }));
  await t.rejects(get(), DENIED);
});

void t.test('acl: a bucket and its objects are private until a list says otherwise', async (t) => {
  const { url, addUser } = await startSecured(t);
  const { client } = await addUser('admin', 'admin:*');
  await client.send(new PutObjectCommand({ Bucket, Key: 'a', Body: 'x', ACL: 'private' }));
  const bucketGrants = async (): Promise<unknown> =>
    (await client.send(new GetBucketAclCommand({ Bucket }))).Grants;
  t.match(await bucketGrants(), [OWNER]);
  t.match(await client.send(new GetBucketAclCommand({ Bucket })), { Owner: { ID: 'headrace' } });
  await client.send(new PutBucketAclCommand({ Bucket, ACL: 'public-read' }));
  t.match(await bucketGrants(), [EVERYBODY, OWNER]);
  t.equal((await fetch(`${url}/bucket`)).status, 200);
  t.equal((await fetch(`${url}/bucket/a`)).status, 403, 'a public bucket has no public objects');
  await client.send(new PutBucketAclCommand({ Bucket, ACL: 'private' }));
  t.equal((await fetch(`${url}/bucket`)).status, 403);
  const AccessControlPolicy = { Owner: { ID: 'headrace' }, Grants: [OWNER, EVERYBODY] };
  await client.send(new PutBucketAclCommand({ Bucket, AccessControlPolicy }));
  t.equal((await fetch(`${url}/bucket`)).status, 200);
  await client.send(new PutObjectAclCommand({ Bucket, Key: 'a', ACL: 'public-read' }));
  t.match((await client.send(new GetObjectAclCommand({ Bucket, Key: 'a' }))).Grants, [EVERYBODY, OWNER]);
  const got = await fetch(`${url}/bucket/a`);
  t.equal(await got.text(), 'x');
  t.notMatch([...got.headers.keys()].join(), 'headrace-acl', 'the list is no metadata of the client');
  await client.send(new PutObjectCommand({ Bucket, Key: 'a', Body: 'y' }));
  t.equal((await fetch(`${url}/bucket/a`)).status, 403, 'a new version has a list of its own');
  await client.send(new CreateBucketCommand({ Bucket: 'open', ACL: 'public-read' }));
  t.equal((await fetch(`${url}/open`)).status, 200);
});

void t.test(
  'acl: who creates a bucket owns it and what is in it, and shares it with whom it wants',
  async (t) => {
    const { url, addUser } = await startSecured(t);
    const { client: alice } = await addUser('alice', 'create:*');
    const { client: bob } = await addUser('bob', 'create:*');
    const mine = 'alices';
    await alice.send(new CreateBucketCommand({ Bucket: mine }));
    await t.rejects(bob.send(new CreateBucketCommand({ Bucket: mine })), { name: 'BucketAlreadyExists' });
    await alice.send(new CreateBucketCommand({ Bucket: mine }));
    t.match(await alice.send(new ListBucketsCommand({})), {
      Owner: { ID: 'alice' },
      Buckets: [{ Name: mine }],
    });
    t.same((await bob.send(new ListBucketsCommand({}))).Buckets ?? [], []);
    await alice.send(new PutObjectCommand({ Bucket: mine, Key: 'k', Body: 'x' }));
    const get = (): Promise<unknown> => bob.send(new GetObjectCommand({ Bucket: mine, Key: 'k' }));
    const put = (Key: string): Promise<unknown> => bob.send(new PutObjectCommand({ Bucket: mine, Key }));
    const list = (): Promise<unknown> => bob.send(new ListObjectsV2Command({ Bucket: mine }));
    for (const call of [get, () => put('b'), list]) await t.rejects(call(), DENIED);
    const share = { Bucket: mine, Key: 'k' };
    await alice.send(new PutObjectAclCommand({ ...share, GrantRead: 'id="bob"', GrantWriteACP: 'id=bob' }));
    await get();
    await t.rejects(bob.send(new GetObjectAclCommand(share)), DENIED);
    await bob.send(new PutObjectAclCommand({ ...share, GrantReadACP: 'id=bob' }));
    await t.rejects(get(), DENIED);
    t.match(await bob.send(new GetObjectAclCommand(share)), {
      Owner: { ID: 'alice' },
      Grants: [{ Grantee: { ID: 'bob' }, Permission: 'READ_ACP' }],
    });
    await alice.send(new PutObjectAclCommand({ ...share, ACL: 'authenticated-read' }));
    await get();
    t.equal((await fetch(`${url}/${mine}/k`)).status, 403);
    await alice.send(
      new PutBucketAclCommand({ Bucket: mine, GrantWrite: 'id=bob', GrantFullControl: 'id=alice' }),
    );
    await put('b');
    await t.rejects(list(), DENIED);
    await bob.send(new PutObjectCommand({ Bucket: mine, Key: 'c', ACL: 'bucket-owner-read' }));
    t.match(await bob.send(new GetObjectAclCommand({ Bucket: mine, Key: 'c' })), {
      Owner: { ID: 'bob' },
      Grants: [
        { Grantee: { ID: 'bob' }, Permission: 'FULL_CONTROL' },
        { Grantee: { ID: 'alice' }, Permission: 'READ' },
      ],
    });
    await alice.send(new CopyObjectCommand({ Bucket: mine, Key: 'copy', CopySource: `${mine}/k` }));
    t.equal((await alice.send(new GetObjectAclCommand({ Bucket: mine, Key: 'copy' }))).Grants?.length, 1);
  },
);

void t.test('acl: who may write because of a grant may not share with others', async (t) => {
  const { addUser } = await startSecured(t);
  const { client } = await addUser('writer', 'read,write,list:bucket');
  await client.send(new PutObjectCommand({ Bucket, Key: 'a', ACL: 'bucket-owner-full-control' }));
  for (const ACL of ['public-read', 'authenticated-read'] as const)
    await t.rejects(client.send(new PutObjectCommand({ Bucket, Key: 'a', ACL })), DENIED);
  await t.rejects(client.send(new PutObjectAclCommand({ Bucket, Key: 'a', ACL: 'public-read' })), DENIED);
  const metadata = new PutObjectCommand({ Bucket, Key: 'a', Metadata: { 'headrace-acl': 'READ=*' } });
  await t.rejects(client.send(metadata), { name: 'InvalidArgument' });
});

void t.test('acl: what no user or group is, and what is not decided by, is refused', async (t) => {
  const { client } = await startEndpoint(t);
  await client.send(new PutObjectCommand({ Bucket, Key: 'a', Body: 'x' }));
  const put = (...Grants: object[]): Promise<unknown> =>
    client.send(
      new PutBucketAclCommand({ Bucket, AccessControlPolicy: { Owner: { ID: 'headrace' }, Grants } }),
    );
  await t.rejects(put(OWNER, { ...OWNER, Grantee: { ...OWNER.Grantee, ID: 'x' } }), {
    name: 'InvalidArgument',
  });
  await t.rejects(put({ ...OWNER, Grantee: { EmailAddress: 'a@b.c', Type: 'AmazonCustomerByEmail' } }), {
    name: 'UnresolvableGrantByEmailAddress',
  });
  await t.rejects(put({ ...OWNER, Permission: 'ALL' }), { name: 'MalformedACLError' });
  await t.rejects(
    client.send(
      new PutBucketAclCommand({ Bucket, AccessControlPolicy: { Owner: { ID: 'other' }, Grants: [] } }),
    ),
    DENIED,
  );
  await put();
  t.same((await client.send(new GetBucketAclCommand({ Bucket }))).Grants ?? [], [], 'even the owner');
  await t.rejects(client.send(new PutBucketAclCommand({ Bucket, GrantRead: 'id=x' })), {
    name: 'InvalidArgument',
  });
  await t.rejects(
    client.send(new PutBucketAclCommand({ Bucket, ACL: 'private', GrantRead: 'id=headrace' })),
    {
      name: 'InvalidRequest',
    },
  );
  await t.rejects(client.send(new PutObjectCommand({ Bucket, Key: 'a', ACL: 'aws-exec-read' })), {
    name: 'NotImplemented',
  });
  await t.rejects(client.send(new PutBucketAclCommand({ Bucket: 'gone', ACL: 'private' })), {
    name: 'NoSuchBucket',
  });
  await t.rejects(client.send(new GetObjectAclCommand({ Bucket, Key: 'gone' })), { name: 'NoSuchKey' });
  await t.rejects(client.send(new PutBucketAclCommand({ Bucket })), { name: 'MissingSecurityHeader' });
});

void t.test('ownership controls: BucketOwnerEnforced switches lists off', async (t) => {
  const { url, addUser } = await startSecured(t);
  const { client } = await addUser('alice', 'create:*');
  const mine = 'alices';
  await client.send(new CreateBucketCommand({ Bucket: mine, ACL: 'public-read' }));
  const get = (): Promise<unknown> => client.send(new GetBucketOwnershipControlsCommand({ Bucket: mine }));
  await t.rejects(get(), { name: 'OwnershipControlsNotFoundError' });
  const enforce = (): Promise<unknown> =>
    client.send(
      new PutBucketOwnershipControlsCommand({
        Bucket: mine,
        OwnershipControls: { Rules: [{ ObjectOwnership: 'BucketOwnerEnforced' }] },
      }),
    );
  await t.rejects(enforce(), { name: 'InvalidBucketAclWithObjectOwnership' });
  await client.send(new PutObjectCommand({ Bucket: mine, Key: 'k', Body: 'x', ACL: 'public-read' }));
  t.equal((await fetch(`${url}/${mine}/k`)).status, 200);
  await client.send(new PutBucketAclCommand({ Bucket: mine, ACL: 'private' }));
  await enforce();
  t.match(await get(), { OwnershipControls: { Rules: [{ ObjectOwnership: 'BucketOwnerEnforced' }] } });
  t.equal((await fetch(`${url}/${mine}/k`)).status, 403);
  const put = new PutObjectCommand({ Bucket: mine, Key: 'k', ACL: 'public-read' });
  await t.rejects(client.send(put), { name: 'AccessControlListNotSupported' });
  await client.send(new DeleteBucketOwnershipControlsCommand({ Bucket: mine }));
  t.equal((await fetch(`${url}/${mine}/k`)).status, 200);
});

void t.test('public access block: it refuses and ignores public lists and policies', async (t) => {
  const { url, addUser } = await startSecured(t);
  const { client } = await addUser('alice', 'admin:*');
  const { client: bob } = await addUser('bob');
  const block = (blocks: object): Promise<unknown> =>
    client.send(new PutPublicAccessBlockCommand({ Bucket, PublicAccessBlockConfiguration: blocks }));
  const get = (): Promise<unknown> => client.send(new GetPublicAccessBlockCommand({ Bucket }));
  await t.rejects(get(), { name: 'NoSuchPublicAccessBlockConfiguration' });
  await client.send(new PutObjectCommand({ Bucket, Key: 'k', Body: 'x', ACL: 'public-read' }));
  t.equal((await fetch(`${url}/bucket/k`)).status, 200);
  await block({ IgnorePublicAcls: true });
  t.equal((await fetch(`${url}/bucket/k`)).status, 403);
  await block({ BlockPublicAcls: true, BlockPublicPolicy: true });
  t.match(await get(), {
    PublicAccessBlockConfiguration: {
      BlockPublicAcls: true,
      IgnorePublicAcls: false,
      BlockPublicPolicy: true,
    },
  });
  await t.rejects(client.send(new PutBucketAclCommand({ Bucket, ACL: 'authenticated-read' })), DENIED);
  await t.rejects(client.send(new PutObjectCommand({ Bucket, Key: 'k', ACL: 'public-read' })), DENIED);
  await t.rejects(client.send(new PutBucketPolicyCommand({ Bucket, Policy: policy({}) })), DENIED);
  await client.send(new DeletePublicAccessBlockCommand({ Bucket }));
  await client.send(new PutObjectAclCommand({ Bucket, Key: 'k', ACL: 'private' }));
  await client.send(new PutBucketPolicyCommand({ Bucket, Policy: policy({}) }));
  const read = (): Promise<unknown> => bob.send(new GetObjectCommand({ Bucket, Key: 'k' }));
  await read();
  await block({ RestrictPublicBuckets: true });
  await t.rejects(read(), DENIED);
});
