/**
 * Opens the log where the settings say that it is: in files of the data directory, or in FoundationDB.
 *
 * The two cannot be exchanged for each other: the index of a data directory belongs to the one log that it was folded from. So a
 * data directory whose log is in FoundationDB says so, and is refused without it, as one with an embedded log is refused with it.
 */
import { createHash } from 'node:crypto';
import path from 'node:path';
import type { ImportModule } from '../adapters/foundationdb/binding.js';
import { openFoundationDatabase } from '../adapters/foundationdb/open.js';
import { HeadraceError } from '../core/errors.js';
import type { KeyValueDatabase } from '../core/key-value-database.js';
import type { Logger } from '../core/logger.js';
import type { DatabaseMetrics, Histogram } from '../core/metrics.js';
import type { Clock, Disk, Random } from '../core/ports.js';
import type { LatencySummary, LogBackendStatus } from '../engine/admin-service.js';
import { Ownership } from '../engine/ownership.js';
import type { ReadLease } from '../engine/read-lease.js';
import { EmbeddedLogStore } from '../../log/embedded/log-store.js';
import { CoordinatorKeys } from '../../log/fdb/coordinator-schema.js';
import { FdbCoordinator } from '../../log/fdb/coordinator.js';
import { FdbLogStore } from '../../log/fdb/log-store.js';
import { CONTROL_PARTITION, type LogStore } from '../../log/log-store.js';
import type { Settings } from '../settings/settings.js';
import { incarnationName, PLACE_FILE, readPlace, writePlace, type LogPlace } from './log-place.js';
import type { Measurements } from './measurements.js';

export interface LogStoreParts {
  readonly disk: Disk;
  readonly clock: Clock;
  readonly random: Random;
  readonly logger: Logger;
  readonly measurements: Measurements;
  /** Of the data directory. */
  readonly storeId: Uint8Array;
  readonly place: WorkerPlace;
  /** Another process has taken over what this one was the owner of. Called at most once. */
  readonly onFenced: (error: HeadraceError) => void;
  /** Instead of `import`. */
  readonly importModule?: ImportModule | undefined;
}

export interface OpenedLogStore {
  readonly logStore: LogStore;
  readonly logBackend?: () => LogBackendStatus;
  /** Where another process may take the log over. */
  readonly lease?: ReadLease;
  /** After the store was closed. Never rejects. */
  readonly close: () => Promise<void>;
}

/** Where this process runs. The data directory's lock allows one process of it at a time. */
export interface WorkerPlace {
  readonly hostName: string;
  /** Of the machine: a pod that is started elsewhere under the name of one that may be alive is another worker. */
  readonly bootId?: string;
  /** Absolute. */
  readonly dataDirectory: string;
}

const DIRECTORY = 'log';
const WORKER_HOST_LENGTH_MAX = 64;
const WORKER_PLACE_LENGTH = 16;

type LogSettings = Pick<
  Settings,
  | 'logSegmentBytes'
  | 'logRetentionBytes'
  | 'logRetentionMs'
  | 'foundationdbClusterFile'
  | 'foundationdbKeyPrefix'
  | 'foundationdbConnectTimeoutMs'
  | 'foundationdbRetentionMs'
  | 'foundationdbLeaseMs'
>;

/**
 * `INVALID_SETTING`, `DATA_DIRECTORY_UNUSABLE`, `IO_FAILED` when FoundationDB does not answer in time, `LOG_FENCED` when another
 * process owns the log and is alive.
 */
export async function openLogStore(settings: LogSettings, parts: LogStoreParts): Promise<OpenedLogStore> {
  const place = await readPlace(parts.disk);
  const { foundationdbClusterFile: clusterFile } = settings;
  if (clusterFile !== undefined) return openInFoundationDb(settings, clusterFile, place, parts);
  if (place !== undefined)
    throw new HeadraceError(
      'INVALID_SETTING',
      `the log of this data directory is in FoundationDB (${PLACE_FILE}): set foundationdb.cluster.file.path, which was ` +
        `"${place.clusterFile}", and foundationdb.key.prefix, which was "${place.keyPrefix}"`,
    );
  const { disk, clock, random, logger, measurements } = parts;
  const logStore = new EmbeddedLogStore({
    disk,
    clock,
    random,
    logger,
    metrics: measurements.log,
    options: {
      segmentBytes: settings.logSegmentBytes,
      retention: { bytes: settings.logRetentionBytes, timeMs: settings.logRetentionMs },
    },
  });
  return { logStore, close: () => Promise.resolve() };
}

async function openInFoundationDb(
  settings: LogSettings,
  clusterFile: string,
  place: LogPlace | undefined,
  parts: LogStoreParts,
): Promise<OpenedLogStore> {
  const { disk, clock, random, measurements, storeId, importModule } = parts;
  const { foundationdbKeyPrefix: keyPrefix, foundationdbConnectTimeoutMs: connectTimeoutMs } = settings;
  if (place === undefined) await refuseEmbeddedLog(disk);
  else if (place.keyPrefix !== keyPrefix)
    throw new HeadraceError(
      'INVALID_SETTING',
      `foundationdb.key.prefix is "${keyPrefix}", and the log of this data directory is below "${place.keyPrefix}": set it to that`,
    );
  const metrics = measurements.database;
  const database = await openFoundationDatabase({
    clusterFile,
    connectTimeoutMs,
    clock,
    metrics,
    ...(importModule === undefined ? {} : { importModule }),
  });
  const prefix = Buffer.from(keyPrefix);
  const logStore = new FdbLogStore({
    database,
    clock,
    random,
    storeId: Buffer.from(storeId).readBigUInt64LE(),
    metrics: measurements.log,
    options: { prefix, retentionMs: settings.foundationdbRetentionMs },
  });
  try {
    // The store below the prefix is this one's, or was made so, before the data directory says that its log is there.
    const identity = logStore.identity();
    await withDeadline(clock, connectTimeoutMs, identity, logStore, database);
    const { incarnation } = await identity;
    refuseOtherIncarnation(place, incarnation);
    if (place?.incarnation === undefined)
      await writePlace(disk, {
        clusterFile: path.resolve(clusterFile),
        keyPrefix,
        incarnation: incarnationName(incarnation),
      });
    const ownership = await ownLog(settings, parts, database, new CoordinatorKeys(prefix, incarnation));
    const description = `FoundationDB, ${path.resolve(clusterFile)}, below ${keyPrefix}`;
    return {
      logStore,
      logBackend: () => describeBackend(description, metrics),
      lease: ownership.lease,
      close: async () => {
        await ownership.release();
        database.close();
      },
    };
  } catch (error) {
    await logStore.close();
    database.close();
    throw error;
  }
}

/** The index of this directory belongs to the history that it was folded from. */
function refuseOtherIncarnation(place: LogPlace | undefined, incarnation: bigint): void {
  const known = place?.incarnation;
  if (known === undefined || known === incarnationName(incarnation)) return;
  throw new HeadraceError(
    'DATA_DIRECTORY_UNUSABLE',
    `the log in FoundationDB is of incarnation ${incarnationName(incarnation)}, and this data directory belongs to incarnation ${known}: ` +
      'the log was made anew, or restored for another data directory. If it was restored for this one: headrace log incarnate',
  );
}

/** Before the log is opened, which fences whoever has it. */
export function ownLog(
  { foundationdbLeaseMs: ttlMs }: Pick<LogSettings, 'foundationdbLeaseMs'>,
  { clock, random, logger, storeId, place, onFenced }: Omit<LogStoreParts, 'disk' | 'measurements'>,
  database: KeyValueDatabase,
  keys: CoordinatorKeys,
): Promise<Ownership> {
  const workerId = workerIdOf(place, storeId);
  return Ownership.acquire({
    coordinator: new FdbCoordinator({ database, clock, random, keys, workerId, ttlMs }),
    clock,
    logger,
    ttlMs,
    address: place.hostName,
    partition: CONTROL_PARTITION,
    onLost: onFenced,
  });
}

/**
 * The same for each process on this data directory while the machine is up, so that one which is started again waits for nobody;
 * another one for a copy of it on another machine, or at another path.
 */
export function workerIdOf(
  { hostName, bootId = '', dataDirectory }: WorkerPlace,
  storeId: Uint8Array,
): string {
  const host = hostName.replaceAll(/[^A-Za-z0-9.-]/g, '-').slice(0, WORKER_HOST_LENGTH_MAX);
  const place = createHash('sha256')
    .update(storeId)
    .update(`${hostName}\0${bootId}\0${dataDirectory}`)
    .digest('hex');
  return `w-${host}-${place.slice(0, WORKER_PLACE_LENGTH)}`;
}

/** A cluster that reads and does not commit (locked, or without enough log servers) holds up no start for ever. */
async function withDeadline(
  clock: Clock,
  timeoutMs: number,
  opening: Promise<unknown>,
  logStore: LogStore,
  database: KeyValueDatabase,
): Promise<void> {
  let late = false;
  const cancel = clock.schedule(timeoutMs, () => {
    late = true;
    // Ends what waits between two attempts and what is under way.
    void logStore.close().then(() => database.close());
  });
  try {
    await opening;
  } catch (error) {
    if (!late) throw error;
    throw new HeadraceError(
      'IO_FAILED',
      'FoundationDB answers reads but committed nothing in time: look at its health (fdbcli --exec "status details")',
      { cause: error },
    );
  } finally {
    cancel();
  }
}

async function refuseEmbeddedLog(disk: Disk): Promise<void> {
  const names = await disk.list(DIRECTORY);
  if (!names.some((name) => /^p\d{4}$/.test(name))) return;
  throw new HeadraceError(
    'INVALID_SETTING',
    'foundationdb.cluster.file.path is set, and this data directory has an embedded log, which belongs to what it holds: leave the setting ' +
      'out, or drain the store (headrace flush) and begin with another data directory',
  );
}

function describeBackend(description: string, metrics: DatabaseMetrics): LogBackendStatus {
  return {
    description,
    reads: summary(metrics.readSeconds),
    commits: summary(metrics.commitSeconds),
    errors: Object.fromEntries(metrics.errors.entries()),
  };
}

function summary(histogram: Histogram): LatencySummary {
  const { count, sum, bounds } = histogram;
  const at = histogram.cumulated().findIndex((below) => below >= count * 0.99);
  const boundS = bounds[at] ?? bounds.at(-1) ?? 0;
  return { count, meanMs: count === 0 ? 0 : (1000 * sum) / count, p99Ms: count === 0 ? 0 : 1000 * boundS };
}
