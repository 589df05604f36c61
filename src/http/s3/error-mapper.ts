/**
 * The one place where the engine's error codes become S3 codes and HTTP statuses.
 *
 * What a client can act on keeps the engine's message; what only an operator can act on gets S3's general one, and the
 * cause is logged. A test holds that every code of `ERROR_KINDS` has its row.
 */
import { HeadraceError } from '../../core/errors.js';
import type { ErrorCode } from '../../core/errors.js';
import { S3Error } from './s3-error.js';
import type { S3Code } from './s3-error.js';
import { formatHttpDate } from './timestamps.js';

interface Mapping {
  readonly code: S3Code;
  /** Whether the client is told the engine's message instead of S3's own. */
  readonly tell?: boolean;
  /** After how long to come again, unless the error says so itself (`details.retryAfterMs`). */
  readonly retryAfterMs?: number;
}

export const ERROR_MAPPINGS: Readonly<Record<ErrorCode, Mapping>> = {
  INVALID_ARGUMENT: { code: 'InvalidArgument', tell: true },
  INVALID_SETTING: { code: 'InternalError' },
  INVALID_BUCKET_NAME: { code: 'InvalidBucketName' },
  KEY_TOO_LONG: { code: 'KeyTooLongError' },
  NO_SUCH_BUCKET: { code: 'NoSuchBucket' },
  NO_SUCH_KEY: { code: 'NoSuchKey' },
  NO_SUCH_UPLOAD: { code: 'NoSuchUpload' },
  BUCKET_EXISTS: { code: 'BucketAlreadyOwnedByYou' },
  BUCKET_NOT_EMPTY: { code: 'BucketNotEmpty' },
  INVALID_PART: { code: 'InvalidPart' },
  INVALID_PART_ORDER: { code: 'InvalidPartOrder' },
  PART_TOO_SMALL: { code: 'EntityTooSmall' },
  ENTITY_TOO_LARGE: { code: 'EntityTooLarge' },
  INVALID_RANGE: { code: 'InvalidRange' },
  PRECONDITION_FAILED: { code: 'PreconditionFailed' },
  NOT_MODIFIED: { code: 'NotModified' },
  READ_ONLY_PATH: { code: 'AccessDenied', tell: true },
  BAD_DIGEST: { code: 'BadDigest' },
  INCOMPLETE_BODY: { code: 'IncompleteBody' },
  REQUEST_TIMEOUT: { code: 'RequestTimeout' },
  NOT_SUPPORTED: { code: 'NotImplemented', tell: true },
  NO_SUCH_USER: { code: 'InvalidArgument', tell: true },
  USER_EXISTS: { code: 'InvalidArgument', tell: true },
  OUT_OF_SPACE: { code: 'OutOfSpace', tell: true, retryAfterMs: 5000 },
  DISK_FULL: { code: 'OutOfSpace', tell: true, retryAfterMs: 30_000 },
  SLOW_DOWN: { code: 'SlowDown', tell: true, retryAfterMs: 1000 },
  UFS_UNAVAILABLE: { code: 'ServiceUnavailable', tell: true, retryAfterMs: 5000 },
  UFS_THROTTLED: { code: 'SlowDown', retryAfterMs: 1000 },
  UFS_DENIED: { code: 'AccessDenied', tell: true },
  UFS_REJECTED: { code: 'InvalidRequest', tell: true },
  UFS_CONFLICT: { code: 'ConditionalRequestConflict' },
  UFS_UNKNOWN_OUTCOME: { code: 'InternalError' },
  CORRUPT_FRAME: { code: 'InternalError' },
  CORRUPT_EXTENT: { code: 'InternalError' },
  CORRUPT_CHECKPOINT: { code: 'InternalError' },
  UNSUPPORTED_FORMAT: { code: 'InternalError' },
  DATA_DIRECTORY_IN_USE: { code: 'InternalError' },
  DATA_DIRECTORY_UNUSABLE: { code: 'InternalError' },
  IO_FAILED: { code: 'InternalError' },
  LOG_FENCED: { code: 'ServiceUnavailable', retryAfterMs: 1000 },
  LEASE_EXPIRED: { code: 'ServiceUnavailable', tell: true, retryAfterMs: 1000 },
  LOG_UNKNOWN_OUTCOME: { code: 'InternalError' },
  LOG_TRIMMED: { code: 'InternalError' },
  CLOSED: { code: 'ServiceUnavailable', retryAfterMs: 1000 },
};

/** What a client is told about `error`. */
export function toS3Error(error: unknown): S3Error {
  if (error instanceof S3Error) return error;
  if (!(error instanceof HeadraceError)) return new S3Error('InternalError', undefined, { cause: error });
  const mapping = ERROR_MAPPINGS[error.code];
  const code = typeof error.details.partNumber === 'number' ? partCode(error.code) : undefined;
  return new S3Error(code ?? mapping.code, mapping.tell === true ? error.message : undefined, {
    cause: error,
    headers: headersOf(error, mapping),
    elements: elementsOf(error),
  });
}

/** A range that is unsatisfiable because there is no such part has a code of its own. */
function partCode(code: ErrorCode): S3Code | undefined {
  return code === 'INVALID_RANGE' ? 'InvalidPartNumber' : undefined;
}

function headersOf(error: HeadraceError, mapping: Mapping): string[] {
  const headers: string[] = [];
  const { retryAfterMs, size, etag, lastModifiedMs } = error.details;
  const delayMs = typeof retryAfterMs === 'number' ? retryAfterMs : mapping.retryAfterMs;
  if (delayMs !== undefined) headers.push('Retry-After', String(Math.max(1, Math.ceil(delayMs / 1000))));
  if (error.code === 'INVALID_RANGE' && typeof size === 'number')
    headers.push('Content-Range', `bytes */${size}`);
  if (error.code === 'NOT_MODIFIED' && typeof etag === 'string') headers.push('ETag', `"${etag}"`);
  if (error.code === 'NOT_MODIFIED' && typeof lastModifiedMs === 'number')
    headers.push('Last-Modified', formatHttpDate(lastModifiedMs));
  return headers;
}

function elementsOf(error: HeadraceError): Record<string, string> {
  const { size, condition } = error.details;
  if (error.code === 'INVALID_RANGE' && typeof size === 'number') return { ActualObjectSize: String(size) };
  if (error.code === 'PRECONDITION_FAILED' && typeof condition === 'string') return { Condition: condition };
  return {};
}
