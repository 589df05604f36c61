/** Questions to the log: the story of an object, and why it is not persisted. */
import type { FastifyInstance } from 'fastify';
import { HeadraceError } from '../../core/errors.js';
import { query, type AdminRouteContext } from './route-context.js';

const EVENTS_DEFAULT = 1000;
const EVENTS_MAX = 10_000;
const path = { type: 'string', maxLength: 4096 };

export function addInspectionRoutes(server: FastifyInstance, { admin }: AdminRouteContext): void {
  server.get<{ Querystring: { path: string; limit: number } }>(
    '/api/v1/log/history',
    {
      schema: {
        querystring: query(
          { path, limit: { type: 'integer', minimum: 1, maximum: EVENTS_MAX, default: EVENTS_DEFAULT } },
          ['path'],
        ),
      },
    },
    async (request) =>
      admin.inspection.history({ ...splitPath(request.query.path), limit: request.query.limit }),
  );
  server.get<{ Querystring: { path: string } }>(
    '/api/v1/log/explain',
    { schema: { querystring: query({ path }, ['path']) } },
    async (request) => admin.inspection.explain(splitPath(request.query.path)),
  );
}

function splitPath(text: string): { bucket: string; key: string } {
  const match = /^\/([^/]+)\/(.+)$/s.exec(text);
  if (match === null)
    throw new HeadraceError(
      'INVALID_ARGUMENT',
      `${JSON.stringify(text)} is not the path of an object: write /<bucket>/<key>`,
    );
  return { bucket: match[1] ?? '', key: match[2] ?? '' };
}
