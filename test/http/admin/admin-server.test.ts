import type { FastifyInstance } from 'fastify';
import t, { type Test } from 'tap';
import { HeadraceError } from '../../../src/core/errors.js';
import { SILENT_LOGGER } from '../../../src/core/logger.js';
import { createAdminServer } from '../../../src/http/admin/admin-server.js';
import { loadSettings } from '../../../src/settings/settings.js';
import { MemoryAdminService, objectStat, persistEntry } from '../../support/memory-admin-service.js';

interface Fixture {
  readonly admin: MemoryAdminService;
  readonly server: FastifyInstance;
}

const GUIDE = {
  apiVersion: 'v1.0',
  defaultRule: { policyMode: 'WRITE_THROUGH', properties: { writeReplicas: 1 } },
  pathRules: [{ alluxioPath: '/checkpoints/**', policyMode: 'WRITE_BACK', properties: { writeReplicas: 2 } }],
};

function open(t: Test, notReadyReason?: () => string | undefined): Fixture {
  const admin = new MemoryAdminService();
  const settings = loadSettings({
    env: {},
    flags: [{ key: 'admin.allowed.hosts', text: 'headrace.example', flag: '--set' }],
    readText: () => undefined,
  });
  const metrics = { contentType: 'text/plain; version=0.0.4', metrics: async () => 'up 1\n' };
  const server = createAdminServer({
    admin,
    settings,
    logger: SILENT_LOGGER,
    metrics,
    ...(notReadyReason === undefined ? {} : { notReadyReason }),
  });
  t.teardown(() => server.close());
  return { admin, server };
}

void t.test('admin: health, readiness, status, settings and metrics', async (t) => {
  let reason: string | undefined = 'recovering';
  const { server } = open(t, () => reason);
  t.equal((await server.inject('/healthz')).statusCode, 200);
  t.match((await server.inject('/readyz')).json(), { ready: false, reason: 'recovering' });
  reason = undefined;
  t.equal((await server.inject('/readyz')).statusCode, 200);
  t.match((await server.inject('/api/v1/status')).json(), { version: '0.0.0-test', log: [{ partition: 0 }] });
  const { settings } = (await server.inject('/api/v1/settings')).json();
  t.match(settings[0], { key: 'data.dir', value: './data', source: 'default' });
  t.equal((await server.inject('/metrics')).body, 'up 1\n');
});

void t.test(
  'admin: the path configuration is set, tested and read back, also at an older offset',
  async (t) => {
    const { server } = open(t);
    const before = await server.inject('/api/v1/conf');
    t.equal(before.headers['etag'], '"-1"', 'none was set yet');
    const set = await server.inject({ method: 'PUT', url: '/api/v1/conf', payload: GUIDE });
    t.equal(set.statusCode, 200);
    t.same(set.json(), { offset: 0 });
    const after = await server.inject('/api/v1/conf');
    t.equal(after.headers['etag'], set.headers['etag']);
    t.equal(after.json().pathRules[0].path, '/checkpoints/**');
    const test = await server.inject('/api/v1/conf/test?path=/checkpoints/epoch-1/model.pt');
    t.match(test.json(), { policyMode: 'WRITE_BACK', matched: '/checkpoints/**' });
    const round = await server.inject({ method: 'PUT', url: '/api/v1/conf', payload: before.json() });
    t.equal(round.statusCode, 200, 'what GET answers can be PUT');
    t.same((await server.inject('/api/v1/conf')).json(), before.json());
    t.same((await server.inject('/api/v1/conf?at=0')).json(), after.json());
  },
);

void t.test('admin: a document that changed meanwhile is not overwritten', async (t) => {
  const { server } = open(t);
  const put = (ifMatch: string) =>
    server.inject({ method: 'PUT', url: '/api/v1/conf', payload: GUIDE, headers: { 'if-match': ifMatch } });
  t.equal((await put('"-1"')).statusCode, 200);
  const refused = await put('"-1"');
  t.equal(refused.statusCode, 412);
  t.match(refused.json(), { error: { code: 'PRECONDITION_FAILED', message: /changed meanwhile/ } });
  t.equal((await put('*')).statusCode, 200);
  t.equal((await put('"abc"')).statusCode, 400);
});

void t.test('admin: bad input is answered with what is wrong', async (t) => {
  const { server } = open(t);
  const put = (payload: string, type: string) =>
    server.inject({ method: 'PUT', url: '/api/v1/conf', payload, headers: { 'content-type': type } });
  const cases: [response: Awaited<ReturnType<typeof put>>, status: number, message: RegExp][] = [
    [await put('{"apiVersion": "v2"}', 'application/json'), 400, /apiVersion: "v2" must be "v1.0"/],
    [await put('{', 'application/json'), 400, /JSON/],
    [await put('{}', 'application/x-www-form-urlencoded'), 415, /send application\/json/],
    [await put(JSON.stringify('x'.repeat(1024 ** 2)), 'application/json'), 413, /too large/],
    [await server.inject('/api/v1/conf/test'), 400, /required property 'path'/],
    [await server.inject('/api/v1/conf/test?path=x'), 400, /must start with/],
    [await server.inject('/api/v1/conf/test?path=/x&y=1'), 400, /additional properties/],
    [await server.inject('/api/v1/async-persist?limit=0'), 400, />= 1/],
    [await server.inject('/api/v1/async-persist?state=LOST'), 400, /allowed values/],
    [await server.inject('/api/v1/log?partition=9'), 400, /no partition 9: there are 0, 1/],
    [await server.inject('/api/v1/objects/only-a-bucket'), 400, /write \/<bucket>\/<key>/],
    [await server.inject('/api/v1/objects/b/k'), 404, /does not hold "\/b\/k"/],
    [await server.inject('/api/v2'), 404, /there is no GET \/api\/v2/],
    [await server.inject('/api/v1/objects/%zz'), 400, /./],
  ];
  for (const [response, status, message] of cases) {
    t.equal(response.statusCode, status, response.body);
    t.match(response.json().error.message, message);
  }
});

void t.test('admin: objects are found by path or query, whatever their key', async (t) => {
  const { admin, server } = open(t);
  for (const key of ['dir/k', 'a/../b//c', 'ü?#%', 'x'.repeat(1024)]) {
    admin.objects.push(objectStat('b', key));
    const byPath = await server.inject(`/api/v1/objects/b/${encodeURIComponent(key)}`);
    t.equal(byPath.json().key, key);
    const byQuery = await server.inject({ url: '/api/v1/objects', query: { path: `/b/${key}` } });
    t.equal(byQuery.json().key, key);
  }
});

void t.test('admin: listings come in pages', async (t) => {
  const { admin, server } = open(t);
  for (const key of ['a', 'b', 'c']) {
    admin.objects.push(objectStat('b', key));
    admin.pending.push(persistEntry(key, admin.pending.length + 5));
  }
  const first = (await server.inject('/api/v1/fs?path=/b&limit=2')).json();
  t.match(first, { entries: [{ path: '/b/a' }, { path: '/b/b' }], nextStartAfter: '/b/b' });
  const second = (await server.inject('/api/v1/fs?path=/b&limit=2&startAfter=/b/b')).json();
  t.same(second.entries.length, 1);
  t.notOk('nextStartAfter' in second);
  t.match((await server.inject('/api/v1/async-persist?limit=2')).json(), { nextAfter: '1:6' });
  t.match((await server.inject('/api/v1/async-persist?after=1:6')).json(), { entries: [{ key: 'c' }] });
  t.same((await server.inject('/api/v1/async-persist?state=UPLOADING')).json(), { entries: [] });
  t.equal((await server.inject('/api/v1/persist')).statusCode, 404, 'one way to ask is enough');
});

void t.test(
  'admin: a page that ends with a directory goes on behind it; so does one of buckets',
  async (t) => {
    const { admin, server } = open(t);
    for (const key of ['d/1', 'd/2', 'e']) admin.objects.push(objectStat('b', key), objectStat('c', key));
    const list = async (query: Record<string, string>) =>
      (await server.inject({ url: '/api/v1/fs', query: { path: '/b/', limit: '1', ...query } })).json();
    const first = await list({});
    t.match(first.entries, [{ path: '/b/d/', directory: true }]);
    const second = await list({ startAfter: first.nextStartAfter });
    t.match(second.entries, [{ path: '/b/e', directory: false }]);
    const root = await list({ path: '/' });
    t.match(root.entries, [{ path: '/b/', directory: true }]);
    const rest = await list({ path: '/', startAfter: root.nextStartAfter });
    t.match(rest.entries, [{ path: '/c/', directory: true }]);
    t.notOk('nextStartAfter' in (await list({ path: '/', limit: '3' })));
  },
);

void t.test(
  'admin: free works with and without a body, and reports progress to who asks for lines',
  async (t) => {
    const { admin, server } = open(t);
    t.match((await server.inject({ method: 'POST', url: '/api/v1/free' })).json(), { bytes: 2048 });
    await server.inject({ method: 'POST', url: '/api/v1/free', payload: { path: '/b' } });
    t.same(admin.frees, [undefined, '/b']);
    const lines = await server.inject({
      method: 'POST',
      url: '/api/v1/free',
      headers: { accept: 'application/x-ndjson' },
    });
    t.same(
      lines.body
        .trim()
        .split('\n')
        .map((line) => Object.keys(JSON.parse(line))[0]),
      ['progress', 'result'],
    );
    const verify = await server.inject({
      method: 'POST',
      url: '/api/v1/log/verify',
      payload: { data: true },
    });
    t.match(verify.json(), { ok: true, extents: 5 });
  },
);

void t.test('admin: a job that fails after its answer began ends with an error line', async (t) => {
  const { admin, server } = open(t);
  admin.free = async () => {
    throw new HeadraceError('IO_FAILED', 'the disk is gone');
  };
  const headers = { accept: 'application/x-ndjson' };
  const lines = await server.inject({ method: 'POST', url: '/api/v1/free', headers });
  t.match(JSON.parse(lines.body), {
    error: { code: 'IO_FAILED', message: 'the disk is gone', requestId: /./ },
  });
  const plain = await server.inject({ method: 'POST', url: '/api/v1/free' });
  t.equal(plain.statusCode, 503);
});

void t.test('admin: an unexpected error shows nothing of the inside', async (t) => {
  const { admin, server } = open(t);
  admin.mounts = async () => {
    throw new TypeError('cannot read secret of undefined');
  };
  const response = await server.inject('/api/v1/mounts');
  t.equal(response.statusCode, 500);
  t.notMatch(response.body, 'secret');
});

void t.test('admin: events are read in pages; what was trimmed is gone', async (t) => {
  const { admin, server } = open(t);
  for (let i = 0; i < 5; i++) admin.append(1, { type: 'ObjectCommitted', key: `k${i}` });
  t.match((await server.inject('/api/v1/log/head')).json(), {
    heads: [{}, { partition: 1, durableOffset: 5 }],
  });
  const page = (await server.inject('/api/v1/log?partition=1&from=1&limit=2')).json();
  t.match(page, { events: [{ offset: 1 }, { offset: 2 }], nextFrom: 3, durableOffset: 5 });
  t.match((await server.inject('/api/v1/log?partition=1&from=5')).json(), { events: [], nextFrom: 5 });
  admin.oldestOffset = 2;
  t.equal((await server.inject('/api/v1/log?partition=1&from=1')).statusCode, 410);
  t.equal((await server.inject('/api/v1/log/tail?partition=1&from=1')).statusCode, 410);
  t.match((await server.inject('/api/v1/log?partition=1')).json(), { events: [{ offset: 2 }] });
});

void t.test(
  'admin: a tail starts with the past, goes on live, and ends when the client leaves',
  async (t) => {
    const { admin, server } = open(t);
    admin.append(1, { type: 'First' });
    const base = await server.listen({ host: '127.0.0.1', port: 0 });
    const controller = new AbortController();
    const response = await fetch(`${base}/api/v1/log/tail?partition=1&from=0`, { signal: controller.signal });
    const reader = response.body?.pipeThrough(new TextDecoderStream()).getReader();
    t.match((await reader?.read())?.value, /"First"/);
    admin.append(1, { type: 'Second' });
    t.match((await reader?.read())?.value, /"Second"/);
    const closed = admin.tailClosed();
    controller.abort();
    await closed;
    t.equal(admin.openTails, 0);
  },
);

void t.test('admin: closing the server ends idle tails, whose headers were sent at once', async (t) => {
  const { admin, server } = open(t);
  const base = await server.listen({ host: '127.0.0.1', port: 0 });
  const response = await fetch(`${base}/api/v1/log/tail`);
  t.equal(response.headers.get('content-type'), 'application/x-ndjson');
  const closed = admin.tailClosed();
  await server.close();
  await closed;
  await response.text().catch(() => '');
  t.equal(admin.openTails, 0);
});

void t.test('admin: mounts are added, listed without their secrets, and removed', async (t) => {
  const { server } = open(t);
  const payload = {
    path: '/b',
    ufs: 's3://archive',
    options: { secretAccessKey: 'hush', region: 'x' },
  };
  const add = () => server.inject({ method: 'POST', url: '/api/v1/mounts', payload });
  t.equal((await add()).statusCode, 201);
  t.equal((await add()).statusCode, 409);
  const { mounts } = (await server.inject('/api/v1/mounts')).json();
  t.same(mounts, [{ ...payload, options: { secretAccessKey: '****', region: 'x' } }]);
  t.equal((await server.inject({ method: 'DELETE', url: '/api/v1/mounts?path=/b' })).statusCode, 200);
  t.equal((await server.inject({ method: 'DELETE', url: '/api/v1/mounts?path=/b' })).statusCode, 404);
  t.equal(
    (await server.inject({ method: 'POST', url: '/api/v1/mounts', payload: { path: '/b' } })).statusCode,
    400,
  );
});

void t.test('admin: what a browser sends for another site is refused', async (t) => {
  const { server } = open(t);
  const cases: [headers: Record<string, string>, status: number][] = [
    [{ host: '127.0.0.1:19999' }, 200],
    [{ host: 'localhost:19999' }, 200],
    [{ host: '[::1]:19999' }, 200],
    [{ host: '10.1.2.3:19999' }, 200],
    [{ host: 'HEADRACE.example' }, 200],
    [{ host: 'evil.example:19999' }, 403],
    [{ host: '127.0.0.1.evil.example' }, 403],
    [{ host: 'user@127.0.0.1' }, 403],
    [{ host: 'localhost:19999', origin: 'http://localhost:19999', 'sec-fetch-site': 'same-origin' }, 200],
    [{ host: 'localhost:19999', origin: 'http://localhost:3000' }, 403],
    [{ host: 'localhost:19999', origin: 'https://evil.example' }, 403],
    [{ host: 'localhost:19999', origin: 'null' }, 403],
    [{ host: 'localhost:19999', 'sec-fetch-site': 'cross-site' }, 403],
    [{ host: 'localhost:19999', 'sec-fetch-site': 'same-site' }, 403],
    [{ host: 'localhost:19999', 'sec-fetch-site': 'none' }, 200],
  ];
  for (const [headers, status] of cases) {
    const response = await server.inject({ url: '/api/v1/conf', headers });
    t.equal(response.statusCode, status, JSON.stringify(headers));
  }
});
