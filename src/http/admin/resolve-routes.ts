/** Deciding conflicts with what somebody else put into the UFS. */
import type { FastifyInstance } from 'fastify';
import type { PersistResolveRequest } from '../../engine/persist-service.js';
import { splitObjectPath } from './object-path.js';
import type { AdminRouteContext } from './route-context.js';

const RESOLVE_SCHEMA = {
  type: 'object',
  additionalProperties: false,
  required: ['path', 'keep'],
  properties: {
    path: { type: 'string', maxLength: 4096 },
    keep: { type: 'string', enum: ['ours', 'theirs'] },
  },
};

export function addResolveRoutes(server: FastifyInstance, { admin }: AdminRouteContext): void {
  server.post<{ Body: { path: string; keep: PersistResolveRequest['keep'] } }>(
    '/api/v1/async-persist/resolve',
    { schema: { body: RESOLVE_SCHEMA } },
    async ({ body: { path, keep } }) => admin.persists.resolve({ ...splitObjectPath(path), keep }),
  );
}
