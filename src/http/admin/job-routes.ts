/**
 * Long jobs: freeing space and verifying the log. They answer with one JSON value, or, when the client accepts
 * `application/x-ndjson`, with `{"progress": …}` lines and a last line `{"result": …}` or `{"error": …}`.
 */
import type { FastifyInstance, FastifyReply, FastifyRequest } from 'fastify';
import type { AdminRouteContext } from './route-context.js';
import { wantsLines } from './line-stream.js';

/** A body that may be left out. */
function body(properties: Readonly<Record<string, object>>): object {
  return { type: ['object', 'null'], additionalProperties: false, properties };
}

export function addJobRoutes(server: FastifyInstance, { admin, streams }: AdminRouteContext): void {
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
