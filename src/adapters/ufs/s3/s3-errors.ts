/**
 * Failures of the S3 client in the words of the `ObjectStore` port.
 *
 * Decision table, first match wins. "Write" is a call that may change what readers see.
 *
 * | what came back                                             | code                                            |
 * |------------------------------------------------------------|-------------------------------------------------|
 * | our signal aborted                                         | UFS_UNKNOWN_OUTCOME for a write, else UFS_UNAVAILABLE |
 * | no credentials were found                                  | UFS_DENIED                                      |
 * | no answer, and no connection either                        | UFS_UNAVAILABLE                                 |
 * | no answer, or one that broke off                           | UFS_UNKNOWN_OUTCOME for a write, else UFS_UNAVAILABLE |
 * | NoSuchBucket                                               | NO_SUCH_BUCKET                                  |
 * | BucketNotEmpty                                             | BUCKET_NOT_EMPTY                                |
 * | 429, SlowDown and its relatives                            | UFS_THROTTLED                                   |
 * | 412, ConditionalRequestConflict, NoSuchKey                 | UFS_CONFLICT                                    |
 * | bytes damaged on the way, upload gone, clock corrected     | UFS_UNAVAILABLE                                 |
 * | 401, 403, expired or invalid credentials                   | UFS_DENIED                                      |
 * | 502, 504 (a gateway lost the answer)                       | UFS_UNKNOWN_OUTCOME for a write, else UFS_UNAVAILABLE |
 * | 501                                                        | UFS_REJECTED                                    |
 * | any other 5xx                                              | UFS_UNAVAILABLE                                 |
 * | anything else                                              | UFS_REJECTED, with the S3 code                  |
 *
 * Source: Amazon S3 API reference, "Error responses".
 */
import { HeadraceError, type ErrorCode } from '../../../core/errors.js';
import { abortedError } from '../abortable.js';

const THROTTLED = new Set([
  'SlowDown',
  'SlowDownRead',
  'SlowDownWrite',
  'Throttling',
  'ThrottlingException',
  'TooManyRequests',
  'TooManyRequestsException',
  'RequestLimitExceeded',
  'BandwidthLimitExceeded',
]);
/** What is wrong with who asks, whatever is asked for: `details.credentials`. */
const CREDENTIALS = new Set([
  'ExpiredToken',
  'ExpiredTokenException',
  'InvalidToken',
  'TokenRefreshRequired',
  'InvalidAccessKeyId',
  'SignatureDoesNotMatch',
  'RequestTimeTooSkewed',
  'InvalidClientTokenId',
]);
const DENIED = new Set(['ExpiredToken', 'InvalidToken', 'TokenRefreshRequired', 'ExpiredTokenException']);
/** The same call with the same bytes may well succeed. */
const PASSING = new Set([
  'BadDigest',
  'XAmzContentSHA256Mismatch',
  'XAmzContentChecksumMismatch',
  'IncompleteBody',
  'RequestTimeout',
  'NoSuchUpload',
  'OperationAborted',
  // The store's answer has corrected the clock.
  'RequestTimeTooSkewed',
]);
/** A write meets no such key only when it expects one (S3 API reference, PutObject, `If-Match`); a read looks for it before. */
const CONFLICT = new Set(['PreconditionFailed', 'ConditionalRequestConflict', 'NoSuchKey']);
/** Permanent, although S3 answers 403. */
const REJECTED = new Set(['InvalidObjectState']);
/** The request never left. */
const NOT_CONNECTED = new Set([
  'ECONNREFUSED',
  'ENOTFOUND',
  'EAI_AGAIN',
  'EHOSTUNREACH',
  'ENETUNREACH',
  'EADDRNOTAVAIL',
  'EMFILE',
  'UND_ERR_CONNECT_TIMEOUT',
]);
const TLS_FAILED = /CERT|SIGNED|^ERR_TLS|^ERR_SSL|^EPROTO$/;
/** What the client's HTTP handler says when a connection takes too long; it has no code. */
const CONNECT_TIMEOUT = /did not establish a connection/;

/** What the client says when neither the settings nor the AWS environment name a region. */
const NO_REGION = /^Region is missing/;
const REGION_ADVICE =
  "set ufs.s3.region, the option region of the mount, or AWS_REGION; ufs.s3.endpoint for a store that is not Amazon's";

export interface S3Failure {
  /** S3's code, such as NoSuchKey, or the system's, such as ECONNRESET. */
  readonly name: string;
  /** Undefined when there was no answer. */
  readonly status: number | undefined;
  readonly message: string;
}

/** What is known of an error of the client. */
export function failureOf(error: unknown): S3Failure {
  const { name, code, message, status } = fieldsOf(error);
  return { name: status === undefined ? (code ?? name) : name, status, message };
}

/** Whether the store answered with one of these S3 codes, or with `status` and no code. */
export function isS3Code(error: unknown, status: number, ...names: string[]): boolean {
  const failure = failureOf(error);
  return names.includes(failure.name) || (failure.status === status && failure.name === String(status));
}

/**
 * `error` as the port has it; `what` completes "cannot …". An error of ours (from the body of a put) stays as it is.
 */
export function s3Error(what: string, error: unknown, write: boolean, signal?: AbortSignal): HeadraceError {
  if (error instanceof HeadraceError) return error;
  if (signal?.aborted === true) return abortedError(what, write, signal.reason);
  const failure = failureOf(error);
  const code = codeOf(failure, error, write);
  const status = failure.status === undefined ? '' : ` (${failure.status} ${failure.name})`;
  const reason = NO_REGION.test(failure.message) ? `${failure.message}: ${REGION_ADVICE}` : failure.message;
  return new HeadraceError(code, `cannot ${what}: ${reason}${status}`, {
    cause: error,
    details: {
      s3Code: failure.name,
      ...(failure.status === undefined ? {} : { status: failure.status }),
      ...(code === 'UFS_DENIED' && blamesCredentials(failure) ? { credentials: true } : {}),
    },
  });
}

/** The store's ETag shows that it holds other bytes than those that were sent. */
export function damagedError(what: string, expected: string, found: string): HeadraceError {
  return new HeadraceError(
    'UFS_UNAVAILABLE',
    `${what} arrived damaged: the store's ETag is ${found}, not ${expected}; ` +
      `if its ETags are no MD5s although they look like them, set verifyEtag to false`,
    { details: { expected, found } },
  );
}

/** Through a mapping (`what` completes "cannot …") buckets are neither made nor removed. */
export function mappedError(what: string, description: string): HeadraceError {
  return new HeadraceError(
    'UFS_REJECTED',
    `cannot ${what}: ${description} stands for one bucket, which is made and removed in the store itself`,
  );
}

function codeOf({ name, status, message }: S3Failure, error: unknown, write: boolean): ErrorCode {
  const lost = write ? 'UFS_UNKNOWN_OUTCOME' : 'UFS_UNAVAILABLE';
  // Of the store, not of this object: somebody has to mend the configuration, and nothing is quarantined meanwhile.
  if (error instanceof Error && /Credentials?ProviderError|TokenProviderError/.test(error.name))
    return 'UFS_DENIED';
  if (NO_REGION.test(message)) return 'UFS_DENIED';
  if (status === undefined) {
    if (NOT_CONNECTED.has(name) || TLS_FAILED.test(name) || CONNECT_TIMEOUT.test(message))
      return 'UFS_UNAVAILABLE';
    return isProgramError(error) ? 'UFS_REJECTED' : lost;
  }
  if (name === 'NoSuchBucket') return 'NO_SUCH_BUCKET';
  if (name === 'BucketNotEmpty') return 'BUCKET_NOT_EMPTY';
  if (status === 429 || THROTTLED.has(name)) return 'UFS_THROTTLED';
  if (status === 412 || CONFLICT.has(name)) return 'UFS_CONFLICT';
  if (PASSING.has(name)) return 'UFS_UNAVAILABLE';
  if (REJECTED.has(name)) return 'UFS_REJECTED';
  if (status === 401 || status === 403 || DENIED.has(name)) return 'UFS_DENIED';
  if (status === 502 || status === 504) return lost;
  if (status === 501) return 'UFS_REJECTED';
  // A 200 that carries an error is S3's way of failing late; so is an answer nobody can read.
  if (status >= 500 || name === 'InternalError' || name === 'ServiceUnavailable') return 'UFS_UNAVAILABLE';
  return status < 400 ? lost : 'UFS_REJECTED';
}

/** Without an answer the client found none; 401 is for who is not known at all. */
function blamesCredentials({ name, status }: S3Failure): boolean {
  return status === undefined || status === 401 || CREDENTIALS.has(name);
}

/** The client refused to build the request: a header that is none. */
function isProgramError(error: unknown): boolean {
  return (
    error instanceof TypeError ||
    error instanceof RangeError ||
    (error instanceof Error && error.message.startsWith('Invalid URL'))
  );
}

function fieldsOf(error: unknown): {
  name: string;
  code: string | undefined;
  message: string;
  status: number | undefined;
} {
  if (!(error instanceof Error)) {
    return { name: 'Unknown', code: undefined, message: String(error), status: undefined };
  }
  const { code, $metadata, $response } = error as Error & {
    code?: unknown;
    $metadata?: { httpStatusCode?: number };
    $response?: { statusCode?: number };
  };
  return {
    name: error.name,
    code: typeof code === 'string' ? code : undefined,
    // Further lines of the client's tell how to debug it.
    message: error.message.split('\n', 1)[0]?.trim() || error.name,
    // What broke off is no answer: only its status is known, and not whether the store's code makes it a refusal.
    status: brokeOff(error.name, code) ? undefined : ($metadata?.httpStatusCode ?? $response?.statusCode),
  };
}

/** The system's codes, and what the client says of a connection on which nothing moves. */
function brokeOff(name: string, code: unknown): boolean {
  return typeof code === 'string' || name === 'TimeoutError';
}
