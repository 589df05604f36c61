/** What the claims about a `KeyValueDatabase` are made on, and how they look at it. */
import type { Test } from 'tap';
import { transact } from '../../log/fdb/transact.js';
import {
  DatabaseError,
  type DatabaseTransaction,
  type KeyValueDatabase,
} from '../../src/core/key-value-database.js';
import type { Clock } from '../../src/core/ports.js';

export interface DatabaseSubject {
  /**
   * Another connection to the same database, which has answered: what a transaction of FoundationDB's client was told before that
   * is dropped, and it ends with `cluster_version_changed` (1039).
   */
  readonly connect: () => Promise<KeyValueDatabase>;
  /** Below it nothing is stored at first, and nobody else stores anything. */
  readonly prefix: Buffer;
  readonly clock: Clock;
  /** Lets `work` come to its end: in virtual time where the database lives in it. */
  readonly run: <Value>(work: () => Promise<Value>) => Promise<Value>;
}

export interface Store {
  readonly database: KeyValueDatabase;
  readonly clock: Clock;
  key(name: string | number): Buffer;
  put(entries: Readonly<Record<string, string>>): Promise<void>;
  read(name: string): Promise<string | undefined>;
}

export type Claim = (
  what: string,
  work: (t: Test, store: Store, subject: DatabaseSubject) => Promise<void>,
) => void;

export async function storeOf({ connect, prefix, clock }: DatabaseSubject): Promise<Store> {
  const database = await connect();
  const key = (of: string | number): Buffer => {
    if (typeof of === 'string') return Buffer.concat([prefix, Buffer.from(of, 'latin1')]);
    const number = Buffer.alloc(4);
    number.writeUInt32BE(of);
    return Buffer.concat([prefix, number]);
  };
  return {
    database,
    clock,
    key,
    put: (entries) =>
      transact({ database, clock }, async (transaction) => {
        for (const [name, value] of Object.entries(entries)) transaction.set(key(name), Buffer.from(value));
      }),
    read: (name) =>
      transact({ database, clock }, async (transaction) =>
        (await transaction.get(key(name)))?.toString('latin1'),
      ),
  };
}

/** The code that it failed with; undefined when it did not. */
export async function codeOf(work: Promise<unknown>): Promise<number | undefined> {
  try {
    await work;
    return undefined;
  } catch (error) {
    if (error instanceof DatabaseError) return error.code;
    throw error;
  }
}

export async function valuesOf(transaction: DatabaseTransaction, store: Store): Promise<string[]> {
  const rows = await transaction.range({ begin: store.key(''), end: store.key('\xff\xff\xff'), limit: 100 });
  return rows.map(({ value }) => value.toString());
}
