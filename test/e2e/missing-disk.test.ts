/** The disk of the under-store is not mounted at a later start: nothing is made in its place, and what is dirty waits for it. */
import { existsSync } from 'node:fs';
import { readFile, rename } from 'node:fs/promises';
import { join } from 'node:path';
import t from 'tap';
import { eventually, TestServer } from '../support/headrace-process.js';
import { S3Client } from '../support/s3-client.js';

void t.test(
  'directory that was the under-store and is gone at the next start is not made anew',
  async (t) => {
    const server = await TestServer.start(t, {
      environment: { HEADRACE_WORKER_WRITE_CACHE_ASYNC_PERSIST_RETRY_INITIAL_INTERVAL: '100ms' },
    });
    const root = server.ufsDirectory;
    await server.process.s3('PUT', '/bucket');
    await server.process.s3('PUT', '/bucket/before', 'written through');
    await server.process.setPolicies('WRITE_BACK');
    await server.process.stop();
    await rename(root, `${root}-unmounted`);
    await server.restart();
    await server.process.s3('PUT', '/bucket/meanwhile', 'dirty');
    const client = new S3Client(server.process.s3Port);
    t.teardown(() => client.close());
    t.equal((await client.request('GET', '/bucket/never')).status, 503, 'nobody can tell what is there');
    await eventually(
      async () => server.process.stdout.includes(`the directory ${root} was used before and is not there`),
      () => server.process.stdout,
    );
    t.notOk(existsSync(root));
    await rename(`${root}-unmounted`, root);
    const flushed = await server.cli('flush', '--timeout', '60s');
    t.equal(flushed.code, 0, flushed.stderr);
    t.equal(await readFile(join(root, 'bucket', 'meanwhile'), 'utf8'), 'dirty');
    t.equal(await readFile(join(root, 'bucket', 'before'), 'utf8'), 'written through');
  },
);
