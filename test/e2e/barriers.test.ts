/** Acknowledgements, flushes and drains against a real server, with a directory and with an S3 store behind it. */
import { once } from 'node:events';
import { readFile, rename, rm, symlink } from 'node:fs/promises';
import { connect } from 'node:net';
import { join } from 'node:path';
import t, { type Test } from 'tap';
import { eventually, runCommand, TestServer } from '../support/headrace-process.js';
import { S3Client } from '../support/s3-client.js';

const QUICK_RETRIES = {
  HEADRACE_WORKER_WRITE_CACHE_ASYNC_PERSIST_RETRY_INITIAL_INTERVAL: '50ms',
  HEADRACE_WORKER_WRITE_CACHE_ASYNC_PERSIST_RETRY_MAX_INTERVAL: '200ms',
};
const PERSISTED = { 'x-headrace-ack': 'persisted' };

async function start(
  t: Test,
  environment: Record<string, string> = {},
): Promise<{ server: TestServer; client: S3Client }> {
  const server = await TestServer.start(t, { environment: { ...QUICK_RETRIES, ...environment } });
  await server.process.s3('PUT', '/bucket');
  await server.process.setPolicies('WRITE_BACK', { '/bucket/transient/**': 'TRANSIENT' });
  const client = new S3Client(server.process.s3Port);
  t.teardown(() => client.close());
  return { server, client };
}

/** Takes the under-store away: in its place is a link that leads nowhere but to itself. */
async function breakUfs(server: TestServer): Promise<() => Promise<void>> {
  const away = `${server.ufsDirectory}-away`;
  await rename(server.ufsDirectory, away);
  await symlink('ufs', server.ufsDirectory);
  return async () => {
    await rm(server.ufsDirectory);
    await rename(away, server.ufsDirectory);
  };
}

void t.test('directory UFS: an acknowledged put and a flushed prefix are files there', async (t) => {
  const { server, client } = await start(t);
  const stored = (key: string): Promise<string> => readFile(join(server.ufsDirectory, 'bucket', key), 'utf8');
  const put = await client.request('PUT', '/bucket/acknowledged', 'body', PERSISTED);
  t.equal(put.status, 200);
  t.equal(put.headers['x-headrace-ack'], 'persisted');
  t.equal(await stored('acknowledged'), 'body', 'it is there when the answer is');
  const refused = await client.request('PUT', '/bucket/transient/key', 'body', PERSISTED);
  t.equal(refused.status, 400);
  t.match(refused.body.toString(), 'TRANSIENT');

  const receipts: string[] = [];
  for (let at = 0; at < 50; at++) {
    const { headers } = await client.expect('PUT', `/bucket/dir/key-${at}`, `body ${at}`);
    receipts.push(String(headers['x-headrace-offset']));
  }
  const flushed = await server.cli('flush', 's3://bucket/dir/', '--timeout', '30s');
  t.equal(flushed.code, 0, flushed.stderr);
  for (let at = 0; at < 50; at++) t.equal(await stored(`dir/key-${at}`), `body ${at}`);
  const upTo = await server.cli('flush', '--up-to-offset', receipts.at(-1) ?? '', '--json');
  t.match(JSON.parse(upTo.stdout), { outcome: 'PERSISTED', objects: 0 });

  const head = await client.request('HEAD', '/bucket/acknowledged');
  t.match(head.headers, {
    'x-headrace-state': 'PERSISTED',
    'x-headrace-policy': 'WRITE_BACK',
    'x-headrace-ack': 'persisted',
    'x-headrace-offset': put.headers['x-headrace-offset'],
    'x-headrace-location': /^segment;id=\d+;position=\d+;size=4, ufs$/,
  });
});

void t.test('directory UFS: while it takes nothing, acks and flushes say so and end in time', async (t) => {
  const { server, client } = await start(t);
  const heal = await breakUfs(server);
  const late = { ...PERSISTED, 'x-headrace-ack-timeout': '300ms' };
  const put = await client.request('PUT', '/bucket/key', 'body', late);
  t.equal(put.status, 202);
  t.equal(put.headers['x-headrace-ack'], 'fsynced');
  t.equal((await client.expect('GET', '/bucket/key')).body.toString(), 'body');
  const flushed = await server.cli('flush', '--timeout', '500ms');
  t.equal(flushed.code, 4, flushed.stdout);
  t.match(flushed.stderr, '1 objects');
  const flushing = server.process.admin('POST', '/api/v1/flush', { path: '/bucket/', timeoutMs: 60_000 });
  await heal();
  const { status, text } = await flushing;
  t.equal(status, 200, text);
  t.equal(await readFile(join(server.ufsDirectory, 'bucket', 'key'), 'utf8'), 'body');
});

const python = await runCommand('python3', ['-c', 'import boto3']).catch(() => undefined);
const skip = python?.code === 0 ? false : 'there is no boto3 here';

void t.test(
  'stock clients: boto3 takes a late acknowledgement for the success it is',
  { skip },
  async (t) => {
    const { server } = await start(t);
    const heal = await breakUfs(server);
    const script = `
import boto3, sys
from botocore.config import Config
s3 = boto3.client('s3', endpoint_url=sys.argv[1], region_name='us-east-1', aws_access_key_id='a', aws_secret_access_key='b',
                  config=Config(retries={'total_max_attempts': 1}))
def ask(params, **kwargs):
    params['headers']['x-headrace-ack'] = 'persisted'
    params['headers']['x-headrace-ack-timeout'] = '200ms'
for name in ('PutObject', 'CopyObject', 'CompleteMultipartUpload'):
    s3.meta.events.register('before-call.s3.' + name, ask)
def tell(answer):
    meta = answer['ResponseMetadata']
    print(meta['HTTPStatusCode'], meta['HTTPHeaders'].get('x-headrace-ack'), meta['RetryAttempts'])
tell(s3.put_object(Bucket='bucket', Key='key', Body=b'body'))
tell(s3.copy_object(Bucket='bucket', Key='copy', CopySource='bucket/key'))
upload = s3.create_multipart_upload(Bucket='bucket', Key='large')['UploadId']
part = s3.upload_part(Bucket='bucket', Key='large', UploadId=upload, PartNumber=1, Body=b'part')
tell(s3.complete_multipart_upload(Bucket='bucket', Key='large', UploadId=upload,
                                  MultipartUpload={'Parts': [{'PartNumber': 1, 'ETag': part['ETag']}]}))
`;
    const run = await runCommand('python3', ['-c', script, server.endpoint]);
    t.equal(run.stdout, '202 fsynced 0\n202 fsynced 0\n202 fsynced 0\n', run.stderr);
    await heal();
    const { status } = await server.process.admin('POST', '/api/v1/flush', { timeoutMs: 60_000 });
    t.equal(status, 200);
  },
);

void t.test('a stop drains to the UFS when that is set, and says how it goes', async (t) => {
  const { server, client } = await start(t, { HEADRACE_SHUTDOWN_DRAIN_TIMEOUT: '60s' });
  const heal = await breakUfs(server);
  for (let at = 0; at < 20; at++) await client.expect('PUT', `/bucket/key-${at}`, `body ${at}`);
  const stopping = server.process.stop();
  await eventually(
    async () => server.process.stderr.includes('Draining to the under-store'),
    () => server.process.stderr,
  );
  const { status } = await server.process.admin('GET', '/readyz');
  t.equal(status, 503, 'it takes nothing new');
  await t.rejects(client.request('GET', '/bucket/key-1'), 'nor by S3');
  t.ok(server.process.running, 'it waits while the UFS is away');
  await heal();
  await stopping;
  t.equal(await server.process.exited(), 0);
  t.match(server.process.stderr, 'everything is in the under-store');
  for (let at = 0; at < 20; at++)
    t.equal(await readFile(join(server.ufsDirectory, 'bucket', `key-${at}`), 'utf8'), `body ${at}`);
});

void t.test(
  'a drain ends with its time, and a second signal ends a stop at once; nothing is lost',
  async (t) => {
    const { server, client } = await start(t);
    await breakUfs(server);
    await client.expect('PUT', '/bucket/key', 'body');
    const drained = await server.cli('stop', '--drain-timeout', '500ms');
    t.equal(drained.code, 4, drained.stderr);
    t.match(drained.stderr, 'with 1 objects');
    t.equal(await server.process.exited(), 0);
    await server.restart();
    t.equal(await server.process.s3('GET', '/bucket/key'), 'body');

    const stopping = server.cli('stop', '--drain-timeout', '1h');
    await eventually(
      async () => server.process.stderr.includes('Draining to the under-store'),
      () => server.process.stderr,
    );
    process.kill(server.process.pid, 'SIGTERM');
    t.equal((await stopping).code, 0, 'a signal ends the drain, and the stop goes on');
    t.equal(await server.process.exited(), 0);

    await server.restart();
    // A request that does not end.
    const held = connect(server.process.s3Port, '127.0.0.1');
    held.on('error', () => undefined);
    held.write('PUT /bucket/slow HTTP/1.1\r\nhost: x\r\ncontent-length: 5\r\nexpect: 100-continue\r\n\r\n');
    await once(held, 'data');
    const closed = once(held, 'close');
    process.kill(server.process.pid, 'SIGTERM');
    await eventually(
      async () => server.process.stdout.includes('Stopping'),
      () => server.process.stdout,
    );
    process.kill(server.process.pid, 'SIGTERM');
    t.equal(await server.process.exited(), 130);
    await closed;
    await server.restart();
    t.equal(await server.process.s3('GET', '/bucket/key'), 'body');
  },
);
