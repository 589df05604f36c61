/** Users against the real process: made on the command line, kept over a kill -9, and needed where the server can be reached. */
import { readdir, readFile, stat } from 'node:fs/promises';
import { join } from 'node:path';
import {
  CreateBucketCommand,
  GetBucketPolicyCommand,
  GetObjectCommand,
  PutBucketPolicyCommand,
  PutObjectCommand,
  S3Client,
} from '@aws-sdk/client-s3';
import t from 'tap';
import { TestServer } from '../support/headrace-process.js';

const Bucket = 'users-bucket';

interface MadeUser {
  readonly accessKeyId: string;
  readonly secretAccessKey: string;
}

async function addUser(server: TestServer, ...commandArguments: string[]): Promise<MadeUser> {
  const { code, stdout, stderr } = await server.cli('user', 'add', ...commandArguments, '--json');
  if (code !== 0) throw new Error(stderr);
  return JSON.parse(stdout) as MadeUser;
}

void t.test('users: keys, grants and policies outlive a kill, and no file holds a secret', async (t) => {
  const server = await TestServer.start(t);
  t.equal((await fetch(server.endpoint)).status, 200, 'open without users');
  const admin = await addUser(server, 'admin', '--grant', 'admin:*');
  const alice = await addUser(server, 'alice', '--grant', `read:${Bucket}/a/`);
  const clientOf = (credentials: MadeUser): S3Client => {
    const client = new S3Client({
      endpoint: server.endpoint,
      region: 'us-east-1',
      forcePathStyle: true,
      maxAttempts: 1,
      credentials,
    });
    t.teardown(() => client.destroy());
    return client;
  };
  const adminClient = clientOf(admin);
  await adminClient.send(new CreateBucketCommand({ Bucket }));
  for (const Key of ['a/1', 'b/1'])
    await adminClient.send(new PutObjectCommand({ Bucket, Key, Body: Buffer.alloc(300_000, 'x') }));
  const Policy = JSON.stringify({
    Version: '2012-10-17',
    Statement: [
      {
        Effect: 'Allow',
        Principal: '*',
        Action: 's3:GetObject',
        Resource: `arn:aws:s3:::${Bucket}/b/*`,
      },
    ],
  });
  await adminClient.send(new PutBucketPolicyCommand({ Bucket, Policy }));
  const check = async (): Promise<void> => {
    for (const Key of ['a/1', 'b/1']) {
      const got = await clientOf(alice).send(new GetObjectCommand({ Bucket, Key }));
      t.equal((await got.Body?.transformToByteArray())?.length, 300_000);
    }
    t.equal((await fetch(`${server.endpoint}/${Bucket}/a/1`)).status, 403);
    const open = await fetch(`${server.endpoint}/${Bucket}/b/1`);
    t.equal(open.status, 200);
    await open.arrayBuffer();
    await t.rejects(clientOf(alice).send(new PutObjectCommand({ Bucket, Key: 'a/1', Body: '' })), {
      name: 'AccessDenied',
    });
    await t.rejects(
      clientOf({ ...alice, secretAccessKey: 'x' }).send(new GetObjectCommand({ Bucket, Key: 'a/1' })),
      {
        name: 'SignatureDoesNotMatch',
      },
    );
    t.equal((await clientOf(admin).send(new GetBucketPolicyCommand({ Bucket }))).Policy, Policy);
  };
  await check();
  await server.process.kill();
  await server.restart();
  await check();
  t.equal((await server.cli('user', 'disable', 'alice')).code, 0);
  await t.rejects(clientOf(alice).send(new GetObjectCommand({ Bucket, Key: 'a/1' })), {
    name: 'InvalidAccessKeyId',
  });
  t.equal((await stat(join(server.dataDirectory, 'secrets.key'))).mode & 0o777, 0o600);
  for (const entry of await readdir(server.dataDirectory, { recursive: true, withFileTypes: true })) {
    if (!entry.isFile()) continue;
    const bytes = await readFile(join(entry.parentPath, entry.name));
    for (const { secretAccessKey } of [admin, alice])
      if (bytes.includes(secretAccessKey)) t.fail(`${entry.name} holds a secret`);
  }
  t.notMatch((await server.cli('log', 'cat')).stdout + server.process.stderr, admin.secretAccessKey);
});

void t.test(
  'users: an address that others reach needs a user, or the word that nobody is to be kept out',
  async (t) => {
    const HEADRACE_S3_HOST = '0.0.0.0';
    const refused = await TestServer.spawn(t, { environment: { HEADRACE_S3_HOST } });
    t.equal(await refused.process.exited(), 2);
    t.match(
      refused.process.stderr,
      /s3\.host = 0\.0\.0\.0 .* no user: .*headrace user add NAME.*s3\.anonymous\.access = full/,
    );
    const open = await TestServer.start(t, {
      environment: { HEADRACE_S3_HOST, HEADRACE_S3_ANONYMOUS_ACCESS: 'full' },
    });
    t.equal((await fetch(open.endpoint)).status, 200);
    const closed = await TestServer.start(t, { environment: { HEADRACE_S3_ANONYMOUS_ACCESS: 'granted' } });
    t.equal((await fetch(closed.endpoint)).status, 403);
  },
);
