/**
 * One transaction of a simulated FoundationDB (`sim-database.ts`): reads at its version, its own writes first, and a commit whose
 * outcome the caller may not learn. After a kill of its client nothing of it settles.
 */
import {
  DatabaseError,
  DATABASE_ERRORS,
  type DatabaseTransaction,
  type KeyValue,
  type RangeRequest,
} from '../src/core/key-value-database.js';
import { databaseError, READ_FAULTS, type DatabaseFault } from './sim-database-faults.js';
import type { SimDatabase } from './sim-database.js';

const KEY_BYTES_MAX = 10_000;
const VALUE_BYTES_MAX = 100_000;
const TRANSACTION_BYTES_MAX = 10_000_000;
/** A range read returns at most so much. */
const PAGE_BYTES_MAX = 1_000_000;

export type Mutation =
  | { readonly kind: 'set'; readonly key: string; readonly value: Buffer }
  | { readonly kind: 'clear'; readonly begin: string; readonly end: string };

export interface Commit {
  readonly readVersion: number;
  readonly conflicts: readonly string[];
  readonly mutations: readonly Mutation[];
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
        'locked',
        'versionChanged',
        'versionChangedLate',
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
          if (fault === 'timedOutLate' || fault === 'versionChangedLate') this.#commitLate(commit);
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
