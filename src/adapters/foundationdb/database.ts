/**
 * `KeyValueDatabase` on a FoundationDB cluster.
 *
 * Transactions are raw: none is retried here, and none has a timeout, so that a commit ends with what became of it or with
 * `commit_unknown_result`, after which it is no longer under way (developer guide, "The commit_unknown_result Error";
 * `transaction_timed_out` has no such guarantee).
 *
 * Invariants: a promise of a cancelled transaction rejects at once, whatever the client library does meanwhile (one that never
 * reached the cluster ignores cancellations: `MultiVersionTransaction::cancel`); a transaction with an operation under way is
 * referenced, as the package cancels those that are garbage-collected.
 */
import {
  DatabaseError,
  DATABASE_ERRORS,
  type DatabaseTransaction,
  type KeyValue,
  type KeyValueDatabase,
  type RangeRequest,
} from '../../core/key-value-database.js';
import type { DatabaseMetrics, Histogram } from '../../core/metrics.js';
import type { Clock } from '../../core/ports.js';
import { DAY_MS } from '../../core/units.js';
import { codeOf, messageOf, type Binding, type BindingDatabase, type BindingTransaction } from './binding.js';

export interface FoundationDatabaseOptions {
  readonly binding: Binding;
  /** A path to a cluster file that exists. */
  readonly clusterFile: string;
  readonly clock: Clock;
  readonly metrics?: DatabaseMetrics | undefined;
}

export class FoundationDatabase implements KeyValueDatabase {
  readonly #options: FoundationDatabaseOptions;
  readonly #native: BindingDatabase;
  /** Those with an operation under way. */
  readonly #busy = new Set<FoundationTransaction>();
  /** Keeps the process alive like an open connection, which the package does only while it waits for an answer. */
  readonly #alive: NodeJS.Timeout;
  #closed = false;

  /** Connects in the background: operations wait for it. */
  constructor(options: FoundationDatabaseOptions) {
    this.#options = options;
    this.#native = options.binding.open(options.clusterFile);
    this.#alive = setInterval(nothing, DAY_MS);
  }

  begin(): FoundationTransaction {
    if (this.#closed) throw cancelled('the database is closed');
    const { binding, clock, metrics } = this.#options;
    return new FoundationTransaction({
      native: this.#native.rawCreateTransaction(),
      exactMode: binding.StreamingMode.Exact,
      clock,
      metrics,
      busy: this.#busy,
    });
  }

  close(): void {
    if (this.#closed) return;
    this.#closed = true;
    clearInterval(this.#alive);
    for (const transaction of this.#busy) transaction.cancel();
    this.#native.close();
  }
}

interface TransactionParts {
  readonly native: BindingTransaction;
  readonly exactMode: number;
  readonly clock: Clock;
  readonly metrics: DatabaseMetrics | undefined;
  readonly busy: Set<FoundationTransaction>;
}

export class FoundationTransaction implements DatabaseTransaction {
  readonly #parts: TransactionParts;
  readonly #native: BindingTransaction;
  #snapshot: BindingTransaction | undefined;
  /** Rejects what is under way. */
  readonly #pending = new Set<(error: DatabaseError) => void>();
  #hasWrites = false;
  #cancelled = false;

  constructor(parts: TransactionParts) {
    this.#parts = parts;
    this.#native = parts.native;
  }

  get(key: Buffer): Promise<Buffer | undefined> {
    return this.#read(() => this.#native.get(key)).then(orUndefined);
  }

  peek(key: Buffer): Promise<Buffer | undefined> {
    return this.#read(() => this.#reader.get(key)).then(orUndefined);
  }

  /**
   * In the mode EXACT a read returns as many rows as its limit says, and only that mode has no limit of bytes
   * (`fdb_transaction_get_range`, API documentation of C): a page of large values is one request here.
   */
  range({ begin, end, limit, reverse = false }: RangeRequest): Promise<KeyValue[]> {
    const options = { limit, reverse, streamingMode: this.#parts.exactMode };
    return this.#read(() => this.#reader.getRangeAll(begin, end, options)).then((rows) =>
      rows.map(([key, value]) => ({ key, value })),
    );
  }

  set(key: Buffer, value: Buffer): void {
    this.#hasWrites = true;
    this.#call(() => this.#native.set(key, value));
  }

  clear(key: Buffer): void {
    this.#hasWrites = true;
    this.#call(() => this.#native.clear(key));
  }

  clearRange(begin: Buffer, end: Buffer): void {
    this.#hasWrites = true;
    this.#call(() => this.#native.clearRange(begin, end));
  }

  addReadConflict(key: Buffer): void {
    this.#call(() => this.#native.addReadConflictKey(key));
  }

  useReadVersion(version: Buffer): void {
    this.#call(() => this.#native.setReadVersion(version));
  }

  /** A transaction that wrote nothing has nothing to say to the cluster. */
  commit(): Promise<void> {
    if (this.#hasWrites)
      return this.#run(() => this.#native.rawCommit(), this.#parts.metrics?.commitSeconds).then(nothing);
    return this.#cancelled ? Promise.reject(cancelled()) : Promise.resolve();
  }

  committedVersion(): Buffer {
    return this.#call(() => this.#native.getCommittedVersion());
  }

  cancel(): void {
    if (this.#cancelled) return;
    this.#cancelled = true;
    this.#native.rawCancel();
    const error = cancelled();
    for (const reject of this.#pending) reject(error);
  }

  /** The same transaction without conflicts: `snapshot reads` of the developer guide. */
  get #reader(): BindingTransaction {
    return (this.#snapshot ??= this.#native.snapshot());
  }

  #read<Value>(start: () => Promise<Value>): Promise<Value> {
    return this.#run(start, this.#parts.metrics?.readSeconds);
  }

  #run<Value>(start: () => Promise<Value>, seconds: Histogram | undefined): Promise<Value> {
    if (this.#cancelled) return Promise.reject(cancelled());
    const { clock, metrics, busy } = this.#parts;
    const startedMs = clock.monotonicTimeMs();
    return new Promise((resolve, reject) => {
      const end = (): void => {
        this.#pending.delete(reject);
        if (this.#pending.size === 0) busy.delete(this);
        seconds?.observe((clock.monotonicTimeMs() - startedMs) / 1000);
      };
      this.#pending.add(reject);
      busy.add(this);
      // What the package throws at once is told like what it rejects with.
      new Promise<Value>((begin) => begin(start())).then(
        (value) => {
          end();
          resolve(value);
        },
        (error: unknown) => {
          end();
          const told = toDatabaseError(error);
          if (told instanceof DatabaseError) metrics?.errors.add(String(told.code));
          reject(told);
        },
      );
    });
  }

  #call<Value>(call: () => Value): Value {
    try {
      return call();
    } catch (error) {
      throw toDatabaseError(error);
    }
  }
}

/** Errors of FoundationDB have a number as their code; everything else is left as it is. */
function toDatabaseError(error: unknown): unknown {
  const code = codeOf(error);
  if (typeof code !== 'number') return error;
  return new DatabaseError(
    code === OPERATION_CANCELLED ? DATABASE_ERRORS.transactionCancelled : code,
    messageOf(error),
  );
}

/** What the futures of a cancelled transaction end with when the library was quicker to drop them. */
const OPERATION_CANCELLED = 1101;

function cancelled(why = 'the transaction was cancelled'): DatabaseError {
  return new DatabaseError(DATABASE_ERRORS.transactionCancelled, why);
}

function orUndefined(value: Buffer | null | undefined): Buffer | undefined {
  return value ?? undefined;
}

function nothing(): void {}
