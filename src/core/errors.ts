/**
 * The one error class of the engine.
 *
 * A `code` is stable and names the cause; a `kind` says what the caller has to do. A new code exists only where
 * a caller reacts differently. HTTP statuses and S3 codes live in one mapper (`src/http/s3/error-mapper.ts`).
 */

export type ErrorKind =
  /** The same call may succeed later. */
  | 'RETRY'
  /** The effect may or may not have happened: check, never blindly repeat. */
  | 'UNKNOWN_OUTCOME'
  /** Another owner has taken over: this one must stop. */
  | 'FENCED'
  /** The request can never succeed as it is. */
  | 'INVALID'
  | 'OUT_OF_SPACE'
  /** Stored bytes are not what was written. */
  | 'CORRUPT'
  | 'CLOSED';

/** Every code with its kind. The mapper to S3 is checked against this table by a test. */
export const ERROR_KINDS = {
  // Requests that cannot succeed as they are.
  INVALID_ARGUMENT: 'INVALID',
  INVALID_SETTING: 'INVALID',
  INVALID_BUCKET_NAME: 'INVALID',
  KEY_TOO_LONG: 'INVALID',
  NO_SUCH_BUCKET: 'INVALID',
  NO_SUCH_KEY: 'INVALID',
  NO_SUCH_UPLOAD: 'INVALID',
  BUCKET_EXISTS: 'INVALID',
  BUCKET_NOT_EMPTY: 'INVALID',
  INVALID_PART: 'INVALID',
  INVALID_PART_ORDER: 'INVALID',
  PART_TOO_SMALL: 'INVALID',
  ENTITY_TOO_LARGE: 'INVALID',
  INVALID_RANGE: 'INVALID',
  PRECONDITION_FAILED: 'INVALID',
  NOT_MODIFIED: 'INVALID',
  READ_ONLY_PATH: 'INVALID',
  BAD_DIGEST: 'INVALID',
  INCOMPLETE_BODY: 'INVALID',
  REQUEST_TIMEOUT: 'INVALID',
  NOT_SUPPORTED: 'INVALID',
  NO_SUCH_USER: 'INVALID',
  USER_EXISTS: 'INVALID',
  // Space and pressure.
  OUT_OF_SPACE: 'OUT_OF_SPACE',
  DISK_FULL: 'OUT_OF_SPACE',
  SLOW_DOWN: 'RETRY',
  // The under-store.
  UFS_UNAVAILABLE: 'RETRY',
  UFS_THROTTLED: 'RETRY',
  UFS_DENIED: 'INVALID',
  UFS_REJECTED: 'INVALID',
  UFS_CONFLICT: 'INVALID',
  UFS_UNKNOWN_OUTCOME: 'UNKNOWN_OUTCOME',
  // The store itself.
  CORRUPT_FRAME: 'CORRUPT',
  CORRUPT_EXTENT: 'CORRUPT',
  CORRUPT_CHECKPOINT: 'CORRUPT',
  UNSUPPORTED_FORMAT: 'INVALID',
  DATA_DIRECTORY_IN_USE: 'INVALID',
  DATA_DIRECTORY_UNUSABLE: 'INVALID',
  IO_FAILED: 'RETRY',
  LOG_FENCED: 'FENCED',
  LEASE_EXPIRED: 'RETRY',
  LOG_UNKNOWN_OUTCOME: 'UNKNOWN_OUTCOME',
  LOG_TRIMMED: 'INVALID',
  CLOSED: 'CLOSED',
} as const satisfies Record<string, ErrorKind>;

export type ErrorCode = keyof typeof ERROR_KINDS;

export class HeadraceError extends Error {
  override readonly name = 'HeadraceError';
  readonly code: ErrorCode;
  readonly kind: ErrorKind;
  /** Plain values for logs and for the mapper, such as `{ retryAfterMs: 1000 }`. */
  readonly details: Readonly<Record<string, string | number | boolean>>;

  /** `message` says what was wrong, with the value, and what would be right. */
  constructor(
    code: ErrorCode,
    message: string,
    options: { cause?: unknown; details?: Record<string, string | number | boolean> } = {},
  ) {
    super(message, options.cause === undefined ? undefined : { cause: options.cause });
    this.code = code;
    this.kind = ERROR_KINDS[code];
    this.details = options.details ?? {};
  }
}

/** Whether `error` is a `HeadraceError` with one of `codes`. */
export function isErrorCode(error: unknown, ...codes: ErrorCode[]): error is HeadraceError {
  return error instanceof HeadraceError && codes.includes(error.code);
}
