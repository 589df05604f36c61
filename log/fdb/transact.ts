/**
 * Runs transactions until they commit. For bodies that may run again: each attempt has to read what it depends on, and to notice
 * when an attempt before it, whose outcome was unknown, took effect after all.
 */
import { HeadraceError } from '../../src/core/errors.js';
import {
  DatabaseError,
  DATABASE_ERRORS,
  type DatabaseTransaction,
  type KeyValueDatabase,
} from '../../src/core/key-value-database.js';
import type { Clock } from '../../src/core/ports.js';

const BACKOFF_INITIAL_MS = 2;
const BACKOFF_MAX_MS = 1000;
/** A transaction that takes longer than the database keeps versions for comes to nothing: it is given up and tried again. */
const ATTEMPT_MS_MAX = 10_000;

export interface Transacting {
  readonly database: KeyValueDatabase;
  readonly clock: Clock;
  /** Stops between two attempts with its reason. */
  readonly signal?: AbortSignal;
}

/** The pauses between the attempts of one piece of work. */
export class Backoff {
  readonly #clock: Clock;
  #delayMs = BACKOFF_INITIAL_MS;

  constructor(clock: Clock) {
    this.#clock = clock;
  }

  /** Rejects with the signal's reason. What merely came too late, or in each other's way, is tried again at once. */
  async pause(error: DatabaseError, signal?: AbortSignal): Promise<void> {
    if (error.code === DATABASE_ERRORS.transactionTooOld && this.#delayMs === BACKOFF_INITIAL_MS) {
      this.#delayMs *= 2;
      signal?.throwIfAborted();
      return;
    }
    const delayMs = this.#delayMs;
    this.#delayMs = Math.min(2 * delayMs, BACKOFF_MAX_MS);
    await this.#clock.sleep(delayMs, signal);
  }
}

/**
 * Commits what `body` writes, and resolves with what it returned. Tries again after everything that may pass; what cannot is an
 * `IO_FAILED` with the database's error as its cause. Errors of `body` that are not the database's end it.
 */
export async function transact<Result>(
  { database, clock, signal }: Transacting,
  body: (transaction: DatabaseTransaction) => Promise<Result>,
): Promise<Result> {
  const backoff = new Backoff(clock);
  for (;;) {
    signal?.throwIfAborted();
    const transaction = database.begin();
    const cancel = (): void => transaction.cancel();
    signal?.addEventListener('abort', cancel, { once: true });
    const cancelLate = clock.schedule(ATTEMPT_MS_MAX, cancel);
    try {
      const result = await body(transaction);
      await transaction.commit();
      return result;
    } catch (error) {
      transaction.cancel();
      if (signal?.aborted === true) throw signal.reason;
      if (!(error instanceof DatabaseError)) throw error;
      if (!error.isRetryable) throw databaseFailed(error);
      await backoff.pause(error, signal);
    } finally {
      cancelLate();
      signal?.removeEventListener('abort', cancel);
    }
  }
}

export function databaseFailed(cause: DatabaseError): HeadraceError {
  return new HeadraceError('IO_FAILED', `FoundationDB refused: ${cause.message}`, { cause });
}
