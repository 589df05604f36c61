import {
  CreateBucketCommand,
  type CreateBucketCommandInput,
  DeleteBucketCommand,
  GetBucketAclCommand,
  GetBucketLocationCommand,
  GetBucketVersioningCommand,
  HeadBucketCommand,
  ListBucketsCommand,
  PutObjectCommand,
} from '@aws-sdk/client-s3';
import t from 'tap';
import { codeOf, openRaw, startEndpoint } from '../../../support/s3-endpoint.js';

void t.test('buckets: are created, listed and deleted when they are empty', async (t) => {
  const { client } = await startEndpoint(t);
  t.equal((await client.send(new CreateBucketCommand({ Bucket: 'second' }))).Location, '/second');
  const { Buckets, Owner } = await client.send(new ListBucketsCommand({}));
  t.same(
    Buckets?.map(({ Name }) => Name),
    ['bucket', 'second'],
  );
  t.ok(Buckets?.[0]?.CreationDate);
  t.equal(Owner?.ID, 'headrace');
  await client.send(new PutObjectCommand({ Bucket: 'second', Key: 'a', Body: 'x' }));
  await t.rejects(client.send(new DeleteBucketCommand({ Bucket: 'second' })), { name: 'BucketNotEmpty' });
  await client.send(new DeleteBucketCommand({ Bucket: 'bucket' }));
  await t.rejects(client.send(new HeadBucketCommand({ Bucket: 'bucket' })), { name: 'NotFound' });
});

void t.test('buckets: a bad name, a taken one and a missing one have their errors', async (t) => {
  const { client, url } = await startEndpoint(t, { options: { region: 'eu-central-1' } });
  await t.rejects(client.send(new CreateBucketCommand({ Bucket: 'bucket' })), {
    name: 'BucketAlreadyOwnedByYou',
    $metadata: { httpStatusCode: 409 },
  });
  const bad = await fetch(`${url}/Bad_Name`, { method: 'PUT' });
  t.match(await bad.text(), /<Code>InvalidBucketName<\/Code>.*<BucketName>Bad_Name<\/BucketName>/);
  await t.rejects(client.send(new DeleteBucketCommand({ Bucket: 'nobody' })), { name: 'NoSuchBucket' });
  await t.rejects(client.send(new GetBucketVersioningCommand({ Bucket: 'nobody' })), {
    name: 'NoSuchBucket',
  });
});

void t.test(
  'buckets: in the first region their owner may create them again, and nothing happens',
  async (t) => {
    const { client } = await startEndpoint(t);
    await client.send(new PutObjectCommand({ Bucket: 'bucket', Key: 'a', Body: 'x' }));
    await client.send(new CreateBucketCommand({ Bucket: 'bucket' }));
    await t.rejects(client.send(new DeleteBucketCommand({ Bucket: 'bucket' })), { name: 'BucketNotEmpty' });
  },
);

void t.test(
  'buckets: one that is shared otherwise than asked for cannot be created again; what is there stays as it is',
  async (t) => {
    const { client } = await startEndpoint(t);
    const create = (Bucket: string, more: Partial<CreateBucketCommandInput> = {}): Promise<unknown> =>
      client.send(new CreateBucketCommand({ Bucket, ...more }));
    const other = { name: 'BucketAlreadyExists', $metadata: { httpStatusCode: 409 } };
    await t.rejects(create('bucket', { ACL: 'public-read' }), other);
    await t.rejects(create('bucket', { ObjectOwnership: 'BucketOwnerEnforced' }), other);
    await create('open', { ACL: 'public-read', ObjectOwnership: 'ObjectWriter' });
    await t.rejects(create('open', { ACL: 'authenticated-read' }), other);
    await create('open');
    await create('open', { ACL: 'private' });
    await create('open', { ACL: 'public-read' });
    await create('open', { ACL: 'public-read', ObjectOwnership: 'ObjectWriter' });
    t.equal((await client.send(new GetBucketAclCommand({ Bucket: 'open' }))).Grants?.length, 2);
    t.equal((await client.send(new GetBucketAclCommand({ Bucket: 'bucket' }))).Grants?.length, 1);
  },
);

void t.test('buckets: the list is paged and filtered when asked', async (t) => {
  const { client, objects } = await startEndpoint(t);
  for (const name of ['a-1', 'a-2', 'a-3', 'b-1']) await objects.createBucket(name);
  const first = await client.send(new ListBucketsCommand({ Prefix: 'a-', MaxBuckets: 2 }));
  t.same(
    first.Buckets?.map(({ Name }) => Name),
    ['a-1', 'a-2'],
  );
  const { ContinuationToken } = first;
  const second = await client.send(
    new ListBucketsCommand({ Prefix: 'a-', MaxBuckets: 2, ContinuationToken }),
  );
  t.same(
    second.Buckets?.map(({ Name }) => Name),
    ['a-3'],
  );
  t.equal(second.ContinuationToken, undefined);
});

void t.test('buckets: any region is accepted and told again, the own one without', async (t) => {
  const { client } = await startEndpoint(t, { options: { region: 'eu-central-1' } });
  await client.send(
    new CreateBucketCommand({
      Bucket: 'elsewhere',
      CreateBucketConfiguration: { LocationConstraint: 'eu-west-1' },
    }),
  );
  const location = await client.send(new GetBucketLocationCommand({ Bucket: 'elsewhere' }));
  t.equal(location.LocationConstraint, 'eu-west-1');
  const own = await client.send(new GetBucketLocationCommand({ Bucket: 'bucket' }));
  t.equal(own.LocationConstraint, 'eu-central-1');
  for (const [Bucket, region] of [
    ['elsewhere', 'eu-west-1'],
    ['bucket', 'eu-central-1'],
  ] as const) {
    t.equal((await client.send(new HeadBucketCommand({ Bucket }))).BucketRegion, region);
    const { Buckets } = await client.send(new ListBucketsCommand({ BucketRegion: region }));
    t.same(
      Buckets?.map(({ Name }) => Name),
      [Bucket],
    );
  }
});

void t.test('buckets: the first region has no name', async (t) => {
  const { url } = await startEndpoint(t);
  const answer = await fetch(`${url}/bucket?location`);
  t.match(await answer.text(), /<LocationConstraint xmlns="[^"]+"><\/LocationConstraint>$/);
});

void t.test('buckets: versioning was never switched on', async (t) => {
  const { client } = await startEndpoint(t);
  const { Status } = await client.send(new GetBucketVersioningCommand({ Bucket: 'bucket' }));
  t.equal(Status, undefined);
});

void t.test('buckets: what a new bucket cannot have is refused', async (t) => {
  const { client, port, objects } = await startEndpoint(t);
  await t.rejects(
    client.send(new CreateBucketCommand({ Bucket: 'locked', ObjectLockEnabledForBucket: true })),
    {
      name: 'NotImplemented',
    },
  );
  const odd = { Bucket: 'open', GrantRead: 'id=nobody' };
  await t.rejects(client.send(new CreateBucketCommand(odd)), { name: 'InvalidArgument' });
  const raw = openRaw(t, port);
  raw.send('PUT /broken HTTP/1.1\r\nHost: x\r\nContent-Length: 4\r\n\r\n<a><');
  t.equal(codeOf(await raw.answer()), 'MalformedXML');
  t.same(
    (await objects.listBuckets()).map(({ name }) => name),
    ['bucket'],
  );
});

void t.test('buckets: another account than the owner is turned away', async (t) => {
  const { client } = await startEndpoint(t);
  const head = (ExpectedBucketOwner: string) =>
    client.send(new GetBucketLocationCommand({ Bucket: 'bucket', ExpectedBucketOwner }));
  t.ok(await head('headrace'));
  await t.rejects(head('123456789012'), { name: 'AccessDenied' });
});
