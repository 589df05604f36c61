/** The description of the admin API: whole, valid in its structure, and true of what the routes answer. */
import fastify, { type FastifyInstance } from 'fastify';
import t, { type Test } from 'tap';
import { SILENT_LOGGER } from '../../../src/core/logger.js';
import { createAdminServer } from '../../../src/http/admin/admin-server.js';
import { ANSWERS } from '../../../src/http/admin/api-schemas.js';
import { loadSettings } from '../../../src/settings/settings.js';
import { MemoryAdminService, objectStat, persistEntry } from '../../support/memory-admin-service.js';

interface Operation {
  readonly operationId?: string;
  readonly summary?: string;
  readonly tags?: readonly string[];
  readonly parameters?: readonly {
    readonly name: string;
    readonly in: string;
    readonly description?: string;
  }[];
  readonly requestBody?: { readonly content: Readonly<Record<string, unknown>> };
  readonly responses: Readonly<
    Record<string, { readonly content?: Readonly<Record<string, { schema?: object }>> }>
  >;
}

interface Document {
  readonly openapi: string;
  readonly info: { readonly title: string; readonly version: string };
  readonly paths: Readonly<Record<string, Readonly<Record<string, Operation>>>>;
  readonly components: { readonly schemas: Readonly<Record<string, object>> };
}

const METHODS = new Set(['GET', 'PUT', 'POST', 'DELETE', 'PATCH']);

function open(t: Test): { server: FastifyInstance; admin: MemoryAdminService } {
  const admin = new MemoryAdminService();
  const settings = loadSettings({ env: {}, flags: [], readText: () => undefined });
  const metrics = { contentType: 'text/plain', metrics: async () => 'up 1\n' };
  const server = createAdminServer({ admin, settings, logger: SILENT_LOGGER, metrics, version: '1.2.3' });
  t.teardown(() => server.close());
  return { admin, server };
}

function operationsOf({ paths }: Document): { name: string; path: string; operation: Operation }[] {
  return Object.entries(paths).flatMap(([path, item]) =>
    Object.entries(item).map(([method, operation]) => ({ name: `${method} ${path}`, path, operation })),
  );
}

/** Every `$ref` in a value. */
function references(value: unknown): string[] {
  if (typeof value !== 'object' || value === null) return [];
  return Object.entries(value).flatMap(([name, member]) =>
    name === '$ref' && typeof member === 'string' ? [member] : references(member),
  );
}

void t.test('openapi: every route is described, with its parameters, bodies and answers', async (t) => {
  const { server } = open(t);
  const routes: string[] = [];
  // Told of the routes that were added after it; those are all but the first ones.
  server.addHook('onRoute', ({ method, url }) => {
    for (const one of [method].flat()) if (METHODS.has(one)) routes.push(`${one} ${url}`);
  });
  const document: Document = (await server.inject('/api/v1/openapi.json')).json();
  t.match(document.openapi, /^3\.1\.\d+$/);
  t.match(document.info, { title: 'Headrace admin API', version: '1.2.3' });
  const described = operationsOf(document);
  t.ok(routes.length >= 20, `${routes.length} routes were seen`);
  const names = new Set(described.map(({ name }) => name));
  for (const route of routes) {
    const [method = '', url = ''] = route.split(' ');
    const name = `${method.toLowerCase()} ${url.replace(/:(\w+)/g, '{$1}').replace('*', '{path}')}`;
    t.ok(names.has(name), `${name} is in the document: ${[...names].join(', ')}`);
  }
  for (const { name, path, operation } of described) {
    t.ok(operation.summary, `${name} has a summary: add it to src/http/admin/api-description.ts`);
    t.ok(operation.tags?.length, `${name} has a tag`);
    for (const parameter of operation.parameters ?? [])
      t.ok(parameter.description, `${name}: the parameter ${parameter.name} has a description`);
    const inPath = [...path.matchAll(/\{([^}]+)\}/g)].map((match) => match[1]);
    const declared = (operation.parameters ?? []).filter((one) => one.in === 'path').map((one) => one.name);
    t.same(declared, inPath, `${name} declares the parameters of its path`);
    const statuses = Object.keys(operation.responses);
    t.ok(
      statuses.includes('default') && statuses.some((status) => status.startsWith('2')),
      `${name} has answers`,
    );
    for (const [status, { content }] of Object.entries(operation.responses))
      for (const [type, { schema }] of Object.entries(content ?? {}))
        t.ok(schema, `${name} ${status} ${type} has a schema`);
  }
});

void t.test('openapi: references lead somewhere, and operations have names of their own', async (t) => {
  const { server } = open(t);
  const document: Document = (await server.inject('/api/v1/openapi.json')).json();
  for (const reference of references(document)) {
    const name = /^#\/components\/schemas\/(\w+)$/.exec(reference)?.[1];
    t.ok(name !== undefined && document.components.schemas[name] !== undefined, reference);
  }
  const ids = operationsOf(document).map(({ operation }) => operation.operationId);
  t.equal(new Set(ids).size, ids.length, `unique: ${ids.join(', ')}`);
  t.match(document.paths['/api/v1/log/tail']?.['get']?.responses['200'], {
    content: { 'application/x-ndjson': {} },
  });
  const verify = document.paths['/api/v1/log/verify']?.['post'];
  t.same(Object.keys(verify?.responses['200']?.content ?? {}).sort(), [
    'application/json',
    'application/x-ndjson',
  ]);
  t.ok(verify?.requestBody, 'bodies are described');
});

/** Checks values by the same validator that checks requests. */
async function validator(t: Test): Promise<(name: keyof typeof ANSWERS, value: unknown) => Promise<void>> {
  const scratch = fastify({ ajv: { customOptions: { coerceTypes: false, removeAdditional: false } } });
  t.teardown(() => scratch.close());
  for (const [name, schema] of Object.entries(ANSWERS)) {
    scratch.addSchema({ ...schema, $id: name });
    scratch.post(`/${name}`, { schema: { body: { $ref: `${name}#` } } }, async () => ({}));
  }
  return async (name, value) => {
    const { statusCode, body } = await scratch.inject({
      method: 'POST',
      url: `/${name}`,
      payload: value as object,
    });
    t.equal(statusCode, 200, `${name}: ${body}`);
  };
}

void t.test('openapi: what the routes answer is what the description says', async (t) => {
  const { server, admin } = open(t);
  const check = await validator(t);
  admin.objects.push(objectStat('b', 'k', { persist: persistEntry('k', 1), ufsEtag: 'x' }));
  admin.pending.push(persistEntry('k', 1));
  admin.append(1, { type: 'ObjectCommitted', bucket: 'b', key: 'k' });
  const get = async <Value>(url: string): Promise<Value> => (await server.inject(url)).json<Value>();
  await check('Readiness', await get('/readyz'));
  await check('Status', await get('/api/v1/status'));
  for (const setting of (await get<{ settings: object[] }>('/api/v1/settings')).settings)
    await check('Setting', setting);
  await check('PathConfig', await get('/api/v1/conf'));
  await check('PathTest', await get('/api/v1/conf/test?path=/b/k'));
  await check('ObjectStat', await get('/api/v1/objects/b/k'));
  await check('PersistEntry', (await get<{ entries: object[] }>('/api/v1/async-persist')).entries[0]);
  await check('FsEntry', (await get<{ entries: object[] }>('/api/v1/fs?path=/b/')).entries[0]);
  await check('LogHead', (await get<{ heads: object[] }>('/api/v1/log/head')).heads[0]);
  await check('LoggedEvent', (await get<{ events: object[] }>('/api/v1/log?partition=1')).events[0]);
  await check('Error', await get('/api/v1/nowhere'));
  const post = async (url: string, payload: object): Promise<unknown> =>
    (await server.inject({ method: 'POST', url, payload })).json();
  await check('Freed', await post('/api/v1/free', {}));
  await check('FlushResult', await post('/api/v1/flush', {}));
  await check('VerifyReport', await post('/api/v1/log/verify', {}));
  await check('NewAccessKey', await post('/api/v1/users', { name: 'alice' }));
  await check('User', await get('/api/v1/users/alice'));
});
