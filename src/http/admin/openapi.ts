/**
 * The description of the admin API, as an OpenAPI 3.1 document: from the input schemas of the routes, which are enforced, and from
 * `api-description.ts`, which says what they are for and what they answer.
 *
 * Source: OpenAPI Specification 3.1.0.
 */
import swagger from '@fastify/swagger';
import type { FastifyInstance, FastifySchema, RouteOptions } from 'fastify';
import { ANSWERS, named, type Schema } from './api-schemas.js';
import { PARAMETERS, ROUTES } from './api-description.js';
import type { RouteText } from './api-text.js';

const INFO = {
  title: 'Headrace admin API',
  description:
    'What operators see and steer of a Headrace server. Errors are `{"error": {"code", "message", "requestId"}}`. ' +
    'Credentials: see docs/users.md.',
};

/** To be called before any route is added to `server` or its children. */
export function describeApi(server: FastifyInstance, version: string): void {
  for (const [name, schema] of Object.entries(ANSWERS)) server.addSchema({ ...schema, $id: name });
  // The schemas of answers describe; they must not drop what an answer has beyond them.
  server.setSerializerCompiler(() => (answer) => JSON.stringify(answer));
  server.addHook('onRoute', describe);
  void server.register(swagger, {
    openapi: {
      openapi: '3.1.0',
      info: { ...INFO, version },
      components: {
        securitySchemes: {
          accessKey: { type: 'http', scheme: 'basic', description: 'An access key and its secret.' },
          token: {
            type: 'http',
            scheme: 'bearer',
            description: 'The content of admin.token in the data directory.',
          },
        },
      },
      security: [{ accessKey: [] }, { token: [] }],
    },
    transform: ({ schema, url }) => ({ schema: withWildcard(schema, url), url: url.replace('*', ':path') }),
    refResolver: {
      buildLocalReference: ({ $id }, _base, _fragment, index) =>
        typeof $id === 'string' ? $id : `answer${index}`,
    },
  });
  server.after(() => {
    server.get('/api/v1/openapi.json', async () => server.swagger());
  });
}

function describe(route: RouteOptions): void {
  const text = ROUTES[`${String(route.method)} ${route.url}`];
  if (text === undefined) return;
  route.schema = { ...withParameters(route.schema ?? {}), ...ofText(String(route.method), route.url, text) };
}

function ofText(
  method: string,
  url: string,
  { tag, summary, description, answers }: RouteText,
): FastifySchema {
  const needsNothing = url === '/healthz' || url === '/readyz';
  return {
    operationId: operationId(method, url),
    tags: [tag],
    summary,
    ...(description === undefined ? {} : { description }),
    ...(needsNothing ? { security: [] } : {}),
    response: {
      ...Object.fromEntries(
        Object.entries(answers).map(([status, { description: meaning, schema, content }]) => [
          status,
          { description: meaning, content: content ?? { 'application/json': { schema } } },
        ]),
      ),
      default: {
        description: 'What went wrong.',
        content: { 'application/json': { schema: named('Error') } },
      },
    },
  };
}

/** `GET /api/v1/log/head` → `getLogHead`. */
function operationId(method: string, url: string): string {
  const words = url.replace('/api/v1', '').match(/[A-Za-z]+|\*/g) ?? [];
  const named = words.map((word) => (word === '*' ? 'ByPath' : word[0]?.toUpperCase() + word.slice(1)));
  return method.toLowerCase() + named.join('');
}

/** What `*` stands for gets a name, which templates of paths need. */
function withWildcard(schema: FastifySchema, url: string): FastifySchema {
  if (!url.includes('*')) return schema;
  const path = { type: 'string', description: PARAMETERS['*'] };
  return { ...schema, params: { type: 'object', required: ['path'], properties: { path } } };
}

/** The same schema with a description of each parameter. */
function withParameters(schema: FastifySchema): FastifySchema {
  const result: FastifySchema = { ...schema };
  for (const place of ['querystring', 'params', 'body'] as const) {
    const given = schema[place];
    if (given !== undefined) result[place] = described(given as Schema);
  }
  return result;
}

function described(schema: Schema): Schema {
  const properties = schema['properties'];
  if (typeof properties !== 'object' || properties === null) return schema;
  return {
    ...schema,
    properties: Object.fromEntries(
      Object.entries(properties as Readonly<Record<string, Schema>>).map(([name, property]) => [
        name,
        { ...(PARAMETERS[name] === undefined ? {} : { description: PARAMETERS[name] }), ...property },
      ]),
    ),
  };
}
