/**
 * Calls of an under-store that end soon after their signal aborts, although a system call cannot be taken back.
 *
 * The work goes on in the background until its next check and cleans up behind itself. What the caller hears depends
 * on one mark, set in the same turn in which the change of the store is started: before it, nothing happened and
 * nothing will (`UFS_UNAVAILABLE`); behind it, nobody can tell (`UFS_UNKNOWN_OUTCOME`).
 */
import { HeadraceError } from '../../core/errors.js';

/** Passed to the work, to be asked between its steps. */
export class AbortGate {
  #error: HeadraceError | undefined;
  #changing = false;
  readonly #what: string;

  constructor(what: string) {
    this.#what = what;
  }

  /** Whether the store may have been changed. */
  get changing(): boolean {
    return this.#changing;
  }

  /** Throws when the call was aborted. */
  check(): void {
    if (this.#error !== undefined) throw this.#error;
  }

  /** Throws when the call was aborted; otherwise whatever happens from now on may have changed the store. */
  beginChange(): void {
    this.check();
    this.#changing = true;
  }

  abort(reason: unknown): HeadraceError {
    this.#error = abortedError(this.#what, this.#changing, reason);
    return this.#error;
  }
}

/** What a caller hears whose signal aborted; `what` completes "… was aborted". */
export function abortedError(what: string, changing: boolean, reason: unknown): HeadraceError {
  return changing
    ? new HeadraceError('UFS_UNKNOWN_OUTCOME', `${what} was aborted while the store was being changed`, {
        cause: reason,
        details: { aborted: true },
      })
    : new HeadraceError('UFS_UNAVAILABLE', `${what} was aborted before anything changed`, {
        cause: reason,
        details: { aborted: true },
      });
}

/** Runs `work`; rejects as soon as `signal` aborts, whatever the work is waiting for. */
export function runAbortable<Value>(
  what: string,
  signal: AbortSignal | undefined,
  work: (gate: AbortGate) => Promise<Value>,
): Promise<Value> {
  const gate = new AbortGate(what);
  if (signal === undefined) return work(gate);
  if (signal.aborted) return Promise.reject(gate.abort(signal.reason));
  return new Promise((resolve, reject) => {
    const onAbort = (): void => reject(gate.abort(signal.reason));
    signal.addEventListener('abort', onAbort, { once: true });
    work(gate).then(
      (value) => {
        signal.removeEventListener('abort', onAbort);
        resolve(value);
      },
      (error: unknown) => {
        signal.removeEventListener('abort', onAbort);
        reject(error as Error);
      },
    );
  });
}
