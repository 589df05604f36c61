/** `POST /api/v1/flush`: statuses, progress lines, and clients that leave. */
import t, { type Test } from 'tap';
import { SILENT_LOGGER } from '../../../src/core/logger.js';
import { createAdminServer } from '../../../src/http/admin/admin-server.js';
import { loadSettings } from '../../../src/settings/settings.js';
import { MemoryAdminService, NOTHING_LEFT } from '../../support/memory-admin-service.js';

function open(t: Test): { admin: MemoryAdminService; server: ReturnType<typeof createAdminServer> } {
  const admin = new MemoryAdminService();
  const settings = loadSettings({ env: {}, flags: [], readText: () => undefined });
  const server = createAdminServer({ admin, settings, logger: SILENT_LOGGER });
  t.teardown(() => server.close());
  return { admin, server };
}

void t.test('flush route: the status tells the outcome, and a body may be left out', async (t) => {
  const { admin, server } = open(t);
  const statuses: number[] = [];
  for (const outcome of ['PERSISTED', 'TIMEOUT', 'BLOCKED'] as const) {
    admin.flushResult = { ...NOTHING_LEFT, outcome, blocked: [] };
    const answer = await server.inject({ method: 'POST', url: '/api/v1/flush' });
    statuses.push(answer.statusCode);
    t.match(answer.json(), { outcome, objects: 0 });
  }
  t.same(statuses, [200, 202, 409]);
  t.match(admin.flushes[0], { path: '/' });
});

void t.test('flush route: what is asked for reaches the engine, and nonsense is refused', async (t) => {
  const { admin, server } = open(t);
  const payload = { path: '/b/k', exact: true, upToOffset: '1:5', timeoutMs: 1000 };
  await server.inject({ method: 'POST', url: '/api/v1/flush', payload });
  t.match(admin.flushes[0], payload);
  for (const wrong of [{ timeoutMs: 0 }, { timeoutMs: 'soon' }, { prefix: '/b' }]) {
    const answer = await server.inject({ method: 'POST', url: '/api/v1/flush', payload: wrong });
    t.equal(answer.statusCode, 400, JSON.stringify(wrong));
  }
});

void t.test('flush route: progress comes as lines before the result', async (t) => {
  const { admin, server } = open(t);
  admin.flushSteps = [
    { ...NOTHING_LEFT, objects: 2 },
    { ...NOTHING_LEFT, objects: 1 },
  ];
  const headers = { accept: 'application/x-ndjson' };
  const { body } = await server.inject({ method: 'POST', url: '/api/v1/flush', headers });
  const lines = body
    .trimEnd()
    .split('\n')
    .map((line) => JSON.parse(line) as object);
  t.match(lines, [
    { progress: { objects: 2 } },
    { progress: { objects: 1 } },
    { result: { outcome: 'PERSISTED' } },
  ]);
});

void t.test('flush route: a client that goes away ends the flush', async (t) => {
  for (const accept of ['application/json', 'application/x-ndjson']) {
    const { admin, server } = open(t);
    const begun = new Promise<AbortSignal | undefined>((resolve) => {
      admin.flush = async ({ signal }) => {
        resolve(signal);
        await new Promise((done) => signal?.addEventListener('abort', done));
        throw new Error('given up');
      };
    });
    const address = await server.listen({ host: '127.0.0.1', port: 0 });
    const leaving = new AbortController();
    const request = { method: 'POST', headers: { accept }, signal: leaving.signal };
    const answer = fetch(`${address}/api/v1/flush`, request).then((response) => response.text());
    const signal = await begun;
    const ended = new Promise((resolve) => signal?.addEventListener('abort', resolve));
    leaving.abort();
    await t.rejects(answer, { name: 'AbortError' });
    await ended;
    t.equal(signal?.aborted, true, accept);
  }
});
