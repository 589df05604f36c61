/** Mounts: which part of the name space is kept in which under-store. */
import type { FastifyInstance } from 'fastify';
import { DAY_MS } from '../../core/units.js';
import type { MountInfo } from '../../engine/admin-service.js';
import type { RemoveMountRequest } from '../../engine/mounts.js';
import { wantsLines } from './line-stream.js';
import { query, type AdminRouteContext } from './route-context.js';

interface MountBody {
  readonly path: string;
  readonly ufs: string;
  readonly options: Record<string, string>;
}

const path = { type: 'string', minLength: 2, maxLength: 2048, pattern: '^/' };
const MOUNT_SCHEMA = {
  type: 'object',
  additionalProperties: false,
  required: ['path', 'ufs'],
  properties: {
    path,
    ufs: { type: 'string', minLength: 1, maxLength: 4096 },
    options: {
      type: 'object',
      maxProperties: 64,
      additionalProperties: { type: 'string', maxLength: 4096 },
      default: {},
    },
  },
};

const REMOVE_SCHEMA = query(
  {
    path,
    force: { type: 'boolean', default: false },
    drain: { type: 'boolean', default: false },
    timeoutMs: { type: 'integer', minimum: 1, maximum: 30 * DAY_MS },
  },
  ['path'],
);

export function addMountRoutes(server: FastifyInstance, { admin, streams }: AdminRouteContext): void {
  server.get('/api/v1/mounts', async () => ({ mounts: (await admin.mounts()).map(withoutSecrets) }));
  server.post<{ Body: MountBody }>(
    '/api/v1/mounts',
    { schema: { body: MOUNT_SCHEMA } },
    async (request, reply) => {
      await admin.addMount(request.body);
      return reply.code(201).send({ path: request.body.path });
    },
  );
  server.delete<{ Querystring: RemoveMountRequest }>(
    '/api/v1/mounts',
    { schema: { querystring: REMOVE_SCHEMA } },
    async (request, reply) => {
      if (!wantsLines(request)) return admin.removeMount(request.query);
      await streams.answer(request, reply, async (lines) => {
        const onProgress: RemoveMountRequest['onProgress'] = (progress) => lines.offer({ progress });
        const result = await admin.removeMount({ ...request.query, signal: lines.signal, onProgress });
        await lines.write({ result });
      });
      return undefined;
    },
  );
}

function withoutSecrets(mount: MountInfo): MountInfo {
  const options = Object.entries(mount.options).map(([name, value]) => [
    name,
    /secret|password|token/i.test(name) ? '****' : value,
  ]);
  return { ...mount, options: Object.fromEntries(options) };
}
