/**
 * A FoundationDB cluster in virtual time, as the port `KeyValueDatabase` sees one.
 *
 * Versions rise by a million a second, and jump after a stall. Reads see the database at their version; a commit fails when a
 * key that it read, or named as a conflict, was written since; reads and commits of versions that are five seconds old fail with
 * 1007. Limits are those of a real cluster. What survives a crash of a client is here; a client that was killed never hears of
 * anything again, and what it was committing may still take effect.
 */
import sortedBtree from 'sorted-btree';
import { DatabaseError, DATABASE_ERRORS, type KeyValueDatabase } from '../src/core/key-value-database.js';
import type { Scheduler } from './scheduler.js';
import { databaseError, type DatabaseFault, type DatabaseFaults } from './sim-database-faults.js';
import type { SimRandom } from './sim-random.js';
import { SimTransaction, type Commit, type Mutation } from './sim-transaction.js';

const VERSIONS_PER_MS = 1000;
const WINDOW_VERSIONS = 5_000_000;
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
