/** How errors leave the admin API: `{ "error": { "code", "message" } }` with a fitting status. */
import type { FastifyReply, FastifyRequest } from 'fastify';
import { AssertionError } from '../../core/assert.js';
import { HeadraceError, type ErrorCode, type ErrorKind } from '../../core/errors.js';
import type { Logger } from '../../core/logger.js';

export interface ErrorBody {
  readonly error: { readonly code: string; readonly message: string; readonly requestId?: string };
}

const STATUS_BY_KIND: Readonly<Record<ErrorKind, number>> = {
  RETRY: 503,
  UNKNOWN_OUTCOME: 500,
  FENCED: 503,
  INVALID: 400,
  OUT_OF_SPACE: 507,
  CORRUPT: 500,
  CLOSED: 503,
};

const STATUS_BY_CODE: Partial<Record<ErrorCode, number>> = {
  NO_SUCH_BUCKET: 404,
  NO_SUCH_KEY: 404,
  NO_SUCH_UPLOAD: 404,
  NO_SUCH_USER: 404,
  USER_EXISTS: 409,
  BUCKET_EXISTS: 409,
  BUCKET_NOT_EMPTY: 409,
  UFS_CONFLICT: 409,
  PRECONDITION_FAILED: 412,
  READ_ONLY_PATH: 403,
  NOT_SUPPORTED: 501,
  UFS_DENIED: 502,
  UFS_REJECTED: 502,
  LOG_TRIMMED: 410,
};

export function statusOf(error: HeadraceError): number {
  return STATUS_BY_CODE[error.code] ?? STATUS_BY_KIND[error.kind];
}

export function errorBody(code: string, message: string, requestId?: string): ErrorBody {
  return { error: { code, message, ...(requestId === undefined ? {} : { requestId }) } };
}

/** The body for an error of any kind; what is not a `HeadraceError` shows no inside knowledge. */
export function bodyOf(error: unknown, requestId?: string): ErrorBody {
  return error instanceof HeadraceError
    ? errorBody(error.code, error.message, requestId)
    : errorBody('INTERNAL', 'an unexpected error: see the log of the server', requestId);
}

/** Logs what the operator of the server has to know, once. A programmer's mistake stops the process. */
export function reportError(
  error: unknown,
  { id: requestId, url }: Pick<FastifyRequest, 'id' | 'url'>,
  logger: Logger,
): void {
  if (error instanceof HeadraceError && error.kind === 'INVALID') return;
  logger.error({ requestId, url, error }, 'an admin request failed');
  if (error instanceof AssertionError)
    queueMicrotask(() => {
      throw error;
    });
}

/** The error handler of the server: those of fastify (bad JSON, schema, size) come here too. */
export function replyWithError(
  error: unknown,
  request: FastifyRequest,
  reply: FastifyReply,
  logger: Logger,
): FastifyReply {
  if (error instanceof HeadraceError) {
    reportError(error, request, logger);
    const retryAfterMs = error.details['retryAfterMs'];
    if (typeof retryAfterMs === 'number') void reply.header('retry-after', Math.ceil(retryAfterMs / 1000));
    return reply.code(statusOf(error)).send(bodyOf(error, request.id));
  }
  const status = clientErrorStatus(error);
  if (status !== undefined && error instanceof Error)
    return reply.code(status).send(errorBody('INVALID_ARGUMENT', explain(error, request), request.id));
  reportError(error, request, logger);
  return reply.code(500).send(bodyOf(error, request.id));
}

function clientErrorStatus(error: unknown): number | undefined {
  if (typeof error !== 'object' || error === null || !('statusCode' in error)) return undefined;
  const { statusCode } = error;
  return typeof statusCode === 'number' && statusCode >= 400 && statusCode < 500 ? statusCode : undefined;
}

function explain(error: Error, request: FastifyRequest): string {
  if ('statusCode' in error && error.statusCode === 415)
    return `the content type ${JSON.stringify(request.headers['content-type'] ?? '')} is not read: send application/json`;
  return error.message;
}
