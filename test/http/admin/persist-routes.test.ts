/** `/api/v1/async-persist…`: input is checked, nothing is lost without confirmation, and bytes come as they are. */
import t, { type Test } from 'tap';
import { SILENT_LOGGER } from '../../../src/core/logger.js';
import { createAdminServer } from '../../../src/http/admin/admin-server.js';
import { loadSettings } from '../../../src/settings/settings.js';
import { MemoryAdminService, objectStat, persistEntry } from '../../support/memory-admin-service.js';

function open(t: Test) {
  const admin = new MemoryAdminService();
  const settings = loadSettings({ env: {}, flags: [], readText: () => undefined });
  const server = createAdminServer({ admin, settings, logger: SILENT_LOGGER });
  t.teardown(() => server.close());
  const post = (url: string, payload?: object) =>
    server.inject({ method: 'POST', url: `/api/v1/async-persist/${url}`, ...(payload && { payload }) });
  return { admin, server, post };
}

void t.test('async-persist: pages with a cursor, and filters', async (t) => {
  const { admin, server } = open(t);
  for (const key of ['a/1', 'a/2', 'b/1']) admin.pending.push(persistEntry(key, admin.pending.length + 5));
  const page = (await server.inject('/api/v1/async-persist?limit=2')).json<{ nextAfter: string }>();
  t.match(page, { entries: [{ key: 'a/1' }, { key: 'a/2' }] });
  const next = await server.inject(`/api/v1/async-persist?limit=2&after=${page.nextAfter}`);
  t.same(Object.keys(next.json()), ['entries'], 'no further page');
  t.match(next.json(), { entries: [{ key: 'b/1' }] });
  const filtered = await server.inject('/api/v1/async-persist?path=/b/b/&state=WAITING');
  t.match(filtered.json(), { entries: [{ key: 'b/1' }] });
  for (const url of ['?limit=0', '?limit=1001', '?state=LOST', '?cause=a%20b', '?unknown=1'])
    t.equal((await server.inject(`/api/v1/async-persist${url}`)).statusCode, 400, url);
});

void t.test('async-persist: stat, and retry with and without a body', async (t) => {
  const { admin, server, post } = open(t);
  const persist = persistEntry('k', 3);
  admin.pending.push(persist);
  admin.objects.push(objectStat('b', 'k', { persist }));
  t.match((await server.inject('/api/v1/async-persist/stat?path=/b/k')).json(), { persist: { attempt: 2 } });
  t.equal((await server.inject('/api/v1/async-persist/stat?path=/b/none')).statusCode, 404);
  t.same((await post('retry')).json(), { retried: 1 });
  t.same((await post('retry', { path: '/b/k', exact: true })).json(), { retried: 1 });
  t.same(admin.persists.retries, [{}, { path: '/b/k', exact: true }]);
  t.equal((await post('retry', { prefix: '/' })).statusCode, 400, 'an unknown member is named, not dropped');
});

void t.test('async-persist: discard needs a confirmation and a reason', async (t) => {
  const { admin, post } = open(t);
  admin.pending.push(persistEntry('k', 3));
  const body = { path: '/b/k', reason: 'old' };
  const refused = await post('discard', body);
  t.equal(refused.statusCode, 400);
  t.match(refused.json(), { error: { message: /would be lost for good.*"confirm": true/ } });
  t.equal((await post('discard', { path: '/b/k', confirm: true })).statusCode, 400);
  t.equal((await post('discard', { ...body, confirm: true, version: 4 })).statusCode, 412);
  t.equal((await post('discard', { ...body, path: '/b/none', confirm: true })).statusCode, 404);
  t.equal(admin.persists.discards.length, 0);
  t.match((await post('discard', { ...body, confirm: true })).json(), { version: 3, size: 10_240 });
});

void t.test('async-persist: export gives the bytes and says what they are', async (t) => {
  const { admin, server } = open(t);
  admin.pending.push(persistEntry('größe', 3));
  const bytes = Buffer.alloc(200_000, 7);
  admin.persists.bytes.set('/b/größe', bytes);
  const url = `/api/v1/async-persist/export?path=${encodeURIComponent('/b/größe')}`;
  const answer = await server.inject(url);
  t.equal(answer.statusCode, 200);
  t.ok(answer.rawPayload.equals(bytes));
  t.equal(answer.headers['content-length'], '200000');
  const object: unknown = JSON.parse(
    Buffer.from(String(answer.headers['x-headrace-object']), 'base64').toString(),
  );
  t.match(object, { bucket: 'b', key: 'größe', version: 3, headers: { user: { owner: 'größe' } } });
  t.equal((await server.inject(`${url}&version=4`)).statusCode, 412);
});
