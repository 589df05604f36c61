/** `/healthz`, `/readyz`, `/metrics`, status and settings. */
import type { FastifyInstance } from 'fastify';
import { errorBody } from './admin-errors.js';
import type { AdminRouteContext } from './route-context.js';

export function addSystemRoutes(server: FastifyInstance, context: AdminRouteContext): void {
  const { admin, settings, metrics, notReadyReason } = context;
  server.get('/healthz', async () => ({ status: 'ok' }));
  server.get('/readyz', async (_request, reply) => {
    const reason = notReadyReason?.();
    if (reason === undefined) return { status: 'ready' };
    return reply.code(503).send(errorBody('NOT_READY', reason));
  });
  server.get('/api/v1/status', async () => admin.status());
  server.get('/api/v1/settings', async () => ({ settings: settings.describe() }));
  if (metrics !== undefined)
    server.get('/metrics', async (_request, reply) =>
      reply.type(metrics.contentType).send(await metrics.metrics()),
    );
}
