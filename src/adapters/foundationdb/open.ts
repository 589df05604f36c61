/** Connects to a FoundationDB cluster: says early, and in one line, why that is not possible. */
import fs from 'node:fs/promises';
import path from 'node:path';
import { HeadraceError } from '../../core/errors.js';
import { DatabaseError } from '../../core/key-value-database.js';
import type { DatabaseMetrics } from '../../core/metrics.js';
import type { Clock } from '../../core/ports.js';
import { formatDuration } from '../../core/quantities.js';
import { isSystemError } from '../system-call.js';
import { loadBinding, messageOf, type ImportModule } from './binding.js';
import { FoundationDatabase } from './database.js';

export interface FoundationConnection {
  readonly clusterFile: string;
  /** How long the cluster may take for its first answer. */
  readonly connectTimeoutMs: number;
  readonly clock: Clock;
  readonly metrics?: DatabaseMetrics | undefined;
  /** Instead of `import`. */
  readonly importModule?: ImportModule;
}

/** `description:id@address:port,…`: the administration guide, "Cluster file format". */
const CLUSTER_FILE_PATTERN = /^[A-Za-z0-9_]+:[A-Za-z0-9]+@(\S+)$/;
/** The package cuts longer paths without a word (`createDatabase` in its `module.cpp`). */
const CLUSTER_FILE_PATH_BYTES_MAX = 1023;
/** Longest cluster file that is looked at. */
const CLUSTER_FILE_BYTES_MAX = 64 * 1024;
const RETRY_MS = 100;

/**
 * On return the cluster has answered a read. `INVALID_SETTING` for a cluster file that is none, and for a package or a client
 * library that is not there; `IO_FAILED` when the cluster does not answer in time.
 */
export async function openFoundationDatabase(connection: FoundationConnection): Promise<FoundationDatabase> {
  const { clock, metrics } = connection;
  const clusterFile = path.resolve(connection.clusterFile);
  if (Buffer.byteLength(clusterFile) > CLUSTER_FILE_PATH_BYTES_MAX)
    throw new HeadraceError(
      'INVALID_SETTING',
      `foundationdb.cluster.file.path has ${Buffer.byteLength(clusterFile)} bytes: at most ${CLUSTER_FILE_PATH_BYTES_MAX} are allowed`,
    );
  const coordinators = await readCoordinators(clusterFile);
  const binding = await loadBinding(connection.importModule);
  let database: FoundationDatabase;
  try {
    database = new FoundationDatabase({ binding, clusterFile, clock, metrics });
  } catch (error) {
    throw new HeadraceError(
      'INVALID_SETTING',
      `FoundationDB cannot be opened with the cluster file ${clusterFile}: ${messageOf(error)}`,
      { cause: error },
    );
  }
  try {
    await awaitAnswer(database, { ...connection, clusterFile }, coordinators);
  } catch (error) {
    database.close();
    throw error;
  }
  return database;
}

/** Where the file says that the coordinators are. */
async function readCoordinators(clusterFile: string): Promise<string> {
  let text: string;
  try {
    const { size } = await fs.stat(clusterFile);
    text = size > CLUSTER_FILE_BYTES_MAX ? '' : await fs.readFile(clusterFile, 'utf8');
  } catch (error) {
    const reason = isSystemError(error, 'ENOENT') ? 'there is no such file' : messageOf(error);
    throw new HeadraceError(
      'INVALID_SETTING',
      `foundationdb.cluster.file.path is "${clusterFile}", and ${reason}: name the cluster file that FoundationDB's servers use, ` +
        'usually /etc/foundationdb/fdb.cluster',
      { cause: error },
    );
  }
  const line = text.split('\n').find((candidate) => candidate.trim() !== '' && !candidate.startsWith('#'));
  const coordinators = CLUSTER_FILE_PATTERN.exec(line?.trim() ?? '')?.[1];
  if (coordinators !== undefined) return coordinators;
  throw new HeadraceError(
    'INVALID_SETTING',
    `foundationdb.cluster.file.path is "${clusterFile}", which is no cluster file: expected one line like ` +
      'description:id@10.0.0.1:4500,10.0.0.2:4500',
  );
}

async function awaitAnswer(
  database: FoundationDatabase,
  { clusterFile, connectTimeoutMs, clock }: FoundationConnection,
  coordinators: string,
): Promise<void> {
  const deadline = new AbortController();
  const cancel = clock.schedule(connectTimeoutMs, () => deadline.abort());
  let failure: unknown;
  try {
    while (!deadline.signal.aborted) {
      const transaction = database.begin();
      const stop = (): void => transaction.cancel();
      deadline.signal.addEventListener('abort', stop, { once: true });
      try {
        await transaction.peek(Buffer.from('headrace'));
        return;
      } catch (error) {
        if (!(error instanceof DatabaseError)) throw error;
        if (!deadline.signal.aborted) failure = error;
        if (!error.isRetryable) break;
        await clock.sleep(RETRY_MS, deadline.signal).catch(() => undefined);
      } finally {
        deadline.signal.removeEventListener('abort', stop);
      }
    }
  } finally {
    cancel();
  }
  const last = failure === undefined ? '' : `; its last error was: ${messageOf(failure)}`;
  throw new HeadraceError(
    'IO_FAILED',
    `FoundationDB (${coordinators}, from ${clusterFile}) did not answer within ${formatDuration(connectTimeoutMs)}: ` +
      `check that it is up and has a database (fdbcli -C ${clusterFile} --exec status; a new cluster has none before "configure new ` +
      `single ssd"), that this machine reaches it, and that the client library has its version${last}`,
    failure === undefined ? {} : { cause: failure },
  );
}
