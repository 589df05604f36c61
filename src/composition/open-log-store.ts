/**
 * Opens the log where the settings say that it is: in files of the data directory, or in FoundationDB.
 *
 * The two cannot be exchanged for each other: the index of a data directory belongs to the one log that it was folded from. So a
 * data directory whose log is in FoundationDB says so, and is refused without it, as one with an embedded log is refused with it.
 *
 * | name                    | lifetime    | content                                                                       |
 * |-------------------------|-------------|-------------------------------------------------------------------------------|
 * | `log/foundationdb.json` | the store's | `{"clusterFile":"/etc/foundationdb/fdb.cluster","keyPrefix":"headrace/"}`      |
 */
import path from 'node:path';
import type { ImportModule } from '../adapters/foundationdb/binding.js';
import { openFoundationDatabase } from '../adapters/foundationdb/open.js';
import { HeadraceError } from '../core/errors.js';
import type { KeyValueDatabase } from '../core/key-value-database.js';
import type { Logger } from '../core/logger.js';
import type { DatabaseMetrics, Histogram } from '../core/metrics.js';
import type { Clock, Disk, Random } from '../core/ports.js';
import type { LatencySummary, LogBackendStatus } from '../engine/admin-service.js';
import { EmbeddedLogStore } from '../../log/embedded/log-store.js';
import { FdbLogStore } from '../../log/fdb/log-store.js';
import type { LogStore } from '../../log/log-store.js';
import type { Settings } from '../settings/settings.js';
import type { Measurements } from './measurements.js';

export interface LogStoreParts {
  readonly disk: Disk;
  readonly clock: Clock;
  readonly random: Random;
  readonly logger: Logger;
  readonly measurements: Measurements;
  /** Of the data directory. */
  readonly storeId: Uint8Array;
  /** Instead of `import`. */
  readonly importModule?: ImportModule | undefined;
}

export interface OpenedLogStore {
  readonly logStore: LogStore;
  readonly logBackend?: () => LogBackendStatus;
  /** After the store was closed. */
  readonly close: () => void;
}

const DIRECTORY = 'log';
const PLACE_FILE = 'log/foundationdb.json';
const PLACE_BYTES_MAX = 64 * 1024;

type LogSettings = Pick<
  Settings,
  | 'logSegmentBytes'
  | 'logRetentionBytes'
  | 'logRetentionMs'
  | 'foundationdbClusterFile'
  | 'foundationdbKeyPrefix'
  | 'foundationdbConnectTimeoutMs'
  | 'foundationdbRetentionMs'
>;

/** `INVALID_SETTING`, `DATA_DIRECTORY_UNUSABLE`, `IO_FAILED` when FoundationDB does not answer in time. */
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
  return { logStore, close: () => undefined };
}

async function openInFoundationDb(
  settings: LogSettings,
  clusterFile: string,
  place: Place | undefined,
  { disk, clock, random, measurements, storeId, importModule }: LogStoreParts,
): Promise<OpenedLogStore> {
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
  const logStore = new FdbLogStore({
    database,
    clock,
    random,
    storeId: Buffer.from(storeId).readBigUInt64LE(),
    metrics: measurements.log,
    options: { prefix: Buffer.from(keyPrefix), retentionMs: settings.foundationdbRetentionMs },
  });
  try {
    // The store below the prefix is this one's, or was made so, before the data directory says that its log is there.
    await withDeadline(clock, connectTimeoutMs, logStore.identity(), logStore, database);
    if (place === undefined) await writePlace(disk, { clusterFile: path.resolve(clusterFile), keyPrefix });
  } catch (error) {
    await logStore.close();
    database.close();
    throw error;
  }
  const description = `FoundationDB, ${path.resolve(clusterFile)}, below ${keyPrefix}`;
  return {
    logStore,
    logBackend: () => describeBackend(description, metrics),
    close: () => database.close(),
  };
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

interface Place {
  readonly clusterFile: string;
  readonly keyPrefix: string;
}

/** Of a data directory whose log is in FoundationDB; undefined for any other. `DATA_DIRECTORY_UNUSABLE`, `IO_FAILED`. */
export async function readPlace(disk: Disk): Promise<Place | undefined> {
  const size = await disk.sizeOf(PLACE_FILE);
  if (size === undefined) return undefined;
  const bytes = Buffer.alloc(Math.min(size, PLACE_BYTES_MAX));
  const file = await disk.open(PLACE_FILE, { readOnly: true });
  try {
    await file.read(0, bytes);
  } finally {
    await file.close();
  }
  const place = parsePlace(bytes.toString('utf8'));
  if (place !== undefined) return place;
  throw new HeadraceError(
    'DATA_DIRECTORY_UNUSABLE',
    `${PLACE_FILE} in the data directory does not say where the log is: expected {"clusterFile":"…","keyPrefix":"…"}`,
  );
}

function parsePlace(text: string): Place | undefined {
  try {
    const value: unknown = JSON.parse(text);
    if (typeof value !== 'object' || value === null) return undefined;
    const { clusterFile, keyPrefix } = value as Record<string, unknown>;
    return typeof clusterFile === 'string' && typeof keyPrefix === 'string'
      ? { clusterFile, keyPrefix }
      : undefined;
  } catch {
    return undefined;
  }
}

/** Durable on return; appears whole or not at all. */
async function writePlace(disk: Disk, place: Place): Promise<void> {
  const draft = `${PLACE_FILE}.new`;
  await disk.makeDirectory(DIRECTORY);
  await disk.remove(draft);
  const file = await disk.create(draft);
  try {
    await file.write(0, Buffer.from(`${JSON.stringify(place)}\n`));
    await file.sync();
  } finally {
    await file.close();
  }
  await disk.rename(draft, PLACE_FILE);
  await disk.syncDirectory(DIRECTORY);
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
