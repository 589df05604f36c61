/** The admin API of a real process: who gets in, and what an operator can follow in metrics and log. */
import { readFile, stat } from 'node:fs/promises';
import { join } from 'node:path';
import t from 'tap';
import { runCli, TestServer } from '../support/headrace-process.js';

interface MadeUser {
  readonly accessKeyId: string;
  readonly secretAccessKey: string;
}

interface LogLine {
  readonly msg: string;
  readonly requestId?: string;
  readonly operation?: string;
  readonly key?: string;
  readonly status?: number;
  readonly offset?: string;
  readonly code?: string;
}

function basic({ accessKeyId, secretAccessKey }: MadeUser): Record<string, string> {
  return { authorization: `Basic ${Buffer.from(`${accessKeyId}:${secretAccessKey}`).toString('base64')}` };
}

function linesOf(text: string): LogLine[] {
  return text
    .split('\n')
    .filter((line) => line !== '')
    .map((line) => JSON.parse(line) as LogLine);
}

void t.test('admin: with the first user it asks for credentials, and this machine has them', async (t) => {
  const server = await TestServer.start(t);
  const base = `http://127.0.0.1:${server.process.adminPort}`;
  const status = async (path: string, headers: Record<string, string> = {}): Promise<number> => {
    const response = await fetch(base + path, { headers });
    await response.arrayBuffer();
    return response.status;
  };
  t.equal(await status('/api/v1/status'), 200, 'open while there is no user');
  const add = async (name: string, grants: readonly string[]): Promise<MadeUser> => {
    const { text } = await server.process.admin('POST', '/api/v1/users', { name, grants });
    return JSON.parse(text) as MadeUser;
  };
  const scraper = await add('prometheus', []);
  t.equal(await status('/api/v1/status'), 401);
  t.equal(await status('/readyz'), 200);
  const admin = await add('root', ['admin:*']);
  t.equal(await status('/api/v1/status', basic(admin)), 200);
  t.equal(await status('/metrics', basic(scraper)), 200);
  t.equal(await status('/api/v1/users', basic(scraper)), 403);
  const token = join(server.dataDirectory, 'admin.token');
  t.equal((await stat(token)).mode & 0o777, 0o600);
  const before = await readFile(token, 'utf8');
  const remote = (environment: Record<string, string>) => runCli(['status', '--endpoint', base], environment);
  const refused = await remote({ HEADRACE_DATA_DIR: '/nowhere' });
  t.not(refused.code, 0);
  t.match(refused.stderr, /HEADRACE_ACCESS_KEY_ID/);
  t.equal(
    (
      await remote({
        HEADRACE_ACCESS_KEY_ID: admin.accessKeyId,
        HEADRACE_SECRET_ACCESS_KEY: admin.secretAccessKey,
      })
    ).code,
    0,
  );
  await server.process.kill();
  await server.restart();
  t.not(await readFile(token, 'utf8'), before, 'each start has a token of its own');
  t.equal(await status('/api/v1/status', { authorization: `Bearer ${before.trim()}` }), 401);
  for (const user of ['root', 'prometheus'])
    t.equal((await server.process.admin('DELETE', `/api/v1/users/${user}`)).status, 200);
  t.equal((await server.cli('status')).code, 0, 'who can read the data directory gets in');
  t.equal(await status('/api/v1/status'), 401, 'what was closed stays closed');
  await server.process.stop();
  await t.rejects(stat(token), { code: 'ENOENT' });
});

void t.test('admin: an address that others reach needs somebody who may use it', async (t) => {
  const HEADRACE_ADMIN_HOST = '0.0.0.0';
  const refused = await TestServer.spawn(t, { environment: { HEADRACE_ADMIN_HOST } });
  t.equal(await refused.process.exited(), 2);
  t.match(refused.process.stderr, /admin\.host = 0\.0\.0\.0 .* admin:\*.*admin\.anonymous\.access = denied/);
  const denied = await TestServer.start(t, {
    environment: { HEADRACE_ADMIN_HOST, HEADRACE_ADMIN_ANONYMOUS_ACCESS: 'denied' },
  });
  t.equal((await fetch(`http://127.0.0.1:${denied.process.adminPort}/api/v1/status`)).status, 401);
  t.equal((await denied.cli('status')).code, 0, 'who can read the data directory is let in');
});

void t.test('admin: a request id leads by the log to the event, and metrics count it', async (t) => {
  const server = await TestServer.start(t, {
    environment: { HEADRACE_LOG_LEVEL: 'info', HEADRACE_S3_ACCESS_LOG: 'true' },
  });
  t.equal(server.process.stderr, '', 'a start says nothing beside its banner');
  await server.process.setPolicies('WRITE_BACK');
  const put = async (path: string): Promise<string> => {
    const response = await fetch(server.endpoint + path, {
      method: 'PUT',
      body: path.includes('/', 1) ? 'x' : null,
    });
    await response.arrayBuffer();
    return response.headers.get('x-amz-request-id') ?? '';
  };
  await put('/bucket');
  const written = await put('/bucket/key%0A%7B%22level%22%3A50%7D');
  const missing = await fetch(`${server.endpoint}/bucket/none`);
  t.match(
    await missing.text(),
    new RegExp(`<RequestId>${missing.headers.get('x-amz-request-id')}</RequestId>`),
  );
  const metrics = (await server.process.admin('GET', '/metrics')).text;
  t.match(metrics, /headrace_s3_requests_total\{operation="PutObject",status="2xx"\} 1\n/);
  t.match(metrics, /headrace_s3_requests_total\{operation="GetObject",status="4xx"\} 1\n/);
  t.match(metrics, /headrace_nodejs_eventloop_lag_p99_seconds \d/);
  await server.process.stop();
  const lines = linesOf(server.process.stderr);
  const line = lines.find(({ requestId }) => requestId === written);
  t.match(line, { msg: 'request', operation: 'PutObject', status: 200, key: 'key\n{"level":50}' });
  const [, partition = '', offset = ''] = /^(\d+):(\d+)$/.exec(line?.offset ?? '') ?? [];
  const cat = await server.cli(
    'log',
    'cat',
    '--partition',
    partition,
    '--from',
    offset,
    '--limit',
    '1',
    '--json',
  );
  t.match(JSON.parse(cat.stdout), { event: { type: 'ObjectCommitted', key: 'key\n{"level":50}' } });
  const failed = lines.filter(({ requestId }) => requestId === missing.headers.get('x-amz-request-id'));
  t.match(failed, [{ msg: 'request', code: 'NoSuchKey', status: 404 }]);
  t.equal(failed.length, 1, 'a mistake of a client is one line without a stack');
});
