import {
  CreateBucketCommand,
  DeleteBucketPolicyCommand,
  GetBucketAclCommand,
  GetBucketPolicyCommand,
  GetBucketPolicyStatusCommand,
  GetObjectAclCommand,
  GetObjectCommand,
  ListObjectsV2Command,
  PutBucketAclCommand,
  PutBucketPolicyCommand,
  PutObjectAclCommand,
  PutObjectCommand,
} from '@aws-sdk/client-s3';
import t from 'tap';
import { parseGrant } from '../../../../src/engine/users-document.js';
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
    await t.rejects(client.send(new GetBucketPolicyStatusCommand({ Bucket })), {
      name: 'NoSuchBucketPolicy',
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

void t.test('acl: they say what grants mean, and take what grants can say', async (t) => {
  const { url, users, addUser } = await startSecured(t);
  const { client } = await addUser('admin', 'admin:*');
  await client.send(new PutObjectCommand({ Bucket, Key: 'a', Body: 'x', ACL: 'private' }));
  const bucketGrants = async (): Promise<unknown> =>
    (await client.send(new GetBucketAclCommand({ Bucket }))).Grants;
  const objectGrants = async (): Promise<unknown> =>
    (await client.send(new GetObjectAclCommand({ Bucket, Key: 'a' }))).Grants;
  t.match(await bucketGrants(), [OWNER]);
  t.match(await client.send(new GetBucketAclCommand({ Bucket })), { Owner: { ID: 'headrace' } });
  await client.send(new PutBucketAclCommand({ Bucket, ACL: 'public-read' }));
  t.match(await bucketGrants(), [OWNER, EVERYBODY]);
  t.equal((await fetch(`${url}/bucket`)).status, 200);
  t.equal((await fetch(`${url}/bucket/a`)).status, 403, 'a public bucket has no public objects');
  await client.send(new PutBucketAclCommand({ Bucket, ACL: 'private' }));
  t.equal((await fetch(`${url}/bucket`)).status, 403);
  const AccessControlPolicy = { Owner: { ID: 'headrace' }, Grants: [OWNER, EVERYBODY] };
  await client.send(new PutBucketAclCommand({ Bucket, AccessControlPolicy }));
  t.equal((await fetch(`${url}/bucket`)).status, 200);
  t.match(await objectGrants(), [OWNER]);
  const putPublic = new PutObjectCommand({ Bucket, Key: 'a', Body: 'x', ACL: 'public-read' });
  const aclPublic = new PutObjectAclCommand({ Bucket, Key: 'a', ACL: 'public-read' });
  await client.send(new PutObjectAclCommand({ Bucket, Key: 'a', ACL: 'private' }));
  await t.rejects(client.send(putPublic), { name: 'NotImplemented', message: /grant anonymous/ });
  await t.rejects(client.send(aclPublic), { name: 'NotImplemented' });
  await users.grant('anonymous', [parseGrant('read:bucket')]);
  await client.send(putPublic);
  await client.send(aclPublic);
  t.match(await objectGrants(), [OWNER, EVERYBODY]);
  await client.send(new CreateBucketCommand({ Bucket: 'open', ACL: 'public-read' }));
  t.equal((await fetch(`${url}/open`)).status, 200);
});

void t.test('acl: what grants cannot say is refused', async (t) => {
  const { client } = await startEndpoint(t);
  await client.send(new PutObjectCommand({ Bucket, Key: 'a', Body: 'x' }));
  for (const ACL of ['public-read-write', 'authenticated-read'] as const) {
    await t.rejects(client.send(new PutBucketAclCommand({ Bucket, ACL })), { name: 'NotImplemented' });
    await t.rejects(client.send(new PutObjectCommand({ Bucket, Key: 'b', ACL })), { name: 'NotImplemented' });
    await t.rejects(client.send(new PutObjectAclCommand({ Bucket, Key: 'a', ACL })), {
      name: 'NotImplemented',
    });
  }
  const put = (...Grants: object[]): Promise<unknown> =>
    client.send(
      new PutBucketAclCommand({ Bucket, AccessControlPolicy: { Owner: { ID: 'headrace' }, Grants } }),
    );
  await t.rejects(put(EVERYBODY), { name: 'NotImplemented' }, 'without the owner');
  await t.rejects(put(OWNER, { ...EVERYBODY, Permission: 'WRITE' }), { name: 'NotImplemented' });
  await t.rejects(put(OWNER, { ...OWNER, Grantee: { ...OWNER.Grantee, ID: 'x' } }), {
    name: 'NotImplemented',
  });
  await t.rejects(client.send(new PutBucketAclCommand({ Bucket, GrantRead: 'id=x' })), {
    name: 'NotImplemented',
  });
  await t.rejects(client.send(new PutBucketAclCommand({ Bucket: 'gone', ACL: 'private' })), {
    name: 'NoSuchBucket',
  });
  await t.rejects(client.send(new GetObjectAclCommand({ Bucket, Key: 'gone' })), { name: 'NoSuchKey' });
  await t.rejects(client.send(new PutBucketAclCommand({ Bucket })), { name: 'MissingSecurityHeader' });
});
