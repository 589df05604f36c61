/** An under-store that is away: a second Headrace serves as the S3 store behind the first. */
import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import t from 'tap';
import { HeldUfs } from '../../bench/held-ufs.js';
import { eventually, TestServer } from '../support/headrace-process.js';
import { S3Client, xmlText } from '../support/s3-client.js';

const QUICK_RETRIES = {
  HEADRACE_WORKER_WRITE_CACHE_ASYNC_PERSIST_RETRY_INITIAL_INTERVAL: '50ms',
  HEADRACE_WORKER_WRITE_CACHE_ASYNC_PERSIST_RETRY_MAX_INTERVAL: '200ms',
};

void t.test(
  'UFS down at the start: writes back, reads and serves, and persists once it is there',
  async (t) => {
    const store = await TestServer.start(t);
    const server = await TestServer.start(t, {
      ufs: 's3://',
      environment: {
        ...QUICK_RETRIES,
        HEADRACE_UFS_S3_ENDPOINT: store.endpoint,
        HEADRACE_UFS_S3_PATH_STYLE: 'true',
        HEADRACE_UFS_S3_ACCESS_KEY_ID: 'test',
        HEADRACE_UFS_S3_SECRET_ACCESS_KEY: 'test',
      },
    });
    await server.process.s3('PUT', '/bucket');
    await server.process.setPolicies('WRITE_THROUGH', { '/bucket/back/**': 'WRITE_BACK' });
    await server.process.s3('PUT', '/bucket/through/before', 'before');
    const stored = (key: string) => readFile(join(store.ufsDirectory, 'bucket', key), 'utf8');
    t.equal(await stored('through/before'), 'before', 'it arrives in the store behind the store');

    await server.process.stop();
    await store.process.stop();
    await server.restart();
    await server.process.s3('PUT', '/bucket/back/dirty', 'dirty');
    t.equal(await server.process.s3('GET', '/bucket/back/dirty'), 'dirty');
    t.equal(await server.process.s3('GET', '/bucket/through/before'), 'before', 'what was cached is served');

    const client = new S3Client(server.process.s3Port);
    t.teardown(() => client.close());
    const refused = await client.request('PUT', '/bucket/through/after', 'after');
    t.equal(refused.status, 503, 'WRITE_THROUGH does not pretend');
    t.ok(xmlText(refused.body.toString(), 'Message'), refused.body.toString());
    const gone = await client.request('GET', '/bucket/through/after');
    t.not(gone.status, 200, 'and what it refused is not there');

    await server.process.kill();
    await server.restart();
    t.equal(await server.process.s3('GET', '/bucket/back/dirty'), 'dirty', 'kill -9 loses nothing meanwhile');

    await store.restart();
    await eventually(
      async () => (await server.status()).pendingObjects === 0,
      async () => (await server.process.admin('GET', '/api/v1/async-persist?limit=5')).text,
    );
    t.equal(await stored('back/dirty'), 'dirty', 'it was persisted when the UFS came back');
    await server.process.s3('PUT', '/bucket/through/after', 'after');
    t.equal(await stored('through/after'), 'after');
  },
);

void t.test(
  'UFS that never answers: SIGTERM stops the server all the same, and nothing is lost',
  async (t) => {
    const ufs = await HeldUfs.start();
    t.teardown(() => ufs.stop());
    const server = await TestServer.start(t, {
      ufs: 's3://',
      environment: {
        HEADRACE_UFS_S3_ENDPOINT: ufs.endpoint,
        HEADRACE_UFS_S3_PATH_STYLE: 'true',
        HEADRACE_UFS_S3_ACCESS_KEY_ID: 'test',
        HEADRACE_UFS_S3_SECRET_ACCESS_KEY: 'test',
        HEADRACE_UFS_REQUEST_TIMEOUT: '1h',
      },
    });
    await server.process.s3('PUT', '/bucket');
    await server.process.setPolicies('WRITE_BACK');
    await server.process.s3('PUT', '/bucket/key', 'kept');
    await ufs.held();
    await server.process.stop();
    t.equal(await server.process.exited(), 0);
    await server.restart();
    t.equal(await server.process.s3('GET', '/bucket/key'), 'kept');
    t.equal((await server.status()).pendingObjects, 1);
  },
);
