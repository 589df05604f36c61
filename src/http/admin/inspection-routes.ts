/** Questions to the log: the story of an object, why it is not persisted, and states that are past. */
import { Readable } from 'node:stream';
import type { FastifyInstance } from 'fastify';
import type { ExportRequest } from '../../engine/inspection/log-inspection.js';
import { HeadraceError } from '../../core/errors.js';
import { ROWS_MAX, STEPS_MAX, type ReplayQuestion } from '../../engine/inspection/replay-answer.js';
import { splitObjectPath } from './object-path.js';
import { query, type AdminRouteContext } from './route-context.js';

const EVENTS_DEFAULT = 1000;
const EVENTS_MAX = 10_000;
const offset = { type: 'integer', minimum: 0 };
const path = { type: 'string', maxLength: 4096 };

export function addInspectionRoutes(server: FastifyInstance, context: AdminRouteContext): void {
  const { admin } = context;
  addReplayRoute(server, context);
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

interface ReplayQuery {
  readonly partition?: number;
  readonly until?: number;
  readonly show?: ReplayQuestion['show'];
  readonly path?: string;
  readonly from?: number;
  readonly to?: number;
  readonly steps?: number;
  readonly limit: number;
}

/** Ends when the client is gone: a replay takes processor time that others would like to have. */
function addReplayRoute(server: FastifyInstance, { admin }: AdminRouteContext): void {
  server.get<{ Querystring: ReplayQuery }>(
    '/api/v1/log/replay',
    {
      schema: {
        querystring: query({
          partition: { type: 'integer', minimum: 1 },
          until: offset,
          show: { type: 'string', enum: ['pinned', 'orphans', 'uploads', 'object'] },
          path,
          from: { ...offset, description: 'With `to`: what changed from this state on.' },
          to: { ...offset, description: 'With `from`: what changed until this state.' },
          steps: { type: 'integer', minimum: -STEPS_MAX, maximum: STEPS_MAX },
          limit: { type: 'integer', minimum: 1, maximum: ROWS_MAX, default: ROWS_MAX },
        }),
      },
    },
    async (request, reply) => {
      const question = questionOf(request.query);
      const gone = new AbortController();
      reply.raw.once('close', () => gone.abort());
      return admin.inspection.replay({ ...question, signal: gone.signal });
    },
  );
}

/** `INVALID_ARGUMENT` for parameters that do not belong together. */
function questionOf({ from, to, path: object, ...rest }: ReplayQuery): ReplayQuestion {
  const { show, steps, until } = rest;
  const chosen = [show, steps, from].filter((parameter) => parameter !== undefined).length;
  const wrong =
    (from === undefined) !== (to === undefined)
      ? 'from and to belong together: they are the offsets whose difference is told'
      : (object === undefined) !== (show !== 'object')
        ? 'show=object and path belong together'
        : chosen > 1
          ? 'show, steps, and from with to answer different questions: give one of them'
          : from !== undefined && until !== undefined
            ? 'from and to are offsets of their own: leave until out'
            : steps !== undefined && (until === undefined || steps === 0)
              ? 'steps needs until, the offset to step from, and must not be 0'
              : undefined;
  if (wrong !== undefined) throw new HeadraceError('INVALID_ARGUMENT', wrong);
  return {
    ...rest,
    ...(object === undefined ? {} : { object: splitObjectPath(object) }),
    ...(from === undefined || to === undefined ? {} : { diff: [from, to] }),
  };
}
