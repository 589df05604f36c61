/**
 * The path configuration: `GET|PUT /api/v1/conf` and `GET /api/v1/conf/test`.
 *
 * The ETag is the control offset at which the document stands. A PUT with it in `If-Match` is refused with 412 when the
 * document changed meanwhile (RFC 9110, 13.1.1).
 */
import type { FastifyInstance, FastifyReply } from 'fastify';
import { HeadraceError } from '../../core/errors.js';
import { query, type AdminRouteContext } from './route-context.js';

export function addConfRoutes(server: FastifyInstance, { admin }: AdminRouteContext): void {
  server.get<{ Querystring: { at?: number } }>(
    '/api/v1/conf',
    { schema: { querystring: query({ at: { type: 'integer', minimum: 0 } }) } },
    async (request, reply) => {
      const { document, offset } = await admin.pathConfig(request.query.at);
      return tag(reply, offset).send(document);
    },
  );
  // The document itself is validated by the engine, which names the place of a mistake.
  server.put<{ Body: unknown }>(
    '/api/v1/conf',
    { schema: { querystring: query({}) } },
    async (request, reply) => {
      const { offset } = await admin.setPathConfig(request.body, parseIfMatch(request.headers['if-match']));
      return tag(reply, offset).send({ offset });
    },
  );
  server.get<{ Querystring: { path: string } }>(
    '/api/v1/conf/test',
    { schema: { querystring: query({ path: { type: 'string', maxLength: 4096 } }, ['path']) } },
    async (request) => admin.testPath(request.query.path),
  );
}

function tag(reply: FastifyReply, offset: number): FastifyReply {
  return reply.header('etag', `"${offset}"`);
}

function parseIfMatch(header: string | undefined): number | undefined {
  if (header === undefined || header.trim() === '*') return undefined;
  const match = /^\s*(?:W\/)?"?(-?\d{1,15})"?\s*$/.exec(header);
  if (match !== null) return Number(match[1]);
  throw new HeadraceError(
    'INVALID_ARGUMENT',
    `If-Match: ${header} is no ETag of this document: send the one that GET /api/v1/conf answered, or *`,
  );
}
