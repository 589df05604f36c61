/** `x-headrace-ack`: what a write may ask for, and what answers tell, as stock clients see it. */
import {
  CompleteMultipartUploadCommand,
  CopyObjectCommand,
  CreateMultipartUploadCommand,
  PutObjectCommand,
  type S3Client,
  UploadPartCommand,
} from '@aws-sdk/client-s3';
import t from 'tap';
import { startEndpoint } from '../../support/s3-endpoint.js';

/** Adds headers to every request of an SDK client, before it is signed. */
function withHeaders(client: S3Client, more: Readonly<Record<string, string>>): void {
  client.middlewareStack.add(
    (next) => async (parameters) => {
      Object.assign((parameters.request as { headers: Record<string, string> }).headers, more);
      return next(parameters);
    },
    { step: 'build' },
  );
}

void t.test('ack: a write that asks for nothing is told nothing, and waits for nothing', async (t) => {
  const { objects, url } = await startEndpoint(t);
  const answer = await fetch(`${url}/bucket/key`, { method: 'PUT', body: 'x' });
  t.equal(answer.status, 200);
  t.equal(answer.headers.get('x-headrace-ack'), null);
  t.same(objects.acks, [undefined]);
});

void t.test('ack: the level and the deadline reach the engine', async (t) => {
  const { objects, url } = await startEndpoint(t);
  const put = async (headers: Record<string, string>): Promise<Response> =>
    fetch(`${url}/bucket/key`, { method: 'PUT', body: 'x', headers });
  const answer = await put({ 'x-headrace-ack': 'persisted', 'x-headrace-ack-timeout': '1500ms' });
  t.equal(answer.status, 200);
  t.equal(answer.headers.get('x-headrace-ack'), 'persisted');
  t.equal(answer.headers.get('x-headrace-state'), 'PERSISTED');
  await put({ 'x-headrace-ack': 'persisted' });
  await put({ 'x-headrace-ack': 'fsynced' });
  t.match(objects.acks, [
    { level: 'persisted', timeoutMs: 1500 },
    { level: 'persisted', timeoutMs: 30_000 },
    { level: 'fsynced' },
  ]);
});

void t.test('ack: values that mean nothing are refused by name, and nothing is written', async (t) => {
  const { objects, url } = await startEndpoint(t);
  const cases: [headers: Record<string, string>, value: string][] = [
    [{ 'x-headrace-ack': 'everywhere' }, 'everywhere'],
    [{ 'x-headrace-ack': 'persisted', 'x-headrace-ack-timeout': '30' }, '30'],
    [{ 'x-headrace-ack': 'persisted', 'x-headrace-ack-timeout': '2h' }, '2h'],
    [{ 'x-headrace-ack': 'persisted', 'x-headrace-ack-timeout': '0s' }, '0s'],
    [{ 'x-headrace-ack-timeout': '7s' }, '7s'],
  ];
  for (const [headers, value] of cases) {
    const answer = await fetch(`${url}/bucket/key`, { method: 'PUT', body: 'x', headers });
    const text = await answer.text();
    t.equal(answer.status, 400);
    t.match(text, '<Code>InvalidArgument</Code>');
    t.match(text, `<ArgumentValue>${value}</ArgumentValue>`);
  }
  t.same(objects.acks, []);
});

void t.test(
  'ack: the AWS SDK takes 202 for success and shows it, for puts, copies and uploads',
  async (t) => {
    const { objects, client } = await startEndpoint(t);
    objects.ack = { level: 'fsynced', state: 'PENDING', cause: 'UFS_UNAVAILABLE' };
    withHeaders(client, { 'x-headrace-ack': 'persisted', 'x-headrace-ack-timeout': '1s' });
    const address = { Bucket: 'bucket', Key: 'key' };
    const put = await client.send(new PutObjectCommand({ ...address, Body: 'body' }));
    t.equal(put.$metadata.httpStatusCode, 202);
    t.match(put.ETag, /^"[\da-f]{32}"$/);
    const copied = await client.send(
      new CopyObjectCommand({ ...address, Key: 'copy', CopySource: 'bucket/key' }),
    );
    t.equal(copied.$metadata.httpStatusCode, 202);
    t.match(copied.CopyObjectResult?.ETag, /^"[\da-f]{32}"$/);
    const { UploadId } = await client.send(new CreateMultipartUploadCommand(address));
    const { ETag } = await client.send(
      new UploadPartCommand({ ...address, UploadId, PartNumber: 1, Body: 'part' }),
    );
    const completed = await client.send(
      new CompleteMultipartUploadCommand({
        ...address,
        UploadId,
        MultipartUpload: { Parts: [{ PartNumber: 1, ETag }] },
      }),
    );
    t.match(completed.ETag, /-1"$/);
  },
);

void t.test('ack: headers of a late answer say the level, the state and the cause', async (t) => {
  const { objects, url } = await startEndpoint(t);
  objects.ack = { level: 'fsynced', state: 'QUARANTINED', cause: 'UFS_DENIED' };
  const headers = { 'x-headrace-ack': 'persisted' };
  const answer = await fetch(`${url}/bucket/key`, { method: 'PUT', body: 'x', headers });
  t.equal(answer.status, 202);
  t.match(Object.fromEntries(answer.headers), {
    'x-headrace-ack': 'fsynced',
    'x-headrace-state': 'QUARANTINED',
    'x-headrace-cause': 'UFS_DENIED',
    'x-headrace-offset': /^\d+:\d+$/,
  });
});

void t.test('head: tells the whole way of an object to the UFS', async (t) => {
  const { objects, url } = await startEndpoint(t);
  await fetch(`${url}/bucket/key`, { method: 'PUT', body: 'x' });
  objects.status = {
    offset: '1:7',
    policy: 'WRITE_BACK',
    state: 'PENDING',
    ack: 'fsynced',
    attempt: 2,
    nextAttemptAtMs: Date.UTC(2024, 0, 2, 3, 4, 5),
    cause: 'UFS_THROTTLED',
    extents: [{ segment: 3, position: 128, size: 1 }],
  };
  const pending = await fetch(`${url}/bucket/key`, { method: 'HEAD' });
  t.match(Object.fromEntries(pending.headers), {
    'x-headrace-offset': '1:7',
    'x-headrace-policy': 'WRITE_BACK',
    'x-headrace-state': 'PENDING',
    'x-headrace-ack': 'fsynced',
    'x-headrace-attempts': '2',
    'x-headrace-next-attempt': '2024-01-02T03:04:05.000Z',
    'x-headrace-cause': 'UFS_THROTTLED',
    'x-headrace-location': 'segment;id=3;position=128;size=1',
  });
  objects.status = {
    policy: 'WRITE_BACK',
    state: 'PERSISTED',
    ack: 'persisted',
    ufsEtag: 'abc',
    extents: [
      { segment: 3, position: 128, size: 1 },
      { segment: 4, position: 64, size: 1 },
    ],
    inUfs: true,
  };
  const persisted = await fetch(`${url}/bucket/key`, { method: 'HEAD' });
  t.match(Object.fromEntries(persisted.headers), {
    'x-headrace-state': 'PERSISTED',
    'x-headrace-ufs-etag': '"abc"',
    'x-headrace-location': 'segment;id=3;position=128;size=1;extents=2, ufs',
  });
  t.notOk(persisted.headers.has('x-headrace-attempts'));
});
