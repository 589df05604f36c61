/**
 * The npm package `foundationdb` as the adapter sees it, on a simulated cluster: null where there is no value, errors that have
 * a code and are no `DatabaseError`, limits that are found when a transaction commits.
 */
import type { SimDatabase } from '../../../simulations/sim-database.js';
import type { SimTransaction } from '../../../simulations/sim-transaction.js';
import type {
  Binding,
  BindingDatabase,
  BindingRangeOptions,
  BindingTransaction,
} from '../../../src/adapters/foundationdb/binding.js';
import { DatabaseError } from '../../../src/core/key-value-database.js';
import type { Clock } from '../../../src/core/ports.js';

const EXACT = 0;

export class FakeFdbError extends Error {
  readonly code: number;

  constructor(message: string, code: number) {
    super(message);
    this.code = code;
  }
}

export interface FakeBindingOptions {
  /** Of the client library. */
  readonly libraryVersion?: number;
  /** Cancellations have no effect, as with a library that never reached the cluster. */
  readonly ignoresCancel?: boolean;
  /**
   * How long a database takes to find out what its cluster speaks. Until then its transactions drop what they are told, end with
   * `cluster_version_changed` when it has, and ignore cancellations (`MultiVersionTransaction`).
   */
  readonly connectMs?: number;
  readonly clock?: Clock;
}

export class FakeBinding implements Binding {
  readonly StreamingMode = { Exact: EXACT };
  /** What was selected, with the headers that were told. */
  selected: string[] = [];
  opened: string[] = [];
  /** When the last one was, by the clock of the options. */
  openedMs = 0;
  closed = 0;
  readonly #database: SimDatabase;
  readonly #options: FakeBindingOptions;

  constructor(database: SimDatabase, options: FakeBindingOptions = {}) {
    this.#database = database;
    this.#options = options;
  }

  setAPIVersion(version: number, headerVersion = 720): void {
    if (headerVersion > (this.#options.libraryVersion ?? 730))
      throw new FakeFdbError('API version not supported', 2203);
    this.selected.push(`${version}/${headerVersion}`);
  }

  open(clusterFile: string): BindingDatabase {
    this.opened.push(clusterFile);
    this.openedMs = this.#options.clock?.monotonicTimeMs() ?? 0;
    const client = this.#database.connect();
    const { clock, connectMs = 0 } = this.#options;
    let isConnected = connectMs === 0;
    const connected = isConnected ? Promise.resolve() : clock?.sleep(connectMs);
    void connected?.then(() => (isConnected = true));
    return {
      rawCreateTransaction: () =>
        isConnected
          ? fakeTransaction(client.begin(), false, this.#options)
          : lostTransaction(connected ?? Promise.resolve()),
      close: () => {
        this.closed++;
        client.close();
      },
    };
  }
}

/** One that was begun before the connection. */
function lostTransaction(connected: Promise<void>): BindingTransaction {
  const ended = async (): Promise<never> => {
    await connected;
    throw new FakeFdbError('The protocol version of the cluster has changed', 1039);
  };
  const dropped = (): void => undefined;
  const transaction: BindingTransaction = {
    get: ended,
    getRangeAll: ended,
    rawCommit: ended,
    set: dropped,
    clear: dropped,
    clearRange: dropped,
    addReadConflictKey: dropped,
    setReadVersion: dropped,
    rawCancel: dropped,
    getCommittedVersion: () => Buffer.alloc(8, 0xff),
    snapshot: () => transaction,
  };
  return transaction;
}

function fakeTransaction(
  transaction: SimTransaction,
  isSnapshot: boolean,
  options: FakeBindingOptions,
  deferred: { error?: unknown } = {},
): BindingTransaction {
  const later = (call: () => void): void => {
    try {
      call();
    } catch (error) {
      deferred.error ??= error;
    }
  };
  const settle = <Value>(start: () => Promise<Value>): Promise<Value> => {
    if (deferred.error !== undefined) return Promise.reject(toFake(deferred.error));
    return start().catch((error: unknown) => {
      throw toFake(error);
    });
  };
  return {
    get: (key) =>
      settle(async () => (await (isSnapshot ? transaction.peek(key) : transaction.get(key))) ?? null),
    getRangeAll: (begin, end, range) => settle(() => allRows(transaction, begin, end, range)),
    set: (key, value) => later(() => transaction.set(key, value)),
    clear: (key) => later(() => transaction.clear(key)),
    clearRange: (begin, end) => later(() => transaction.clearRange(begin, end)),
    addReadConflictKey: (key) => transaction.addReadConflict(key),
    setReadVersion: (version) => transaction.useReadVersion(version),
    getCommittedVersion: () => transaction.committedVersion(),
    snapshot: () => fakeTransaction(transaction, true, options, deferred),
    rawCommit: () => settle(() => transaction.commit()),
    rawCancel: () => {
      if (options.ignoresCancel !== true) transaction.cancel();
    },
  };
}

/** As many as the limit says: pages are the package's business. */
async function allRows(
  transaction: SimTransaction,
  begin: Buffer,
  end: Buffer,
  { limit, reverse, streamingMode }: BindingRangeOptions,
): Promise<[Buffer, Buffer][]> {
  if (streamingMode !== EXACT) throw new FakeFdbError('another mode than was expected', 2000);
  const rows: [Buffer, Buffer][] = [];
  let [from, to] = [begin, end];
  while (rows.length < limit) {
    const page = await transaction.range({ begin: from, end: to, limit: limit - rows.length, reverse });
    const last = page.at(-1);
    if (last === undefined) break;
    for (const { key, value } of page) rows.push([key, value]);
    if (reverse) to = last.key;
    else from = Buffer.concat([last.key, Buffer.alloc(1)]);
  }
  return rows;
}

function toFake(error: unknown): unknown {
  return error instanceof DatabaseError ? new FakeFdbError(error.message, error.code) : error;
}
