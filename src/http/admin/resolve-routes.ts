/** Deciding conflicts with what somebody else put into the UFS. */
import type { FastifyInstance } from 'fastify';
import { HeadraceError } from '../../core/errors.js';
import type { PersistResolveRequest } from '../../engine/persist-service.js';
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
    async ({ body: { path, keep } }) => {
      const [, bucket, key] = /^\/([^/]+)\/(.+)$/s.exec(path) ?? [];
      if (bucket === undefined || key === undefined)
        throw new HeadraceError(
          'INVALID_ARGUMENT',
          `${JSON.stringify(path)} is not the path of an object: write /<bucket>/<key>`,
        );
      return admin.persists.resolve({ bucket, key, keep });
    },
  );
}
