/**
 * Failures of the file system in the words of the `ObjectStore` port.
 */
import { HeadraceError, type ErrorCode } from '../../../core/errors.js';

/** Nothing is at the path, or something that is no directory is on the way to it. */
export const ABSENT = ['ENOENT', 'ENOTDIR'] as const;

/**
 * Codes by what the caller does. Space runs out and comes back, so a full disk is worth a retry; a quota is for a
 * person to raise. Everything that is not here (EIO, ESTALE, ETIMEDOUT, EMFILE, ENOSPC, …) is `UFS_UNAVAILABLE`.
 */
const CODES: Readonly<Record<string, ErrorCode>> = {
  EACCES: 'UFS_DENIED',
  EPERM: 'UFS_DENIED',
  EROFS: 'UFS_DENIED',
  EDQUOT: 'UFS_REJECTED',
  EFBIG: 'UFS_REJECTED',
  EXDEV: 'UFS_REJECTED',
};

const ADVICE: Readonly<Record<string, string>> = {
  EXDEV: '; a bucket must be on the same file system as the root: mount it as a store of its own',
  ENOSPC: '; the file system is full',
};

/** The system's code, such as ENOENT; undefined for what did not come from the system. */
export function systemCodeOf(error: unknown): string | undefined {
  if (!(error instanceof Error) || error instanceof HeadraceError) return undefined;
  const { code, syscall } = error as NodeJS.ErrnoException;
  return typeof code === 'string' && (syscall !== undefined || /^E[A-Z0-9]+$/.test(code)) ? code : undefined;
}

/**
 * `error` as the port has it; what did not come from the system stays as it is (the body's own errors).
 * `what` completes "cannot …". When the store may have been changed the outcome is unknown.
 */
export function storeError(what: string, error: unknown, changing = false): unknown {
  const systemCode = systemCodeOf(error);
  if (systemCode === undefined || !(error instanceof Error)) return error;
  const code = changing ? 'UFS_UNKNOWN_OUTCOME' : (CODES[systemCode] ?? 'UFS_UNAVAILABLE');
  return new HeadraceError(code, `cannot ${what}: ${error.message}${ADVICE[systemCode] ?? ''}`, {
    cause: error,
    details: { systemCode },
  });
}
