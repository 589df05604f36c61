/**
 * Calls of node:fs as promises, and their failures as `HeadraceError`s.
 *
 * A call that a signal interrupted (EINTR, EAGAIN) is repeated a bounded number of times; nothing else is.
 */
import { HeadraceError } from '../core/errors.js';

/** Interrupted system calls in a row after which an operation is given up. */
export const INTERRUPTIONS_MAX = 32;

/** One call of node:fs as a promise, repeated while it is interrupted. */
export function call<Value>(
  start: (done: (error: NodeJS.ErrnoException | null, value?: Value) => void) => void,
): Promise<Value> {
  return new Promise((resolve, reject) => {
    let interruptions = 0;
    const attempt = (): void =>
      start((error, value) => {
        if (error === null || error === undefined) resolve(value as Value);
        else if (isInterruption(error) && ++interruptions <= INTERRUPTIONS_MAX) attempt();
        else reject(error);
      });
    attempt();
  });
}

/**
 * What a caller sees of a failed call: `DISK_FULL` for ENOSPC and EDQUOT, else `IO_FAILED`.
 * `action` and `file` complete "cannot …".
 */
export function ioError(action: string, file: string, cause: unknown): HeadraceError {
  const reason = cause instanceof Error ? cause.message : 'the system took no bytes and named no error';
  if (isSystemError(cause, 'ENOSPC', 'EDQUOT')) {
    return new HeadraceError('DISK_FULL', `cannot ${action} ${file}: the disk or quota is full (${reason})`, {
      cause,
    });
  }
  return new HeadraceError('IO_FAILED', `cannot ${action} ${file}: ${reason}`, { cause });
}

/** Whether `error` came from the system with one of `codes`, such as ENOENT. */
export function isSystemError(error: unknown, ...codes: string[]): boolean {
  return error instanceof Error && codes.includes((error as NodeJS.ErrnoException).code ?? '');
}

/** Whether the call did nothing and may simply be repeated. */
export function isInterruption(error: unknown): boolean {
  return isSystemError(error, 'EINTR', 'EAGAIN');
}
