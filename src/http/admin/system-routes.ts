/** `/healthz`, `/readyz`, `/metrics`, status and settings. */
import type { FastifyInstance } from 'fastify';
import type { Readiness } from '../../engine/readiness.js';
import type { AdminRouteContext } from './route-context.js';

/** For probes, which have no credentials. */
const OPEN = { config: { right: 'none' } } as const;
/** What a scraper needs is a user without any grant. */
const FOR_USERS = { config: { right: 'user' } } as const;

export function addSystemRoutes(server: FastifyInstance, context: AdminRouteContext): void {
  const { admin, settings, metrics } = context;
  server.get('/healthz', OPEN, async () => ({ status: 'ok' }));
  server.get('/readyz', OPEN, async (_request, reply) => {
    const readiness = await readinessOf(context);
    return reply.code(readiness.ready ? 200 : 503).send(readiness);
  });
  server.get('/api/v1/status', async () => admin.status());
  server.get('/api/v1/settings', async () => ({ settings: settings.describe() }));
  if (metrics !== undefined)
    server.get('/metrics', FOR_USERS, async (_request, reply) =>
      reply.type(metrics.contentType).send(await metrics.metrics()),
    );
}

async function readinessOf({
  notReadyReason,
  readiness,
}: AdminRouteContext): Promise<Readiness & { readonly reason?: string }> {
  const reason = notReadyReason?.();
  if (reason !== undefined) return { ready: false, reason, checks: {}, ufs: [] };
  const found = (await readiness?.()) ?? { ready: true, checks: {}, ufs: [] };
  if (found.ready) return found;
  const wrong = Object.entries(found.checks).find(([, outcome]) => outcome !== 'ok');
  return { ...found, ...(wrong === undefined ? {} : { reason: wrong.join(': ') }) };
}
