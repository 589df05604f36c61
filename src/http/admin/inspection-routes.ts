/** Questions to the log: the story of an object, and why it is not persisted. */
import { Readable } from 'node:stream';
import type { FastifyInstance } from 'fastify';
import type { ExportRequest } from '../../engine/inspection/log-inspection.js';
import { splitObjectPath } from './object-path.js';
import { query, type AdminRouteContext } from './route-context.js';

const EVENTS_DEFAULT = 1000;
const EVENTS_MAX = 10_000;
const offset = { type: 'integer', minimum: 0 };
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
      admin.inspection.history({ ...splitObjectPath(request.query.path), limit: request.query.limit }),
  );
  server.get<{ Querystring: { path: string } }>(
    '/api/v1/log/explain',
    { schema: { querystring: query({ path }, ['path']) } },
    async (request) => admin.inspection.explain(splitObjectPath(request.query.path)),
  );
  server.get<{ Querystring: ExportRequest }>(
    '/api/v1/log/export',
    {
      schema: {
        querystring: query({
          from: offset,
          to: offset,
          bucket: { type: 'string', minLength: 1, maxLength: 255 },
          prefix: path,
          salt: { type: 'string', pattern: '^[0-9a-f]{8,128}$' },
        }),
      },
    },
    async (request, reply) => {
      const pieces = admin.inspection.exportLog(request.query)[Symbol.asyncIterator]();
      // What is wrong with the request shows with the first piece, while the status can still say so.
      const first = await pieces.next();
      const rest = async function* (): AsyncGenerator<Uint8Array, void, undefined> {
        if (first.done === true) return;
        yield first.value;
        yield* { [Symbol.asyncIterator]: () => pieces };
      };
      return reply.type('application/octet-stream').send(Readable.from(rest(), { objectMode: false }));
    },
  );
}
