/**
 * Barriers: a request that is answered when what it names is in the UFS.
 *
 * 200 with `"outcome": "PERSISTED"`, 202 with `"TIMEOUT"` (it goes on all the same), 409 with `"BLOCKED"` when the rest is for
 * an operator to decide about. A client that accepts `application/x-ndjson` gets 200 and `{"progress": …}` lines first; one
 * that goes away ends the flush.
 */
import type { FastifyInstance } from 'fastify';
import { DAY_MS } from '../../core/units.js';
import type { FlushResult } from '../../engine/admin-service.js';
import type { FlushRequest } from '../../engine/persist-barrier.js';
import { wantsLines } from './line-stream.js';
import type { AdminRouteContext } from './route-context.js';

type FlushBody = Pick<FlushRequest, 'path' | 'exact' | 'upToOffset' | 'timeoutMs'>;

const STATUS: Readonly<Record<FlushResult['outcome'], number>> = {
  PERSISTED: 200,
  TIMEOUT: 202,
  BLOCKED: 409,
  CANCELLED: 503,
};

const FLUSH_SCHEMA = {
  type: ['object', 'null'],
  additionalProperties: false,
  properties: {
    path: { type: 'string', maxLength: 4096 },
    exact: { type: 'boolean' },
    upToOffset: { type: 'string', maxLength: 1024 },
    timeoutMs: { type: 'integer', minimum: 1, maximum: 30 * DAY_MS },
  },
};

export function addFlushRoutes(server: FastifyInstance, { admin, streams }: AdminRouteContext): void {
  server.post<{ Body: Partial<FlushBody> | null }>(
    '/api/v1/flush',
    { schema: { body: FLUSH_SCHEMA } },
    async (request, reply) => {
      const body: FlushBody = { path: '/', ...request.body };
      if (wantsLines(request)) {
        await streams.answer(request, reply, async (lines) => {
          const onProgress: FlushRequest['onProgress'] = (progress) => lines.offer({ progress });
          const result = await admin.flush({ ...body, signal: lines.signal, onProgress });
          await lines.write({ result });
        });
        return undefined;
      }
      const gone = new AbortController();
      const leave = (): void => gone.abort();
      reply.raw.once('close', leave);
      try {
        const result = await admin.flush({ ...body, signal: gone.signal });
        return await reply.code(STATUS[result.outcome]).send(result);
      } finally {
        reply.raw.off('close', leave);
      }
    },
  );
}
