/**
 * The admin API: health, path configuration, persist state, space, log and mounts over HTTP, as JSON.
 *
 * It has no authentication: it listens on a private address and refuses what a browser sends for another site. Each route
 * checks its input by a schema, calls the admin service, and adds nothing of its own. The routes are listed in docs/cli.md.
 */
import fastify, { type FastifyInstance, type FastifyReply } from 'fastify';
import { MIB } from '../../core/units.js';
import { errorBody, replyWithError } from './admin-errors.js';
import { findForeignRequest } from './browser-guard.js';
import { LineStreams } from './line-stream.js';
import { addInspectionRoutes } from './inspection-routes.js';
import { addConfRoutes } from './conf-routes.js';
import { addFlushRoutes } from './flush-routes.js';
import { addJobRoutes } from './job-routes.js';
import { addLogRoutes } from './log-routes.js';
import { addMountRoutes } from './mount-routes.js';
import { addObjectRoutes } from './object-routes.js';
import type { AdminRouteContext, AdminServerOptions } from './route-context.js';
import { addSystemRoutes } from './system-routes.js';
import { addUserRoutes } from './user-routes.js';

export type { AdminServerOptions } from './route-context.js';

const BODY_BYTES_MAX = MIB;
/** Longest path of an object in a URL: a bucket and a key of 1,024 bytes, each byte written as `%XX`. */
const PARAMETER_CHARACTERS_MAX = 4096;

/** Builds the server; `listen` is up to the caller. `close` ends open tails. */
export function createAdminServer(options: AdminServerOptions): FastifyInstance {
  const { logger, settings } = options;
  const server = fastify({
    bodyLimit: BODY_BYTES_MAX,
    forceCloseConnections: true,
    routerOptions: { maxParamLength: PARAMETER_CHARACTERS_MAX },
    frameworkErrors: (error, _request, reply) => {
      void (reply as FastifyReply)
        .code(error.statusCode ?? 400)
        .send(errorBody('INVALID_ARGUMENT', error.message));
    },
    // Unknown members are mistakes to be named, not to be dropped silently.
    ajv: { customOptions: { removeAdditional: false, coerceTypes: true } },
  });
  const context: AdminRouteContext = { ...options, streams: new LineStreams(logger) };
  const guard = { host: settings.adminHost, allowedHosts: settings.adminAllowedHosts };
  server.addHook('onRequest', async (request, reply) => {
    const reason = findForeignRequest(request.headers, guard);
    if (reason === undefined) return undefined;
    logger.warn({ url: request.url, host: request.headers.host, origin: request.headers.origin }, reason);
    return reply.code(403).send(errorBody('FORBIDDEN', reason));
  });
  server.addHook('onSend', async (_request, reply) => {
    void reply.header('cache-control', 'no-store');
  });
  server.addHook('onResponse', async (request, reply) => {
    if (request.method !== 'GET' && request.method !== 'HEAD')
      logger.info({ method: request.method, url: request.url, status: reply.statusCode }, 'admin request');
  });
  server.addHook('preClose', async () => context.streams.close());
  server.setErrorHandler((error, request, reply) => replyWithError(error, request, reply, logger));
  server.setNotFoundHandler((request, reply) =>
    reply
      .code(404)
      .send(errorBody('NOT_FOUND', `there is no ${request.method} ${request.url}: see docs/cli.md`)),
  );
  addSystemRoutes(server, context);
  addConfRoutes(server, context);
  addObjectRoutes(server, context);
  addFlushRoutes(server, context);
  addJobRoutes(server, context);
  addLogRoutes(server, context);
  addInspectionRoutes(server, context);
  addMountRoutes(server, context);
  addUserRoutes(server, context);
  return server;
}
