/** Whole directories: how much lies below them, and removing them. Long, so with progress for those who accept lines. */
import type { FastifyInstance, FastifyReply, FastifyRequest } from 'fastify';
import { wantsLines } from './line-stream.js';
import type { AdminRouteContext } from './route-context.js';

const DEPTH_MAX = 64;
const path = { type: 'string', maxLength: 4096, pattern: '^/' };

export function addTreeRoutes(server: FastifyInstance, { admin, streams }: AdminRouteContext): void {
  /** Runs the work and answers in the form that was asked for; who goes away stops it at its next page. */
  const run = async <Result>(
    request: FastifyRequest,
    reply: FastifyReply,
    work: (progress: (value: object) => void, signal?: AbortSignal) => Promise<Result>,
  ): Promise<Result | undefined> => {
    if (!wantsLines(request)) return work(() => {});
    await streams.answer(request, reply, async (lines) => {
      const result = await work((progress) => lines.offer({ progress }), lines.signal);
      await lines.write({ result });
    });
    return undefined;
  };

  server.post<{ Body: { path: string; depth: number } }>(
    '/api/v1/fs/usage',
    {
      schema: {
        body: {
          type: 'object',
          additionalProperties: false,
          required: ['path'],
          properties: { path, depth: { type: 'integer', minimum: 1, maximum: DEPTH_MAX, default: 1 } },
        },
      },
    },
    async (request, reply) =>
      run(request, reply, (onProgress, signal) => admin.trees.usage({ ...request.body, onProgress, signal })),
  );
  server.post<{ Body: { path: string; recursive: boolean } }>(
    '/api/v1/fs/remove',
    {
      schema: {
        body: {
          type: 'object',
          additionalProperties: false,
          required: ['path'],
          properties: { path, recursive: { type: 'boolean', default: false } },
        },
      },
    },
    async (request, reply) =>
      run(request, reply, (onProgress, signal) =>
        admin.trees.remove({ ...request.body, onProgress, signal }),
      ),
  );
}
