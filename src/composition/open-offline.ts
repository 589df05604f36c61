/**
 * A data directory for those who only look at it, with the process that owns it running or not. Nothing is written, and no lock is
 * taken, except by `verify`, which opens the store as a server does and so is refused while one runs.
 */
import path from 'node:path';
import { readStoreId } from '../adapters/data-directory.js';
import type { ImportModule } from '../adapters/foundationdb/binding.js';
import { openFoundationDatabase } from '../adapters/foundationdb/open.js';
import { openIndexStore } from '../adapters/index-store/open-index-store.js';
import { NodeDisk } from '../adapters/node-disk.js';
import { SystemClock } from '../adapters/system-clock.js';
import type { OfflineLog } from '../cli/context.js';
import { HeadraceError, isErrorCode } from '../core/errors.js';
import type { IndexCheckpoint, IndexStore } from '../core/index-store.js';
import type { Logger } from '../core/logger.js';
import type { Disk } from '../core/ports.js';
import { ReadOnlyDisk } from '../core/read-only-disk.js';
import type { LoggedEvent, LogHead, VerifyReport } from '../engine/admin-service.js';
import { partitionIndexOf } from '../engine/engine-core.js';
import type { InspectedPartition } from '../engine/inspection/log-inspection.js';
import { LogInspector } from '../engine/inspection/log-inspector.js';
import { travelTo } from '../engine/inspection/time-travel.js';
import { listPartitions, openReadOnlyLog, type ReadOnlyLog } from '../../log/embedded/read-only-log.js';
import { openReadOnlyPartitions } from '../../log/fdb/read-only-log.js';
import { eventToJson } from '../../log/event-json.js';
import { CONTROL_PARTITION } from '../../log/log-store.js';
import { RECORD_CODEC } from '../../projections/record-codec.js';
import type { IndexRecord } from '../../projections/records.js';
import type { Settings } from '../settings/settings.js';
import { openEngine } from './open-engine.js';
import { readPlace, type LogPlace } from './log-place.js';

/** A server that takes a checkpoint while the index is opened removes files: then it is opened again. */
const INDEX_ATTEMPTS_MAX = 5;
/** Those of a store whose log is in FoundationDB: the control partition, and one for data. */
const FOUNDATIONDB_PARTITIONS: readonly number[] = [CONTROL_PARTITION, 1];

export interface OfflineContext {
  readonly version: string;
  readonly logger: Logger;
  /** Instead of `import`, for optional packages. */
  readonly importModule?: ImportModule;
}

/** The control partition and the others, wherever the log is. */
interface OfflineLogs {
  readonly logs: readonly ReadOnlyLog[];
  readonly close: () => void;
}

interface OfflinePartition {
  readonly log: ReadOnlyLog;
  readonly index: IndexStore<IndexRecord>;
}

/**
 * `DATA_DIRECTORY_UNUSABLE` when there is no log, `INVALID_SETTING` when it is in a FoundationDB that cannot be used from here,
 * `CORRUPT_*`, `UNSUPPORTED_FORMAT`, `IO_FAILED`.
 */
export async function openOffline(settings: Settings, context: OfflineContext): Promise<OfflineLog> {
  const root = path.resolve(settings.dataDirectory);
  const disk = new ReadOnlyDisk(new NodeDisk(root));
  const place = await readPlace(disk);
  const numbers = place === undefined ? await listPartitions(disk) : FOUNDATIONDB_PARTITIONS;
  if (!numbers.includes(CONTROL_PARTITION))
    throw new HeadraceError(
      'DATA_DIRECTORY_UNUSABLE',
      `${root} holds no log: name the data directory of a server`,
    );
  const indexes = new Map<number, IndexStore<IndexRecord>>();
  // The index first: the log that is read after it is not older.
  for (const number of numbers.filter((candidate) => candidate !== CONTROL_PARTITION))
    indexes.set(number, await openIndex(disk, number, context.logger));
  const { logs, close } =
    place === undefined
      ? await openEmbedded(disk, numbers)
      : await openFoundationDb(root, place, settings, context);
  const control = logs.find(({ partition }) => partition === CONTROL_PARTITION);
  if (control === undefined) {
    close();
    throw new HeadraceError(
      'DATA_DIRECTORY_UNUSABLE',
      `the log of ${root} was never begun: start its server`,
    );
  }
  const partitions = logs.flatMap((log) => {
    const index = indexes.get(log.partition);
    return index === undefined ? [] : [{ log, index }];
  });
  return offlineLog(control, partitions, settings, context, close);
}

async function openEmbedded(disk: Disk, numbers: readonly number[]): Promise<OfflineLogs> {
  const logs: ReadOnlyLog[] = [];
  for (const number of numbers) logs.push(await openReadOnlyLog(disk, number));
  return { logs, close: () => undefined };
}

/** By the cluster file of the settings or, without one, the one with which the server was started last. */
async function openFoundationDb(
  root: string,
  place: LogPlace,
  settings: Settings,
  { importModule }: OfflineContext,
): Promise<OfflineLogs> {
  const clock = new SystemClock();
  const storeId = Buffer.from((await readStoreId(root)).replaceAll('-', ''), 'hex').readBigUInt64LE();
  const database = await openFoundationDatabase({
    clusterFile: settings.foundationdbClusterFile ?? place.clusterFile,
    connectTimeoutMs: settings.foundationdbConnectTimeoutMs,
    clock,
    ...(importModule === undefined ? {} : { importModule }),
  });
  try {
    const prefix = Buffer.from(place.keyPrefix);
    const logs = await openReadOnlyPartitions({ database, clock, prefix, storeId });
    return { logs, close: () => database.close() };
  } catch (error) {
    database.close();
    throw error;
  }
}

function offlineLog(
  control: ReadOnlyLog,
  partitions: readonly OfflinePartition[],
  settings: Settings,
  context: OfflineContext,
  close: () => void,
): OfflineLog {
  const clock = new SystemClock();
  const inspected = {
    partitions: partitions as readonly InspectedPartition[],
    partitionIndexOf: (bucket: string, key: string) => partitionIndexOf(bucket, key, partitions.length),
  };
  return {
    travelTo: (request) => travelTo(inspected, request),
    inspection: new LogInspector(() => ({
      ...inspected,
      version: context.version,
      control,
      nowMs: () => clock.wallTimeMs(),
      nextTurn: () => new Promise((resolve) => clock.nextTurn(resolve)),
    })),
    logHead: async () => [
      headOf(control, undefined),
      ...partitions.map(({ log, index }) => headOf(log, index.checkpoints.at(-1))),
    ],
    logRead: (request) => {
      const log = [control, ...partitions.map((partition) => partition.log)].find(
        (candidate) => candidate.partition === request.partition,
      );
      if (log === undefined)
        throw new HeadraceError('INVALID_ARGUMENT', `there is no partition ${request.partition}`);
      return readEvents(log, request);
    },
    verify: (request) => verify(settings, context, request),
    close: async () => {
      close();
      for (const { index } of partitions) await index.close();
    },
  };
}

async function openIndex(disk: Disk, partition: number, logger: Logger): Promise<IndexStore<IndexRecord>> {
  const directory = `index/p${String(partition).padStart(4, '0')}`;
  for (let attempt = 1; ; attempt++) {
    try {
      const clock = new SystemClock();
      const { store } = await openIndexStore({ disk, directory, codec: RECORD_CODEC, clock, logger });
      return store;
    } catch (error) {
      const mayBeRace = isErrorCode(error, 'IO_FAILED', 'CORRUPT_CHECKPOINT');
      if (attempt === INDEX_ATTEMPTS_MAX || !mayBeRace) throw error;
    }
  }
}

function headOf(log: ReadOnlyLog, checkpoint: IndexCheckpoint | undefined): LogHead {
  const { partition, epoch, oldestOffset, durableOffset } = log;
  return { partition, epoch, oldestOffset, durableOffset, checkpointOffset: checkpoint?.offset ?? 0 };
}

async function readEvents(
  log: ReadOnlyLog,
  { from, limit }: { from: number; limit: number },
): Promise<LoggedEvent[]> {
  const logged: LoggedEvent[] = [];
  if (limit === 0 || from >= log.durableOffset) return logged;
  for await (const { events, firstOffset, epoch } of log.read(from))
    for (const [at, event] of events.entries()) {
      if (firstOffset + at < from) continue;
      logged.push({ partition: log.partition, offset: firstOffset + at, epoch, event: eventToJson(event) });
      if (logged.length >= limit) return logged;
    }
  return logged;
}

async function verify(
  settings: Settings,
  context: OfflineContext,
  request: Parameters<OfflineLog['verify']>[0],
): Promise<VerifyReport> {
  const opened = await openEngine(settings, { ...context, quiet: true });
  try {
    return await opened.engine.admin.verify(request);
  } finally {
    await opened.close();
  }
}
