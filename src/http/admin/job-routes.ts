/**
 * Jobs that go on by themselves (`load`), and long requests: freeing space and verifying the log. They answer with one JSON
 * value, or, when the client accepts `application/x-ndjson`, with `{"progress": …}` lines and a last line `{"result": …}` or
 * `{"error": …}`.
 */
import type { FastifyInstance, FastifyReply, FastifyRequest } from 'fastify';
import type { AdminRouteContext } from './route-context.js';
import { wantsLines, type LineStream } from './line-stream.js';
import type { StartJobRequest } from '../../engine/job-service.js';
import { query } from './route-context.js';

/** A body that may be left out. */
function body(properties: Readonly<Record<string, object>>): object {
  return { type: ['object', 'null'], additionalProperties: false, properties };
}

export function addJobRoutes(server: FastifyInstance, context: AdminRouteContext): void {
  const { admin, streams } = context;
  /** Runs a job and answers in the form that was asked for. */
  const run = async <Result>(
    request: FastifyRequest,
    reply: FastifyReply,
    job: (progress: (value: object) => void) => Promise<Result>,
  ): Promise<Result | undefined> => {
    if (!wantsLines(request)) return job(() => {});
    await streams.answer(request, reply, async (lines) => {
      const result = await job((progress) => lines.offer({ progress }));
      await lines.write({ result });
    });
    return undefined;
  };

  addStoredJobRoutes(server, context);

  server.post<{ Body: { path?: string } | null }>(
    '/api/v1/free',
    { schema: { body: body({ path: { type: 'string', maxLength: 4096 } }) } },
    async (request, reply) =>
      run(request, reply, (onProgress) => {
        const path = request.body?.path;
        return admin.free({ ...(path === undefined ? {} : { path }), onProgress });
      }),
  );

  server.post<{ Body: { data?: boolean } | null }>(
    '/api/v1/log/verify',
    { schema: { body: body({ data: { type: 'boolean' } }) } },
    async (request, reply) =>
      run(request, reply, (progress) =>
        admin.verify({
          data: request.body?.data ?? false,
          onProgress: (done, total) => progress({ done, total }),
        }),
      ),
  );
}

const START_SCHEMA = {
  type: 'object',
  additionalProperties: false,
  required: ['kind', 'path'],
  properties: {
    kind: { type: 'string', enum: ['load'] },
    path: { type: 'string', minLength: 2, maxLength: 4096 },
    concurrency: { type: 'integer', minimum: 1, maximum: 256 },
  },
};
const ID_SCHEMA = query({ id: { type: 'string', pattern: '^[0-9]{1,15}$' } }, ['id']);

/** Jobs that outlive the request that begins them. */
function addStoredJobRoutes(server: FastifyInstance, { admin, streams }: AdminRouteContext): void {
  server.get('/api/v1/jobs', async () => ({ jobs: admin.jobs.list() }));
  server.post<{ Body: StartJobRequest }>(
    '/api/v1/jobs',
    { schema: { body: START_SCHEMA } },
    async (request, reply) => reply.code(201).send(await admin.jobs.start(request.body)),
  );
  server.get<{ Params: { id: string } }>(
    '/api/v1/jobs/:id',
    { schema: { params: ID_SCHEMA } },
    async (request, reply) => {
      const { id } = request.params;
      if (!wantsLines(request)) return admin.jobs.get(id);
      await streams.answer(request, reply, async (lines: LineStream) => {
        const onProgress = (progress: object): void => lines.offer({ progress });
        const result = await admin.jobs.follow(id, { signal: lines.signal, onProgress });
        await lines.write({ result });
      });
      return undefined;
    },
  );
  server.delete<{ Params: { id: string } }>(
    '/api/v1/jobs/:id',
    { schema: { params: ID_SCHEMA } },
    async (request) => admin.jobs.cancel(request.params.id),
  );
}
