/**
 * A real FoundationDB for the suites in this folder: `HEADRACE_TEST_FDB_CLUSTER_FILE` names its cluster file. A fresh
 * single-node server is enough. Everything is kept below a random prefix, which is cleared at the end.
 *
 * | variable                          | meaning                                                                                |
 * |-----------------------------------|----------------------------------------------------------------------------------------|
 * | `HEADRACE_TEST_FDB_CLUSTER_FILE`  | cluster file; without it the suites are skipped                                        |
 * | `HEADRACE_TEST_FDB_RESTART_COMMAND` | shell command that restarts the server and returns; without it that one test is skipped |
 */
import { execFile } from 'node:child_process';
import { randomBytes } from 'node:crypto';
import path from 'node:path';
import { promisify } from 'node:util';
import t from 'tap';
import { FdbLogStore, type FdbLogOptions } from '../../log/fdb/log-store.js';
import { transact } from '../../log/fdb/transact.js';
import { loadBinding, type Binding } from '../../src/adapters/foundationdb/binding.js';
import { FoundationDatabase } from '../../src/adapters/foundationdb/database.js';
import { openFoundationDatabase } from '../../src/adapters/foundationdb/open.js';
import { SystemClock } from '../../src/adapters/system-clock.js';
import { SystemRandom } from '../../src/adapters/system-random.js';
import { MINUTE_MS, SECOND_MS } from '../../src/core/units.js';

const CLUSTER_FILE = process.env['HEADRACE_TEST_FDB_CLUSTER_FILE'];
const RESTART_COMMAND = process.env['HEADRACE_TEST_FDB_RESTART_COMMAND'];
const INSTALL =
  'set HEADRACE_TEST_FDB_CLUSTER_FILE to the cluster file of a FoundationDB server (packages foundationdb-clients and ' +
  'foundationdb-server, 7.1 or newer, from https://github.com/apple/foundationdb/releases; then npm install foundationdb@2.0.1)';
const CONNECT_TIMEOUT_MS = 30 * SECOND_MS;
const SUITE_TIMEOUT_MS = 15 * MINUTE_MS;

export class FdbServer {
  readonly clock = new SystemClock();
  readonly random = new SystemRandom();
  readonly database: FoundationDatabase;
  readonly binding: Binding;
  readonly #root = Buffer.from(`headrace-test/${randomBytes(8).toString('hex')}/`);
  readonly #connections: FoundationDatabase[] = [];
  #prefixes = 0;

  private constructor(database: FoundationDatabase, binding: Binding) {
    this.database = database;
    this.binding = binding;
  }

  static async open(): Promise<FdbServer> {
    const database = await openFoundationDatabase({
      clusterFile: CLUSTER_FILE ?? '',
      connectTimeoutMs: CONNECT_TIMEOUT_MS,
      clock: new SystemClock(),
    });
    return new FdbServer(database, await loadBinding());
  }

  get clusterFile(): string {
    return path.resolve(CLUSTER_FILE ?? '');
  }

  /** Below it nothing is stored yet. */
  prefix(): Buffer {
    return Buffer.concat([this.#root, Buffer.from(`${this.#prefixes++}/`)]);
  }

  /** A connection of its own, as another process has it. Whoever opens it closes it, or the end does. */
  connect(): FoundationDatabase {
    const { binding, clock } = this;
    const database = new FoundationDatabase({ binding, clusterFile: CLUSTER_FILE ?? '', clock });
    this.#connections.push(database);
    return database;
  }

  /** A log store as a process of its own would have it. */
  logStore(prefix: Buffer, options: Partial<FdbLogOptions> = {}, database = this.database): FdbLogStore {
    const { clock, random } = this;
    return new FdbLogStore({ database, clock, random, options: { prefix, ...options } });
  }

  /** False without a command for it. */
  get canRestart(): boolean {
    return RESTART_COMMAND !== undefined && RESTART_COMMAND !== '';
  }

  async restart(): Promise<void> {
    await promisify(execFile)('/bin/sh', ['-c', RESTART_COMMAND ?? 'false'], { timeout: MINUTE_MS });
  }

  async close(): Promise<void> {
    const { database, clock } = this;
    const end = Buffer.concat([this.#root, Buffer.of(0xff)]);
    await transact({ database, clock }, async (transaction) => transaction.clearRange(this.#root, end));
    for (const connection of [...this.#connections, database]) connection.close();
  }
}

/** Defines a suite on the server, or says why it is skipped. */
export async function fdbSuite(name: string, define: (server: FdbServer) => void): Promise<void> {
  if (CLUSTER_FILE === undefined || CLUSTER_FILE === '') {
    void t.test(name, { skip: INSTALL }, async () => undefined);
    return;
  }
  t.setTimeout(SUITE_TIMEOUT_MS);
  const server = await FdbServer.open();
  t.teardown(() => server.close());
  define(server);
}
