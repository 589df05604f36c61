/**
 * A real FoundationDB for the suites in this folder: `HEADRACE_TEST_FDB_CLUSTER_FILE` names its cluster file. A fresh
 * single-node server is enough. Everything is kept below a random prefix, which is cleared at the end.
 *
 * | variable                            | meaning                                                                                   |
 * |-------------------------------------|-------------------------------------------------------------------------------------------|
 * | `HEADRACE_TEST_FDB_CLUSTER_FILE`    | cluster file; without it the suites are skipped                                           |
 * | `HEADRACE_TEST_FDB_RESTART_COMMAND` | shell command that restarts the server and returns; without it `own-server.ts` is killed  |
 */
import { execFile } from 'node:child_process';
import { randomBytes } from 'node:crypto';
import path from 'node:path';
import { promisify } from 'node:util';
import t from 'tap';
import { FdbLogStore, type FdbLogOptions } from '../../log/fdb/log-store.js';
import { transact } from '../../log/fdb/transact.js';
import type { FoundationDatabase } from '../../src/adapters/foundationdb/database.js';
import { openFoundationDatabase } from '../../src/adapters/foundationdb/open.js';
import { SystemClock } from '../../src/adapters/system-clock.js';
import { SystemRandom } from '../../src/adapters/system-random.js';
import { MINUTE_MS, SECOND_MS } from '../../src/core/units.js';
import { OwnServer } from './own-server.js';

const CLUSTER_FILE = process.env['HEADRACE_TEST_FDB_CLUSTER_FILE'];
const RESTART_COMMAND = process.env['HEADRACE_TEST_FDB_RESTART_COMMAND'];
const INSTALL =
  'set HEADRACE_TEST_FDB_CLUSTER_FILE to the cluster file of a FoundationDB server (packages foundationdb-clients and ' +
  'foundationdb-server, 7.1 or newer, from https://github.com/apple/foundationdb/releases; then npm install foundationdb@2.0.1)';
const CONNECT_TIMEOUT_MS = 30 * SECOND_MS;
/** Before the 15 minutes that `npm run test:fdb` gives each file, so that its keys are cleared in any case. */
const SUITE_TIMEOUT_MS = 13 * MINUTE_MS;
const CLEAR_TIMEOUT_MS = 30 * SECOND_MS;
const EXIT_GRACE_MS = 5 * SECOND_MS;

export interface RestartableServer {
  /** Below it nothing is stored yet. */
  readonly prefix: Buffer;
  readonly connect: () => Promise<FoundationDatabase>;
  /** It may take its time until it answers again. */
  readonly restart: () => Promise<void>;
  readonly stop: () => Promise<void>;
}

export class FdbServer {
  readonly clock = new SystemClock();
  readonly random = new SystemRandom();
  readonly database: FoundationDatabase;
  readonly #root = Buffer.from(`headrace-test/${randomBytes(8).toString('hex')}/`);
  readonly #connections: FoundationDatabase[] = [];
  #prefixes = 0;

  #closed: Promise<void> | undefined;

  private constructor(database: FoundationDatabase) {
    this.database = database;
  }

  static async open(): Promise<FdbServer> {
    return new FdbServer(await connect());
  }

  get clusterFile(): string {
    return path.resolve(CLUSTER_FILE ?? '');
  }

  /** Below it nothing is stored yet. */
  prefix(): Buffer {
    return Buffer.concat([this.#root, Buffer.from(`${this.#prefixes++}/`)]);
  }

  /** A connection of its own, as another process has it. Whoever opens it closes it, or the end does. */
  async connect(): Promise<FoundationDatabase> {
    const database = await connect();
    this.#connections.push(database);
    return database;
  }

  /** A log store as a process of its own would have it. */
  logStore(prefix: Buffer, options: Partial<FdbLogOptions> = {}, database = this.database): FdbLogStore {
    const { clock, random } = this;
    return new FdbLogStore({ database, clock, random, options: { prefix, ...options } });
  }

  /** A server that may be restarted: the tested one where there is a command for it, or else one of the suite's own; or why there is none. */
  async restartable(): Promise<RestartableServer | string> {
    if (RESTART_COMMAND !== undefined && RESTART_COMMAND !== '')
      return {
        prefix: this.prefix(),
        connect: () => this.connect(),
        restart: async () => {
          await promisify(execFile)('/bin/sh', ['-c', RESTART_COMMAND], { timeout: 2 * MINUTE_MS });
        },
        stop: () => Promise.resolve(),
      };
    const own = await OwnServer.start();
    if (typeof own === 'string') return `${own}; or set HEADRACE_TEST_FDB_RESTART_COMMAND`;
    const connectToOwn = async (): Promise<FoundationDatabase> => {
      const database = await connect(own.clusterFile);
      this.#connections.push(database);
      return database;
    };
    try {
      await connectToOwn();
    } catch (error) {
      await own.stop();
      return `a server of the suite's own cannot be used: ${String(error)}`;
    }
    return {
      prefix: this.prefix(),
      connect: connectToOwn,
      restart: () => own.restart(),
      stop: () => own.stop(),
    };
  }

  /** Clears what the suite has stored. A server that has gone keeps it, and holds nobody up. */
  close(): Promise<void> {
    this.#closed ??= this.#close();
    return this.#closed;
  }

  async #close(): Promise<void> {
    const { database, clock } = this;
    const end = Buffer.concat([this.#root, Buffer.of(0xff)]);
    const signal = AbortSignal.timeout(CLEAR_TIMEOUT_MS);
    try {
      await transact({ database, clock, signal }, async (transaction) =>
        transaction.clearRange(this.#root, end),
      );
    } catch (error) {
      t.fail(`what is below ${this.#root.toString()} was not cleared: ${String(error)}`);
    } finally {
      for (const connection of [...this.#connections, database]) connection.close();
      exitSoon();
    }
  }
}

function connect(clusterFile = CLUSTER_FILE ?? ''): Promise<FoundationDatabase> {
  const clock = new SystemClock();
  return openFoundationDatabase({ clusterFile, connectTimeoutMs: CONNECT_TIMEOUT_MS, clock });
}

/** A call that the client library never ends would keep the process. */
function exitSoon(): void {
  setTimeout(() => process.exit(), EXIT_GRACE_MS).unref();
}

/** Defines a suite on the server, or says why it is skipped. */
export async function fdbSuite(name: string, define: (server: FdbServer) => void): Promise<void> {
  if (CLUSTER_FILE === undefined || CLUSTER_FILE === '') {
    void t.test(name, { skip: INSTALL }, async () => undefined);
    return;
  }
  t.setTimeout(SUITE_TIMEOUT_MS);
  const server = await FdbServer.open().catch((error: unknown) => {
    t.fail(`${name}: there is no server to test`, { error: String(error) });
    exitSoon();
    return undefined;
  });
  if (server === undefined) return;
  t.teardown(() => server.close());
  process.once('SIGTERM', () => void server.close().finally(() => process.exit(1)));
  define(server);
}
