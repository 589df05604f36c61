/**
 * The port to an ordered, transactional key-value database: FoundationDB's model, as far as the log and the coordinator need it.
 *
 * A transaction reads the database as it was at its read version and commits only if nothing it read (or named as a read
 * conflict) was written since: optimistic concurrency, strictly serialisable. Keys are bytes, in the order of their bytes.
 * The limits are FoundationDB's: keys of 10,000 bytes, values of 100,000, transactions of 10,000,000 and five seconds.
 *
 * Failures reject with a `DatabaseError` whose code is FoundationDB's (developer guide, appendix "Error codes").
 */

export interface KeyValueDatabase {
  begin(): DatabaseTransaction;
  /** Ends what is in progress; its promises reject. */
  close(): void;
}

export interface KeyValue {
  readonly key: Buffer;
  readonly value: Buffer;
}

export interface RangeRequest {
  /** Inclusive. */
  readonly begin: Buffer;
  /** Exclusive. */
  readonly end: Buffer;
  /** At most so many entries. */
  readonly limit: number;
  /** The last ones first. */
  readonly reverse?: boolean;
}

export interface DatabaseTransaction {
  get(key: Buffer): Promise<Buffer | undefined>;
  /** As `get`, without a conflict when it is written meanwhile. */
  peek(key: Buffer): Promise<Buffer | undefined>;
  /**
   * In order; without conflicts. May return fewer than there are, but none only when there are none. Not to be relied on for
   * what this transaction wrote itself.
   */
  range(request: RangeRequest): Promise<KeyValue[]>;
  /** A key or value that is too large is refused here or by the commit. Both may change once this has returned. */
  set(key: Buffer, value: Buffer): void;
  clear(key: Buffer): void;
  clearRange(begin: Buffer, end: Buffer): void;
  /**
   * The commit fails if the key was written after the read version. To be called before this transaction writes the key:
   * FoundationDB takes a conflict on what a transaction has written itself for one that it need not check.
   */
  addReadConflict(key: Buffer): void;
  /** Reads as of a version that another transaction committed, which spares asking for one. */
  useReadVersion(version: Buffer): void;
  /** Resolves when the writes are durable. May be called once. */
  commit(): Promise<void>;
  /** Of a transaction that committed writes. */
  committedVersion(): Buffer;
  /** Its promises reject with 1025. A commit that was under way may still take effect. */
  cancel(): void;
}

/**
 * FoundationDB's codes that somebody reacts to. Its own client takes these for retryable: 1007, 1009, 1020, 1037, 1038, 1042, 1051,
 * 1078, 1213, 1223, 1235 and 1242 as not committed, 1021 and 1039 as possibly committed (`fdb_error_predicate` in `bindings/c/fdb_c.cpp`).
 * 1004, 1025, 1031, 1032 and 1079 are here because they may pass as well; those from 2000 on are mistakes of the caller.
 */
export const DATABASE_ERRORS = {
  timedOut: 1004,
  transactionTooOld: 1007,
  futureVersion: 1009,
  notCommitted: 1020,
  commitUnknownResult: 1021,
  transactionCancelled: 1025,
  transactionTimedOut: 1031,
  tooManyWatches: 1032,
  processBehind: 1037,
  databaseLocked: 1038,
  clusterVersionChanged: 1039,
  commitProxyMemoryLimit: 1042,
  batchTransactionThrottled: 1051,
  grvProxyMemoryLimit: 1078,
  blobGranuleRequestFailed: 1079,
  tagThrottled: 1213,
  proxyTagThrottled: 1223,
  hotShardThrottled: 1235,
  rangeLocked: 1242,
  transactionTooLarge: 2101,
  keyTooLarge: 2102,
  valueTooLarge: 2103,
} as const;

const CODES: ReadonlySet<number> = new Set(Object.values(DATABASE_ERRORS));
/** Codes below this are of the database's operation; those from it on are mistakes of the caller. */
const OPERATION_CODES_END = 2000;

export class DatabaseError extends Error {
  override readonly name = 'DatabaseError';
  readonly code: number;

  constructor(code: number, message: string) {
    super(`${message} (FoundationDB error ${code})`);
    this.code = code;
  }

  /** Whether the same may succeed later. */
  get isRetryable(): boolean {
    return this.code < OPERATION_CODES_END && CODES.has(this.code);
  }
}
