import t from 'tap';
import { authorizationOf, authorized } from '../../src/cli/credentials.js';

const TOKEN = 'a'.repeat(64);
const LOCAL = 'http://127.0.0.1:19999';

function resolve(
  env: Record<string, string>,
  {
    options = {},
    endpoint = LOCAL,
    files = { './data/admin.token': `${TOKEN}\n` } as Record<string, string>,
  } = {},
): string | undefined {
  return authorizationOf({ env, readText: (path) => files[path] }, options, endpoint, () => './data');
}

void t.test('credentials: options before the environment before the token of this machine', async (t) => {
  const env = { HEADRACE_ACCESS_KEY_ID: 'ID', HEADRACE_SECRET_ACCESS_KEY: 'se:cret' };
  const basic = (text: string): string => `Basic ${Buffer.from(text).toString('base64')}`;
  t.equal(resolve(env), basic('ID:se:cret'));
  t.equal(resolve(env, { options: { accessKeyId: 'X', secretAccessKey: 'y' } }), basic('X:y'));
  t.equal(resolve({}), `Bearer ${TOKEN}`);
  t.equal(resolve({}, { files: {} }), undefined);
  t.equal(resolve({}, { files: { './data/admin.token': 'something else' } }), undefined);
  t.throws(() => resolve({ HEADRACE_ACCESS_KEY_ID: 'ID' }), { message: /no secret/, exitCode: 2 });
  t.throws(() => resolve({ HEADRACE_SECRET_ACCESS_KEY: 'x' }), { message: /no access key/ });
});

void t.test('credentials: the token goes to this machine only', async (t) => {
  for (const endpoint of ['http://localhost:1', 'http://[::1]:1', 'http://127.1.2.3'])
    t.equal(resolve({}, { endpoint }), `Bearer ${TOKEN}`, endpoint);
  for (const endpoint of ['http://10.0.0.1:1', 'https://headrace.example', 'http://127.0.0.1.evil.example'])
    t.equal(resolve({}, { endpoint }), undefined, endpoint);
  const unreadable = (): never => {
    throw new Error('EACCES');
  };
  t.equal(
    authorizationOf({ env: {}, readText: unreadable }, {}, LOCAL, () => './data'),
    undefined,
  );
});

void t.test('credentials: a request keeps its own headers', async (t) => {
  let seen: RequestInit | undefined;
  const fetch = authorized(async (_input, init) => {
    seen = init;
    return new Response();
  }, 'Bearer x');
  await fetch('http://127.0.0.1', { method: 'PUT', headers: { 'content-type': 'application/json' } });
  t.match(seen, {
    method: 'PUT',
    headers: { authorization: 'Bearer x', 'content-type': 'application/json' },
  });
});
