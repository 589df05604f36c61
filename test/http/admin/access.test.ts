/** Who gets into the admin API. */
import type { FastifyInstance } from 'fastify';
import t, { type Test } from 'tap';
import { createAdminServer } from '../../../src/http/admin/admin-server.js';
import { decideAccess, LOCAL_OPERATOR, type AdminPrincipals } from '../../../src/http/admin/admin-access.js';
import { loadSettings } from '../../../src/settings/settings.js';
import { MemoryAdminService } from '../../support/memory-admin-service.js';

const TOKEN = 'f'.repeat(64);
const KEYS = new Map([
  ['ADMIN', { user: 'root', secretAccessKey: 'admin secret:with a colon', enabled: true }],
  ['PLAIN', { user: 'prometheus', secretAccessKey: 'plain', enabled: true }],
  ['OFF', { user: 'root', secretAccessKey: 'off', enabled: false }],
]);

function principals(open = false): AdminPrincipals {
  return { open, token: TOKEN, find: (id) => KEYS.get(id), isAdmin: (user) => user === 'root' };
}

function basic(id: string, secret: string): string {
  return `Basic ${Buffer.from(`${id}:${secret}`).toString('base64')}`;
}

const ADMIN = basic('ADMIN', 'admin secret:with a colon');

void t.test('access: credentials decide, unless nothing is needed or nobody is kept out', async (t) => {
  const closed = principals();
  const decide = (authorization: string | undefined, right: 'none' | 'user' | 'admin' = 'admin') => {
    const decision = decideAccess(closed, authorization, right);
    return decision.allowed ? (decision.user ?? '') : decision.status;
  };
  t.equal(decide(undefined), 401);
  t.equal(decide(undefined, 'none'), '');
  t.equal(decide(ADMIN), 'root');
  t.equal(decide(ADMIN.replace('Basic', 'basic')), 'root');
  t.equal(decide(`Bearer ${TOKEN}`), LOCAL_OPERATOR);
  t.equal(decide(basic('PLAIN', 'plain'), 'user'), 'prometheus');
  t.equal(decide(basic('PLAIN', 'plain')), 403);
  for (const wrong of [
    basic('ADMIN', 'wrong'),
    basic('ADMIN', ''),
    basic('NOBODY', ''),
    basic('NOBODY', 'x'),
    basic('OFF', 'off'),
    'Basic',
    'Basic ====',
    `Bearer ${'0'.repeat(64)}`,
    'Bearer x',
    `Bearer ${'x'.repeat(2000)}`,
    'AWS4-HMAC-SHA256 Credential=ADMIN/x',
  ])
    t.equal(decide(wrong), 401, wrong.slice(0, 60));
  t.match(decideAccess(principals(true), 'Basic nonsense', 'admin'), { allowed: true });
});

function open(t: Test, access: AdminPrincipals): { server: FastifyInstance; lines: string[] } {
  const settings = loadSettings({ env: {}, flags: [], readText: () => undefined });
  const lines: string[] = [];
  const note = (fields: object, message: string): void =>
    void lines.push(JSON.stringify({ ...fields, message }));
  let requests = 0;
  const server = createAdminServer({
    admin: new MemoryAdminService(),
    settings,
    logger: { debug: note, info: note, warn: note, error: note },
    access,
    requestId: () => `R${++requests}`,
    metrics: { contentType: 'text/plain', metrics: async () => 'up 1\n' },
  });
  t.teardown(() => server.close());
  return { server, lines };
}

void t.test('access: every route but health needs it, also one that does not exist', async (t) => {
  const { server } = open(t, principals());
  const status = async (url: string, authorization?: string): Promise<number> =>
    (await server.inject({ url, headers: authorization === undefined ? {} : { authorization } })).statusCode;
  for (const url of ['/healthz', '/readyz']) t.equal(await status(url), 200, url);
  for (const url of ['/metrics', '/api/v1/status', '/api/v1/openapi.json', '/api/v1/users', '/nowhere'])
    t.equal(await status(url), 401, url);
  t.equal(await status('/metrics', basic('PLAIN', 'plain')), 200, 'a user without grants may scrape');
  t.equal(await status('/api/v1/status', basic('PLAIN', 'plain')), 403);
  t.equal(await status('/api/v1/status', ADMIN), 200);
  t.equal(await status('/nowhere', ADMIN), 404);
});

void t.test('access: a refusal says how to get in, and the log who came and what for', async (t) => {
  const { server, lines } = open(t, principals());
  const refused = await server.inject({
    url: '/api/v1/status',
    headers: { authorization: basic('ADMIN', 'guess') },
  });
  t.match(refused.headers, { 'www-authenticate': /^Basic realm=/, 'x-request-id': 'R1' });
  t.match(refused.json(), { error: { code: 'UNAUTHENTICATED', requestId: 'R1' } });
  const made = await server.inject({
    method: 'POST',
    url: '/api/v1/free?x=\u2028%0a',
    headers: { authorization: ADMIN },
    payload: {},
  });
  t.equal(made.statusCode, 200);
  t.match(JSON.parse(lines[0] ?? ''), { requestId: 'R1', status: 401 });
  t.match(JSON.parse(lines.at(-1) ?? ''), { requestId: 'R2', user: 'root', method: 'POST', status: 200 });
  t.notMatch(lines.join('\n'), /guess|admin secret/);
});
