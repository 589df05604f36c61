/**
 * What is on its way to the UFS, and what an operator does with what does not get there: `/api/v1/async-persist…`.
 *
 * Giving something up loses data, so it needs `"confirm": true` and a reason, and can be tied to the version that was looked at.
 */
import { Readable } from 'node:stream';
import type { FastifyInstance } from 'fastify';
import { HeadraceError } from '../../core/errors.js';
import type { PersistPhase } from '../../engine/admin-service.js';
import type { PersistListRequest, PersistRetryRequest } from '../../engine/persist-service.js';
import { splitObjectPath } from './object-path.js';
import { query, type AdminRouteContext } from './route-context.js';

const PAGE_DEFAULT = 100;
const PAGE_MAX = 1000;
const REASON_CHARACTERS_MAX = 1024;
const PHASES: readonly PersistPhase[] = ['PENDING', 'UPLOADING', 'WAITING', 'QUARANTINED', 'CONFLICT'];
const path = { type: 'string', minLength: 1, maxLength: 4096 };
const version = { type: 'integer', minimum: 0 };
const cause = { type: 'string', pattern: '^[A-Z_]{1,64}$' };
const filter = { path, state: { type: 'string', enum: PHASES }, cause };

/** Header of exported bytes: what the object is, as JSON in base64. */
export const OBJECT_HEADER = 'x-headrace-object';

interface DiscardBody {
  readonly path: string;
  readonly version?: number;
  readonly reason: string;
  readonly confirm?: boolean;
}

export function addPersistRoutes(server: FastifyInstance, context: AdminRouteContext): void {
  addLooks(server, context);
  addDecisions(server, context);
}

/** What there is, and the bytes of it. */
function addLooks(server: FastifyInstance, { admin }: AdminRouteContext): void {
  server.get<{ Querystring: PersistListRequest }>(
    '/api/v1/async-persist',
    {
      schema: {
        querystring: query({
          ...filter,
          after: { type: 'string', maxLength: 64 },
          limit: { type: 'integer', minimum: 1, maximum: PAGE_MAX, default: PAGE_DEFAULT },
        }),
      },
    },
    async (request) => admin.persists.list(request.query),
  );

  server.get<{ Querystring: { path: string } }>(
    '/api/v1/async-persist/stat',
    { schema: { querystring: query({ path }, ['path']) } },
    async (request) => {
      const { bucket, key } = splitObjectPath(request.query.path);
      const found = await admin.persistStat(bucket, key);
      if (found !== undefined) return found;
      throw new HeadraceError('NO_SUCH_KEY', `the cache does not hold ${JSON.stringify(request.query.path)}`);
    },
  );

  server.get<{ Querystring: { path: string; version?: number } }>(
    '/api/v1/async-persist/export',
    { schema: { querystring: query({ path, version }, ['path']) } },
    async (request, reply) => {
      const { path: text, ...rest } = request.query;
      const { body, ...object } = await admin.persists.open({ ...rest, ...splitObjectPath(text) });
      return reply
        .type('application/octet-stream')
        .header('content-length', object.size)
        .header(OBJECT_HEADER, Buffer.from(JSON.stringify(object)).toString('base64'))
        .send(Readable.from(copied(body), { objectMode: false }));
    },
  );
}

function addDecisions(server: FastifyInstance, { admin }: AdminRouteContext): void {
  server.post<{ Body: PersistRetryRequest | null }>(
    '/api/v1/async-persist/retry',
    {
      schema: {
        body: {
          type: ['object', 'null'],
          additionalProperties: false,
          properties: { ...filter, exact: { type: 'boolean' } },
        },
      },
    },
    async (request) => admin.persists.retry(request.body ?? {}),
  );

  server.post<{ Body: DiscardBody }>(
    '/api/v1/async-persist/discard',
    {
      schema: {
        body: {
          type: 'object',
          additionalProperties: false,
          required: ['path', 'reason'],
          properties: {
            path,
            version,
            reason: { type: 'string', minLength: 1, maxLength: REASON_CHARACTERS_MAX },
            confirm: { type: 'boolean' },
          },
        },
      },
    },
    async (request) => {
      const { path: text, confirm, ...rest } = request.body;
      if (confirm !== true) {
        throw new HeadraceError(
          'INVALID_ARGUMENT',
          `what is not persisted of ${JSON.stringify(text)} would be lost for good: export it first, or send "confirm": true`,
        );
      }
      return admin.persists.discard({ ...rest, ...splitObjectPath(text) });
    },
  );
}

/** A piece is valid until the next is asked for, while the socket holds on to it. */
async function* copied(body: AsyncIterable<Uint8Array>): AsyncGenerator<Uint8Array, void, undefined> {
  for await (const piece of body) yield Buffer.from(piece);
}
