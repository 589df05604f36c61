/** Users of the S3 endpoint. Only the answers that made an access key hold its secret. */
import type { FastifyInstance } from 'fastify';
import { parseGrant, type KeyPair } from '../../engine/users-document.js';
import { query, type AdminRouteContext } from './route-context.js';

const name = { type: 'string', minLength: 1, maxLength: 64 };
const grants = {
  type: 'array',
  maxItems: 1000,
  items: { type: 'string', minLength: 1, maxLength: 1200 },
};
const accessKeyId = { type: 'string', minLength: 1, maxLength: 128 };

function object(properties: Readonly<Record<string, object>>, required: readonly string[] = []): object {
  return { type: 'object', additionalProperties: false, required, properties };
}

const accessKey = object(
  { accessKeyId, secretAccessKey: { type: 'string', minLength: 1, maxLength: 1024 } },
  ['accessKeyId', 'secretAccessKey'],
);

const PARAMETERS = object({ name }, ['name']);
const GRANTS_SCHEMA = {
  params: PARAMETERS,
  body: object({ grants: { ...grants, minItems: 1 } }, ['grants']),
};
const KEY_SCHEMA = { params: PARAMETERS, body: object({ accessKeyId }) };

interface OfUser {
  readonly name: string;
}

export function addUserRoutes(server: FastifyInstance, { admin: { users } }: AdminRouteContext): void {
  server.get('/api/v1/users', async () => ({ users: await users.list() }));
  server.post<{ Body: { name: string; grants: string[]; accessKey?: KeyPair } }>(
    '/api/v1/users',
    { schema: { body: object({ name, grants: { ...grants, default: [] }, accessKey }, ['name']) } },
    async (request, reply) => {
      const { body } = request;
      return reply.code(201).send(await users.add(body.name, body.grants.map(parseGrant), body.accessKey));
    },
  );
  server.get<{ Params: OfUser }>(
    '/api/v1/users/:name',
    { schema: { params: PARAMETERS } },
    async ({ params }) => users.get(params.name),
  );
  server.delete<{ Params: OfUser; Querystring: { accessKeyId?: string } }>(
    '/api/v1/users/:name',
    { schema: { params: PARAMETERS, querystring: query({ accessKeyId }) } },
    async ({ params, query: { accessKeyId: key } }) => {
      await users.remove(params.name, key);
      return { name: params.name };
    },
  );
  server.post<{ Params: OfUser; Body: { accessKey?: KeyPair } }>(
    '/api/v1/users/:name/rotate',
    { schema: { params: PARAMETERS, body: object({ accessKey }) } },
    async ({ params, body }, reply) => reply.code(201).send(await users.rotate(params.name, body.accessKey)),
  );
  for (const change of ['grant', 'revoke'] as const)
    server.post<{ Params: OfUser; Body: { grants: string[] } }>(
      `/api/v1/users/:name/${change}`,
      { schema: GRANTS_SCHEMA },
      async ({ params, body }) => users[change](params.name, body.grants.map(parseGrant)),
    );
  for (const [action, enabled] of [
    ['enable', true],
    ['disable', false],
  ] as const)
    server.post<{ Params: OfUser; Body: { accessKeyId?: string } }>(
      `/api/v1/users/:name/${action}`,
      { schema: KEY_SCHEMA },
      async ({ params, body }) => users.setEnabled(params.name, enabled, body.accessKeyId),
    );
}
