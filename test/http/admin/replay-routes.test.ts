/** States that are past, over the admin API. */
import type { FastifyInstance } from 'fastify';
import t, { type Test } from 'tap';
import { SILENT_LOGGER } from '../../../src/core/logger.js';
import { createAdminServer } from '../../../src/http/admin/admin-server.js';
import { loadSettings } from '../../../src/settings/settings.js';
import { MemoryAdminService } from '../../support/memory-admin-service.js';

function open(t: Test): { server: FastifyInstance; admin: MemoryAdminService } {
  const admin = new MemoryAdminService();
  const settings = loadSettings({ env: {}, flags: [], readText: () => undefined });
  const server = createAdminServer({ admin, settings, logger: SILENT_LOGGER });
  t.teardown(() => server.close());
  return { admin, server };
}

void t.test(
  'log replay: parameters that do not belong together are refused with what would be right',
  async (t) => {
    const { server, admin } = open(t);
    admin.append(1, { type: 'ObjectDeleted', bucket: 'b', key: 'k', ufsDelete: true });
    const ask = (query: string) => server.inject(`/api/v1/log/replay?${query}`);
    for (const [query, message] of [
      ['from=1', /from and to belong together/],
      ['show=object', /show=object and path belong together/],
      ['path=/b/k', /show=object and path belong together/],
      ['show=pinned&from=0&to=1', /give one of them/],
      ['until=1&from=0&to=1', /leave until out/],
      ['steps=1', /steps needs until/],
      ['until=1&steps=0', /must not be 0/],
      ['until=1&steps=101', /<= 100/],
      ['show=all', /allowed values/],
      ['limit=10001', /<= 10000/],
      ['until=2', /offsets 0 to 1: 2 is behind the end/],
    ] as const) {
      const answer = await ask(query);
      t.equal(answer.statusCode, 400, query);
      t.match(answer.json(), { error: { message } }, query);
    }
    t.match((await ask('from=0&to=1')).json(), { changes: [{ what: 's3://b/k' }, Object, Object] });
    t.match((await ask('until=0')).json(), { replayed: { offset: 0 }, counts: { 'pending uploads': 0 } });
  },
);

void t.test('log replay: it ends when the client is gone', async (t) => {
  const { server, admin } = open(t);
  const asked = new Promise<AbortSignal | undefined>((resolve) => {
    admin.inspection.replay = async ({ signal }) => {
      resolve(signal);
      return new Promise(() => {});
    };
  });
  const endpoint = await server.listen({ host: '127.0.0.1', port: 0 });
  const client = new AbortController();
  const answer = fetch(`${endpoint}/api/v1/log/replay`, { signal: client.signal });
  const signal = await asked;
  t.equal(signal?.aborted, false);
  const ended = new Promise((resolve) => signal?.addEventListener('abort', resolve, { once: true }));
  client.abort();
  await t.rejects(answer);
  await ended;
  t.equal(signal?.aborted, true);
});
