/**
 * A FoundationDB cluster in virtual time, as the port `KeyValueDatabase` sees one.
 *
 * Versions rise by a million a second, and jump after a stall. Reads see the database at their version; a commit fails when a
 * key that it read, or named as a conflict, was written since; reads and commits of versions that are five seconds old fail with
 * 1007. Limits are those of a real cluster. What survives a crash of a client is here; a client that was killed never hears of
 * anything again, and what it was committing may still take effect.
 *
 * | fault           | effect                       | what the caller hears                       |
 * |-----------------|------------------------------|---------------------------------------------|
 * | conflict        | none                         | 1020                                        |
 * | tooOld          | none                         | 1007                                        |
 * | futureVersion   | none                         | 1009                                        |
 * | processBehind   | none                         | 1037                                        |
 * | throttled       | none                         | 1213                                        |
 * | unknownDone     | at once                      | 1021                                        |
 * | unknownLost     | none                         | 1021                                        |
 * | timedOutLate    | after the caller has heard   | 1031                                        |
 * | timedOutLost    | none                         | 1031                                        |
 * | hang            | none                         | nothing, until it is cancelled              |
 */
import sortedBtree from 'sorted-btree';
import {
  DatabaseError,
  DATABASE_ERRORS,
  type DatabaseTransaction,
  type KeyValue,
  type KeyValueDatabase,
  type RangeRequest,
} from '../src/core/key-value-database.js';
import type { Scheduler } from './scheduler.js';
import type { SimRandom } from './sim-random.js';

export const DATABASE_FAULTS = [
  'conflict',
  'tooOld',
  'futureVersion',
  'processBehind',
  'throttled',
  'unknownDone',
  'unknownLost',
  'timedOutLate',
  'timedOutLost',
  'hang',
] as const;
export type DatabaseFault = (typeof DATABASE_FAULTS)[number];

/** The share of commits, or of reads for those that reads meet, that each fault strikes: 0 to 1. */
export type DatabaseFaults = Readonly<Partial<Record<DatabaseFault, number>>>;

const READ_FAULTS: readonly DatabaseFault[] = [
  'tooOld',
  'futureVersion',
  'processBehind',
  'throttled',
  'hang',
];
const CODES: Readonly<Record<Exclude<DatabaseFault, 'hang'>, number>> = {
  conflict: DATABASE_ERRORS.notCommitted,
  tooOld: DATABASE_ERRORS.transactionTooOld,
  futureVersion: DATABASE_ERRORS.futureVersion,
  processBehind: DATABASE_ERRORS.processBehind,
  throttled: DATABASE_ERRORS.tagThrottled,
  unknownDone: DATABASE_ERRORS.commitUnknownResult,
  unknownLost: DATABASE_ERRORS.commitUnknownResult,
  timedOutLate: DATABASE_ERRORS.transactionTimedOut,
  timedOutLost: DATABASE_ERRORS.transactionTimedOut,
};

const VERSIONS_PER_MS = 1000;
const WINDOW_VERSIONS = 5_000_000;
const KEY_BYTES_MAX = 10_000;
const VALUE_BYTES_MAX = 100_000;
const TRANSACTION_BYTES_MAX = 10_000_000;
/** A range read returns at most so much. */
const PAGE_BYTES_MAX = 1_000_000;
const LATENCY_MS = { min: 0.3, max: 2 };
const LATE_MS = { min: 1, max: 8000 };

interface Versioned {
  readonly version: number;
  readonly value: Buffer | undefined;
}

/** A key or range that was written. Keys are byte strings. */
interface Written {
  readonly version: number;
  readonly begin: string;
  readonly end: string;
}

type Mutation =
  | { readonly kind: 'set'; readonly key: string; readonly value: Buffer }
  | { readonly kind: 'clear'; readonly begin: string; readonly end: string };

interface Commit {
  readonly readVersion: number;
  readonly conflicts: readonly string[];
  readonly mutations: readonly Mutation[];
}

/** The cluster: what all its clients share. */
export class SimDatabase {
  readonly scheduler: Scheduler;
  readonly #random: SimRandom;
  readonly #keys = new sortedBtree.default<string, Versioned[]>();
  #written: Written[] = [];
  #faults: DatabaseFaults = {};
  #jumped = 0;
  #lastVersion = 0;
  #stalledUntilMs = 0;
  /** Commits that took effect. */
  commits = 0;

  constructor(scheduler: Scheduler, random: SimRandom) {
    this.scheduler = scheduler;
    this.#random = random;
  }

  connect(): SimDatabaseClient {
    return new SimDatabaseClient(this);
  }

  /** Replaces the shares of calls that fail; `{}` heals the cluster, except for calls that hang already. */
  setFaults(faults: DatabaseFaults): void {
    this.#faults = faults;
  }

  /** Nothing is answered for so long; then versions have jumped ahead, as after a recovery of the cluster. */
  stall(durationMs: number): void {
    this.#stalledUntilMs = Math.max(this.#stalledUntilMs, this.scheduler.nowMs + durationMs);
    this.#jumped += 100 * WINDOW_VERSIONS;
  }

  /** Every key there is now. */
  get keyCount(): number {
    let count = 0;
    this.#keys.forEachPair((_key, versions) => {
      if (versions.at(-1)?.value !== undefined) count++;
    });
    return count;
  }

  get version(): number {
    const now = Math.floor(this.scheduler.nowMs * VERSIONS_PER_MS) + this.#jumped + 1;
    return Math.max(now, this.#lastVersion);
  }

  /** How long the next answer takes. */
  latencyMs(): number {
    const waitMs = Math.max(0, this.#stalledUntilMs - this.scheduler.nowMs);
    return waitMs + this.#between(LATENCY_MS);
  }

  lateMs(): number {
    return this.#between(LATE_MS);
  }

  drawFault(of: readonly DatabaseFault[]): DatabaseFault | undefined {
    for (const fault of of) {
      const share = this.#faults[fault] ?? 0;
      if (share > 0 && this.#random.unit() < share) return fault;
    }
    return undefined;
  }

  isTooOld(version: number): boolean {
    return this.version - version > WINDOW_VERSIONS;
  }

  valueAt(key: string, version: number): Buffer | undefined {
    return this.#keys.get(key)?.findLast((entry) => entry.version <= version)?.value;
  }

  *rangeAt(begin: string, end: string, version: number): Generator<[string, Buffer]> {
    for (const [key, versions] of this.#keys.entries(begin)) {
      if (key >= end) return;
      const value = versions.findLast((entry) => entry.version <= version)?.value;
      if (value !== undefined) yield [key, value];
    }
  }

  /** The version it committed at. Throws 1020 and 1007. */
  commit({ readVersion, conflicts, mutations }: Commit): number {
    if (this.isTooOld(readVersion)) throw databaseError('tooOld');
    if (this.#wasWritten(conflicts, readVersion)) throw databaseError('conflict');
    const version = this.version + 1;
    this.#lastVersion = version;
    for (const mutation of mutations) this.#apply(mutation, version);
    this.#forgetWritten(version - WINDOW_VERSIONS);
    this.commits++;
    return version;
  }

  /** Whether one of `keys` was written after `version`. The newest writes stand last. */
  #wasWritten(keys: readonly string[], version: number): boolean {
    for (let at = this.#written.length - 1; at >= 0; at--) {
      const written = this.#written[at];
      if (written === undefined || written.version <= version) return false;
      if (keys.some((key) => key >= written.begin && key < written.end)) return true;
    }
    return false;
  }

  /** Nobody may commit with an older version any more. In large steps, because each one copies the rest. */
  #forgetWritten(version: number): void {
    const stale = this.#written.findIndex((written) => written.version > version);
    if (stale > 1000) this.#written = this.#written.slice(stale);
  }

  #apply(mutation: Mutation, version: number): void {
    if (mutation.kind === 'set') {
      this.#put(mutation.key, version, mutation.value);
      this.#written.push({ version, begin: mutation.key, end: `${mutation.key}\0` });
      return;
    }
    const { begin, end } = mutation;
    for (const [key] of [...this.rangeAt(begin, end, version)]) this.#put(key, version, undefined);
    this.#written.push({ version, begin, end });
  }

  /** Keeps as many versions of a key as a reader may still ask for. */
  #put(key: string, version: number, value: Buffer | undefined): void {
    const versions = this.#keys.get(key) ?? [];
    const floor = versions.findLastIndex((entry) => version - entry.version > WINDOW_VERSIONS);
    if (floor > 0) versions.splice(0, floor);
    versions.push({ version, value });
    this.#keys.set(key, versions);
  }

  #between({ min, max }: { readonly min: number; readonly max: number }): number {
    return min + this.#random.unit() * (max - min);
  }
}

/** The connection of one process. */
export class SimDatabaseClient implements KeyValueDatabase {
  readonly #database: SimDatabase;
  #killed = false;
  #closed = false;

  constructor(database: SimDatabase) {
    this.#database = database;
  }

  begin(): SimTransaction {
    if (this.#closed) throw new DatabaseError(DATABASE_ERRORS.transactionCancelled, 'the database is closed');
    return new SimTransaction(this.#database, () => this.#killed);
  }

  close(): void {
    this.#closed = true;
  }

  /** The process is gone: nothing of it settles any more. */
  kill(): void {
    this.#killed = true;
  }
}

export class SimTransaction implements DatabaseTransaction {
  readonly #database: SimDatabase;
  readonly #isKilled: () => boolean;
  #readVersion: Promise<number> | undefined;
  readonly #conflicts: string[] = [];
  readonly #mutations: Mutation[] = [];
  #bytes = 0;
  #committedVersion: number | undefined;
  #cancelled = false;
  #onCancel: ((error: DatabaseError) => void)[] = [];

  constructor(database: SimDatabase, isKilled: () => boolean) {
    this.#database = database;
    this.#isKilled = isKilled;
  }

  get(key: Buffer): Promise<Buffer | undefined> {
    this.addReadConflict(key);
    return this.peek(key);
  }

  async peek(key: Buffer): Promise<Buffer | undefined> {
    const name = key.toString('latin1');
    const version = await this.#version();
    return this.#answer(READ_FAULTS, () => {
      if (this.#database.isTooOld(version)) throw databaseError('tooOld');
      const value = this.#ownWrite(name) ?? { value: this.#database.valueAt(name, version) };
      return value.value === undefined ? undefined : Buffer.from(value.value);
    });
  }

  async range({ begin, end, limit, reverse = false }: RangeRequest): Promise<KeyValue[]> {
    const version = await this.#version();
    return this.#answer(READ_FAULTS, () => {
      if (this.#database.isTooOld(version)) throw databaseError('tooOld');
      const all = [...this.#database.rangeAt(begin.toString('latin1'), end.toString('latin1'), version)];
      if (reverse) all.reverse();
      const page: KeyValue[] = [];
      let bytes = 0;
      for (const [key, value] of all) {
        if (page.length === limit || (bytes > 0 && bytes + value.length > PAGE_BYTES_MAX)) break;
        bytes += value.length;
        page.push({ key: Buffer.from(key, 'latin1'), value: Buffer.from(value) });
      }
      return page;
    });
  }

  set(key: Buffer, value: Buffer): void {
    if (key.length > KEY_BYTES_MAX)
      throw new DatabaseError(DATABASE_ERRORS.keyTooLarge, 'the key is too large');
    if (value.length > VALUE_BYTES_MAX)
      throw new DatabaseError(DATABASE_ERRORS.valueTooLarge, 'the value is too large');
    this.#bytes += key.length + value.length;
    this.#mutations.push({ kind: 'set', key: key.toString('latin1'), value: Buffer.from(value) });
  }

  clear(key: Buffer): void {
    this.clearRange(key, Buffer.concat([key, Buffer.alloc(1)]));
  }

  clearRange(begin: Buffer, end: Buffer): void {
    this.#bytes += begin.length + end.length;
    this.#mutations.push({ kind: 'clear', begin: begin.toString('latin1'), end: end.toString('latin1') });
  }

  addReadConflict(key: Buffer): void {
    this.#conflicts.push(key.toString('latin1'));
  }

  useReadVersion(version: Buffer): void {
    this.#readVersion = Promise.resolve(Number(version.readBigUInt64BE()));
  }

  async commit(): Promise<void> {
    if (this.#mutations.length === 0) return;
    if (this.#bytes > TRANSACTION_BYTES_MAX)
      throw new DatabaseError(DATABASE_ERRORS.transactionTooLarge, 'the transaction is too large');
    const readVersion = await this.#version();
    const commit = { readVersion, conflicts: this.#conflicts, mutations: this.#mutations };
    const database = this.#database;
    this.#committedVersion = await this.#settle<number>((resolve, reject) => {
      const fault = database.drawFault([
        'conflict',
        'tooOld',
        'unknownDone',
        'unknownLost',
        'timedOutLate',
        'timedOutLost',
        'hang',
      ]);
      if (fault === 'hang') return;
      // The cluster may have applied it before the answer is on its way, or the client may be gone by then.
      database.scheduler.schedule(database.latencyMs(), () => {
        let version = 0;
        try {
          if (fault === undefined || fault === 'unknownDone') version = database.commit(commit);
          if (fault === 'timedOutLate') this.#commitLate(commit);
          if (fault !== undefined) throw databaseError(fault);
        } catch (error) {
          reject(error);
          return;
        }
        resolve(version);
      });
    });
  }

  committedVersion(): Buffer {
    const bytes = Buffer.alloc(8);
    bytes.writeBigUInt64BE(BigInt(this.#committedVersion ?? 0));
    return bytes;
  }

  cancel(): void {
    if (this.#cancelled) return;
    this.#cancelled = true;
    const error = new DatabaseError(DATABASE_ERRORS.transactionCancelled, 'the transaction was cancelled');
    for (const reject of this.#onCancel) reject(error);
    this.#onCancel = [];
  }

  #commitLate(commit: Commit): void {
    const database = this.#database;
    database.scheduler.schedule(database.lateMs(), () => {
      try {
        database.commit(commit);
      } catch {
        // It came too late, or in the way of another: then it has no effect.
      }
    });
  }

  #version(): Promise<number> {
    this.#readVersion ??= this.#answer(READ_FAULTS, () => this.#database.version);
    return this.#readVersion;
  }

  #ownWrite(key: string): { readonly value: Buffer | undefined } | undefined {
    for (const mutation of this.#mutations.toReversed()) {
      if (mutation.kind === 'set' && mutation.key === key) return { value: mutation.value };
      if (mutation.kind === 'clear' && key >= mutation.begin && key < mutation.end)
        return { value: undefined };
    }
    return undefined;
  }

  #answer<Value>(faults: readonly DatabaseFault[], result: () => Value): Promise<Value> {
    const database = this.#database;
    return this.#settle((resolve, reject) => {
      const fault = database.drawFault(faults);
      if (fault === 'hang') return;
      database.scheduler.schedule(database.latencyMs(), () => {
        try {
          if (fault !== undefined) throw databaseError(fault);
          resolve(result());
        } catch (error) {
          reject(error);
        }
      });
    });
  }

  /** A promise that a kill leaves unsettled and a cancellation rejects. */
  #settle<Value>(
    start: (resolve: (value: Value) => void, reject: (error: unknown) => void) => void,
  ): Promise<Value> {
    return new Promise((resolve, reject) => {
      if (this.#cancelled) {
        reject(new DatabaseError(DATABASE_ERRORS.transactionCancelled, 'the transaction was cancelled'));
        return;
      }
      this.#onCancel.push((error) => {
        if (!this.#isKilled()) reject(error);
      });
      start(
        (value) => {
          if (!this.#isKilled()) resolve(value);
        },
        (error) => {
          if (!this.#isKilled()) reject(error);
        },
      );
    });
  }
}

function databaseError(fault: Exclude<DatabaseFault, 'hang'>): DatabaseError {
  return new DatabaseError(CODES[fault], `simulated: ${fault}`);
}
