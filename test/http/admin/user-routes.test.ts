import t from 'tap';
import { SILENT_LOGGER } from '../../../src/core/logger.js';
import { createAdminServer } from '../../../src/http/admin/admin-server.js';
import { loadSettings } from '../../../src/settings/settings.js';
import { MemoryAdminService } from '../../support/memory-admin-service.js';

interface Answer {
  readonly status: number;
  readonly body: { readonly accessKeyId: string; readonly secretAccessKey: string };
}

void t.test('admin: users are made, changed and removed, and a secret is told once', async (t) => {
  const logged: string[] = [];
  const note = (fields: object, message: string): void => void logged.push(message + JSON.stringify(fields));
  const settings = loadSettings({ env: {}, flags: [], readText: () => undefined });
  const server = createAdminServer({
    admin: new MemoryAdminService(),
    settings,
    logger: { ...SILENT_LOGGER, info: note, warn: note, error: note },
  });
  t.teardown(() => server.close());
  const send = async (method: 'GET' | 'POST' | 'DELETE', url: string, payload?: object): Promise<Answer> => {
    const answer = await server.inject({ method, url: `/api/v1/users${url}`, ...(payload && { payload }) });
    return { status: answer.statusCode, body: answer.json<Answer['body']>() };
  };
  const made = await send('POST', '', { name: 'alice', grants: ['read:photos'] });
  t.match(made, { status: 201, body: { user: { name: 'alice', grants: ['read:photos'] } } });
  const { accessKeyId, secretAccessKey } = made.body;
  t.match(secretAccessKey, /^\S{40}$/);
  t.match(await send('POST', '/alice/grant', { grants: ['list:photos/a b'] }), {
    body: { grants: ['read:photos', 'list:photos/a b'] },
  });
  t.match(await send('POST', '/alice/disable', { accessKeyId }), { body: { keys: [{ enabled: false }] } });
  t.match(await send('POST', '/alice/rotate', {}), { status: 201, body: { user: { keys: [{}, {}] } } });
  const shown = JSON.stringify([await send('GET', ''), await send('GET', '/alice'), logged]);
  t.notMatch(shown, secretAccessKey);
  t.match(shown, accessKeyId);
  t.match(await send('DELETE', `/alice?accessKeyId=${accessKeyId}`), { status: 200 });
  t.match(await send('DELETE', '/alice'), { status: 200 });
  for (const [method, url, payload, status] of [
    ['GET', '/alice', undefined, 404],
    ['POST', '', { name: 'a b' }, 400],
    ['POST', '', { name: 'bob', grants: ['x'] }, 400],
    ['POST', '', { name: 'bob', secret: 'x' }, 400],
    ['POST', '/bob/grant', { grants: [] }, 400],
    ['POST', '', { name: 'bob' }, 201],
    ['POST', '', { name: 'bob' }, 409],
  ] as const)
    t.match(await send(method, url, payload), { status }, `${method} ${url} ${JSON.stringify(payload)}`);
});
