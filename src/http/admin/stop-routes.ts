/**
 * Stopping the server: it finishes its requests, drains to the UFS when that is asked for, and ends.
 *
 * The answer comes when all but the closing is done: at once it would tell nothing. With `Accept: application/x-ndjson` the drain's
 * progress comes as lines before.
 */
import type { FastifyInstance } from 'fastify';
import { DAY_MS } from '../../core/units.js';
import type { FlushProgress } from '../../engine/admin-service.js';
import type { StopReport, StopRequest } from '../../engine/stop-service.js';
import { wantsLines } from './line-stream.js';
import type { AdminRouteContext } from './route-context.js';

export interface ServerStop {
  /** Resolves before the admin API itself closes. */
  stop(request: StopRequest, onProgress: (progress: FlushProgress) => void): Promise<StopReport>;
}

const STOP_SCHEMA = {
  type: ['object', 'null'],
  additionalProperties: false,
  properties: { drainTimeoutMs: { type: 'integer', minimum: 1, maximum: 30 * DAY_MS } },
};

export function addStopRoutes(
  server: FastifyInstance,
  { streams }: AdminRouteContext,
  control: ServerStop,
): void {
  server.post<{ Body: StopRequest | null }>(
    '/api/v1/stop',
    { schema: { body: STOP_SCHEMA } },
    async (request, reply) => {
      const wanted = request.body ?? {};
      if (!wantsLines(request)) return control.stop(wanted, () => undefined);
      await streams.answer(request, reply, async (lines) => {
        const result = await control.stop(wanted, (progress) => lines.offer({ progress }));
        await lines.write({ result });
      });
      return undefined;
    },
  );
}
