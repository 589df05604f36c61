/**
 * The admin API: health, path configuration, persist state, space, log and mounts over HTTP, as JSON.
 *
 * Each route checks its input by a schema, calls the admin service, and adds nothing of its own. Before it, every request has
 * to pass the guard against web pages of other sites and then `admin-access.ts`; both also where there is no route. The routes
 * are listed in docs/cli.md and describe themselves at `/api/v1/openapi.json`.
 */
import fastify, { type FastifyInstance, type FastifyReply, type FastifyRequest } from 'fastify';
import { MIB } from '../../core/units.js';
import { decideAccess, type AdminRight } from './admin-access.js';
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
import { describeApi } from './openapi.js';
import { addPersistRoutes } from './persist-routes.js';
import type { AdminRouteContext, AdminServerOptions } from './route-context.js';
import { addResolveRoutes } from './resolve-routes.js';
import { addStopRoutes } from './stop-routes.js';
import { addSystemRoutes } from './system-routes.js';
import { addTreeRoutes } from './tree-routes.js';
import { addUserRoutes } from './user-routes.js';

export type { AdminServerOptions } from './route-context.js';

declare module 'fastify' {
  interface FastifyContextConfig {
    /** What a route needs; `admin` unless it says otherwise. */
    right?: AdminRight;
  }
  interface FastifyRequest {
    /** Who asks, as the log calls it; undefined where nobody has to say. */
    user: string | undefined;
  }
}

const BODY_BYTES_MAX = MIB;
/** Longest path of an object in a URL: a bucket and a key of 1,024 bytes, each byte written as `%XX`. */
const PARAMETER_CHARACTERS_MAX = 4096;

/** Builds the server; `listen` is up to the caller. `close` ends open tails. */
export function createAdminServer(options: AdminServerOptions): FastifyInstance {
  const { logger, settings } = options;
  const server = fastify({
    bodyLimit: BODY_BYTES_MAX,
    forceCloseConnections: true,
    ...(options.requestId === undefined ? {} : { genReqId: options.requestId }),
    routerOptions: { maxParamLength: PARAMETER_CHARACTERS_MAX },
    frameworkErrors: (error, request, reply) => {
      void (reply as FastifyReply)
        .code(error.statusCode ?? 400)
        .send(errorBody('INVALID_ARGUMENT', error.message, request.id));
    },
    // Unknown members are mistakes to be named, not to be dropped silently.
    ajv: { customOptions: { removeAdditional: false, coerceTypes: true } },
  });
  const context: AdminRouteContext = { ...options, streams: new LineStreams(logger) };
  const guard = { host: settings.adminHost, allowedHosts: settings.adminAllowedHosts };
  server.addHook('onRequest', async (request, reply) => {
    void reply.header('x-request-id', request.id);
    const reason = findForeignRequest(request.headers, guard);
    if (reason !== undefined) {
      const { host, origin } = request.headers;
      logger.warn({ ...requestFields(request), host, origin }, reason);
      return reply.code(403).send(errorBody('FORBIDDEN', reason, request.id));
    }
    return admit(options, request, reply);
  });
  server.addHook('onSend', async (_request, reply) => {
    void reply.header('cache-control', 'no-store');
  });
  server.addHook('onResponse', async (request, reply) => {
    const changes = request.method !== 'GET' && request.method !== 'HEAD';
    const fields = { ...requestFields(request), status: reply.statusCode, durationMs: reply.elapsedTime };
    if (changes) logger.info(fields, 'admin request');
    else logger.debug(fields, 'admin request');
  });
  server.addHook('preClose', async () => context.streams.close());
  server.decorateRequest('user', undefined);
  server.setErrorHandler((error, request, reply) => replyWithError(error, request, reply, logger));
  server.setNotFoundHandler((request, reply) =>
    reply
      .code(404)
      .send(
        errorBody('NOT_FOUND', `there is no ${request.method} ${request.url}: see docs/cli.md`, request.id),
      ),
  );
  describeApi(server, options.version ?? '0');
  // A scope of their own, because the description has to be there before them.
  void server.register(async (scope) => {
    addSystemRoutes(scope, context);
    addConfRoutes(scope, context);
    addObjectRoutes(scope, context);
    addPersistRoutes(scope, context);
    addFlushRoutes(scope, context);
    addResolveRoutes(scope, context);
    if (options.stop !== undefined) addStopRoutes(scope, context, options.stop);
    addJobRoutes(scope, context);
    addLogRoutes(scope, context);
    addInspectionRoutes(scope, context);
    addMountRoutes(scope, context);
    addTreeRoutes(scope, context);
    addUserRoutes(scope, context);
  });
  return server;
}

/** Answers instead of the route when whoever asks may not; remembers who it is for the log. */
function admit(
  { access, logger }: AdminServerOptions,
  request: FastifyRequest,
  reply: FastifyReply,
): FastifyReply | undefined {
  if (access === undefined) return undefined;
  const right = request.routeOptions.config.right ?? 'admin';
  const decision = decideAccess(access, request.headers.authorization, right);
  if (decision.allowed) {
    request.user = decision.user;
    return undefined;
  }
  const { status, message } = decision;
  logger.warn(
    { ...requestFields(request), status, remoteAddress: request.ip },
    'an admin request was refused',
  );
  if (status === 401) void reply.header('www-authenticate', 'Basic realm="headrace", charset="UTF-8"');
  return reply
    .code(status)
    .send(errorBody(status === 401 ? 'UNAUTHENTICATED' : 'FORBIDDEN', message, request.id));
}

function requestFields(request: FastifyRequest): Readonly<Record<string, unknown>> {
  const { id: requestId, user, method, url } = request;
  return { requestId, ...(user === undefined ? {} : { user }), method, url };
}
