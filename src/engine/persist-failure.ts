/**
 * What a failed persist means: for the object, and for the store.
 *
 * | code                                                  | the object                      | the store                           |
 * |-------------------------------------------------------|---------------------------------|-------------------------------------|
 * | UFS_UNAVAILABLE                                       | tried again                     | asked whether it answers at all     |
 * | UFS_DENIED because of the credentials themselves      | tried again                     | the same                            |
 * | UFS_DENIED otherwise (403 for this object)            | quarantined                     | slowed down when it goes on so      |
 * | UFS_THROTTLED                                         | tried again                     | slowed down                         |
 * | UFS_UNKNOWN_OUTCOME, IO_FAILED, anything unexpected   | tried again                     |                                     |
 * | NO_SUCH_BUCKET, where the bucket is not made here     | tried again                     | asked, until it is there again      |
 * | UFS_REJECTED, UFS_CONFLICT, a bad name or size        | quarantined                     |                                     |
 * | CORRUPT_EXTENT                                        | quarantined at the third time: the damage may be in the read | |
 */
import { HeadraceError, type ErrorCode } from '../core/errors.js';
import type { PersistOutcome } from './persist-pace.js';

export interface PersistFailure {
  readonly cause: string;
  readonly message: string;
  /** The store will never take the object as it is. */
  readonly permanent: boolean;
  /** Whether the failure may be the store's, whatever the object. */
  readonly suspectsStore: boolean;
  readonly outcome: PersistOutcome;
  readonly retryAfterMs: number;
}

const CORRUPT_ATTEMPTS_MAX = 3;
/** Longest message that is kept with the entry, in characters. */
const MESSAGE_CHARACTERS_MAX = 1024;
const PERMANENT: ReadonlySet<ErrorCode> = new Set<ErrorCode>([
  'UFS_REJECTED',
  'UFS_CONFLICT',
  'KEY_TOO_LONG',
  'INVALID_BUCKET_NAME',
  'INVALID_ARGUMENT',
  'ENTITY_TOO_LARGE',
  'NOT_SUPPORTED',
]);

/** `attempt` counts the failed attempts, this one included. */
export function failureOf(error: unknown, attempt: number): PersistFailure {
  const text = error instanceof Error ? error.message : String(error);
  const message = text.slice(0, MESSAGE_CHARACTERS_MAX);
  if (!(error instanceof HeadraceError)) {
    return {
      cause: 'UNEXPECTED',
      message,
      permanent: false,
      suspectsStore: false,
      outcome: 'failed',
      retryAfterMs: 0,
    };
  }
  const { code, details } = error;
  const credentials = code === 'UFS_DENIED' && details['credentials'] === true;
  const denied = code === 'UFS_DENIED' && !credentials;
  const retryAfterMs = details['retryAfterMs'];
  return {
    cause: code,
    message,
    permanent:
      PERMANENT.has(code) || denied || (code === 'CORRUPT_EXTENT' && attempt >= CORRUPT_ATTEMPTS_MAX),
    suspectsStore: code === 'UFS_UNAVAILABLE' || code === 'NO_SUCH_BUCKET' || credentials,
    outcome: code === 'UFS_THROTTLED' ? 'throttled' : denied ? 'denied' : 'failed',
    retryAfterMs: typeof retryAfterMs === 'number' ? retryAfterMs : 0,
  };
}
