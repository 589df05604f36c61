/**
 * What of requests is written to the process log: each that failed by no fault of the client, and where that was asked for one line
 * for every request, the way from a request id that a client shows to the log offset of what it wrote, which
 * `headrace log cat --from` and `headrace log history` lead on from.
 */
import type { Exchange } from './exchange.js';
import type { S3Error } from './s3-error.js';

export interface RequestOutcome {
  /** 0 when the client went away before an answer. */
  readonly status: number;
  /** S3's code of an error. */
  readonly code: string | undefined;
  /** `<partition>:<offset>` of a write. */
  readonly offset: string | undefined;
  readonly durationMs: number;
}

export function logRequest(exchange: Exchange, { status, code, offset, durationMs }: RequestOutcome): void {
  const { context, requestId, operation, method, target, identity, request } = exchange;
  // Members that are undefined are left out of the line.
  context.logger.info(
    {
      requestId,
      operation,
      method,
      bucket: target.bucket,
      key: target.key,
      status,
      code,
      offset,
      user: identity.user,
      remoteAddress: request.socket.remoteAddress,
      durationMs: Math.round(durationMs * 1000) / 1000,
    },
    'request',
  );
}

/** `error` is what the engine said, of which the client is told only `failure`. */
export function logFailure(exchange: Exchange, failure: S3Error, error: unknown): void {
  const { context, requestId, operation, target } = exchange;
  const { bucket, key } = target;
  const fields = { error, code: failure.s3Code, requestId, operation, bucket, key };
  // Under pressure this is the answer to most requests, and the engine says why, once.
  if (failure.status === 503) context.logger.debug(fields, 'a request was turned away');
  else context.logger.error(fields, 'a request failed');
}

/** The value of `x-headrace-offset` in a flat list of names and values. */
export function offsetIn(headers: readonly string[]): string | undefined {
  for (let at = 0; at < headers.length; at += 2)
    if (headers[at] === 'x-headrace-offset') return headers[at + 1];
  return undefined;
}
