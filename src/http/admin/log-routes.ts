/** The log: heads, events of the past, and events as they become durable. */
import type { FastifyInstance } from 'fastify';
import { HeadraceError } from '../../core/errors.js';
import type { AdminService, LogHead } from '../../engine/admin-service.js';
import { query, type AdminRouteContext } from './route-context.js';

const EVENTS_DEFAULT = 100;
const EVENTS_MAX = 10_000;
/** Open tails and jobs that report progress, together. */
const STREAMS_MAX = 64;
const partition = { type: 'integer', minimum: 0, default: 0 };
const from = { type: 'integer', minimum: 0 };

export function addLogRoutes(server: FastifyInstance, { admin, streams }: AdminRouteContext): void {
  server.get('/api/v1/log/head', async () => ({ heads: await admin.logHead() }));

  server.get<{ Querystring: { partition: number; from?: number; limit: number } }>(
    '/api/v1/log',
    {
      schema: {
        querystring: query({
          partition,
          from,
          limit: { type: 'integer', minimum: 1, maximum: EVENTS_MAX, default: EVENTS_DEFAULT },
        }),
      },
    },
    async (request) => {
      const head = await findHead(admin, request.query.partition);
      const start = request.query.from ?? head.oldestOffset;
      refuseTrimmed(head, start);
      const events = await admin.logRead({ ...request.query, from: start });
      return {
        events,
        nextFrom: (events.at(-1)?.offset ?? start - 1) + 1,
        durableOffset: head.durableOffset,
      };
    },
  );

  server.get<{ Querystring: { partition: number; from?: number } }>(
    '/api/v1/log/tail',
    { exposeHeadRoute: false, schema: { querystring: query({ partition, from }) } },
    async (request, reply) => {
      const head = await findHead(admin, request.query.partition);
      const start = request.query.from ?? head.durableOffset;
      refuseTrimmed(head, start);
      if (streams.size >= STREAMS_MAX)
        throw new HeadraceError(
          'SLOW_DOWN',
          `${STREAMS_MAX} streams are open already: close one and try again`,
        );
      await streams.answer(request, reply, async (lines) => {
        const events = admin.logTail({ partition: head.partition, from: start, signal: lines.signal });
        for await (const event of events) await lines.write(event);
      });
    },
  );
}

async function findHead(admin: AdminService, wanted: number): Promise<LogHead> {
  const heads = await admin.logHead();
  const head = heads.find((candidate) => candidate.partition === wanted);
  if (head !== undefined) return head;
  const known = heads.map((candidate) => candidate.partition).join(', ');
  throw new HeadraceError('INVALID_ARGUMENT', `there is no partition ${wanted}: there are ${known}`);
}

/** Said before the answer starts: a stream could not change its status any more. */
function refuseTrimmed(head: LogHead, start: number): void {
  if (start >= head.oldestOffset) return;
  throw new HeadraceError(
    'LOG_TRIMMED',
    `offset ${start} of partition ${head.partition} is no longer kept: the oldest is ${head.oldestOffset}`,
  );
}
