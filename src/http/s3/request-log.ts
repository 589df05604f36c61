/**
 * One line of the log for each request, where that was asked for: the way from a request id that a client shows to the log offset of
 * what it wrote, which `headrace log cat --from` and `headrace log history` lead on from.
 */
import type { Logger } from '../../core/logger.js';

export interface AnsweredRequest {
  readonly requestId: string;
  readonly operation: string;
  readonly method: string;
  readonly bucket: string;
  readonly key: string;
  /** 0 when the client went away before an answer. */
  readonly status: number;
  /** S3's code of an error. */
  readonly code: string | undefined;
  readonly durationMs: number;
  /** `<partition>:<offset>` of a write. */
  readonly offset: string | undefined;
  readonly user: string | undefined;
  readonly remoteAddress: string | undefined;
}

export function logRequest(logger: Logger, { durationMs, ...request }: AnsweredRequest): void {
  // Members that are undefined are left out of the line.
  logger.info({ ...request, durationMs: Math.round(durationMs * 1000) / 1000 }, 'request');
}

/** The value of `x-headrace-offset` in a flat list of names and values. */
export function offsetIn(headers: readonly string[]): string | undefined {
  for (let at = 0; at < headers.length; at += 2)
    if (headers[at] === 'x-headrace-offset') return headers[at + 1];
  return undefined;
}
