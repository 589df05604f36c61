/**
 * A data directory for those who only look at it, with the process that owns it running or not. Nothing is written, and no lock is
 * taken, except by `verify`, which opens the store as a server does and so is refused while one runs.
 */
import path from 'node:path';
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
import { listPartitions, openReadOnlyLog, type ReadOnlyLog } from '../../log/embedded/read-only-log.js';
import { eventToJson } from '../../log/event-json.js';
import { CONTROL_PARTITION } from '../../log/log-store.js';
import { RECORD_CODEC } from '../../projections/record-codec.js';
import type { IndexRecord } from '../../projections/records.js';
import type { Settings } from '../settings/settings.js';
import { openEngine } from './open-engine.js';
import { readPlace } from './log-place.js';

/** A server that takes a checkpoint while the index is opened removes files: then it is opened again. */
const INDEX_ATTEMPTS_MAX = 5;

export interface OfflineContext {
  readonly version: string;
  readonly logger: Logger;
}

interface OfflinePartition {
  readonly log: ReadOnlyLog;
  readonly index: IndexStore<IndexRecord>;
}

/** `DATA_DIRECTORY_UNUSABLE` when there is no log, `CORRUPT_*`, `UNSUPPORTED_FORMAT`, `IO_FAILED`. */
export async function openOffline(settings: Settings, context: OfflineContext): Promise<OfflineLog> {
  const root = path.resolve(settings.dataDirectory);
  const disk = new ReadOnlyDisk(new NodeDisk(root));
  const numbers = await listPartitions(disk);
  const place = await readPlace(disk);
  if (place !== undefined)
    throw new HeadraceError(
      'NOT_SUPPORTED',
      `the log of ${root} is in FoundationDB (${place.clusterFile}, below ${place.keyPrefix}): ask its running server, by --endpoint`,
    );
  if (!numbers.includes(CONTROL_PARTITION))
    throw new HeadraceError(
      'DATA_DIRECTORY_UNUSABLE',
      `${root} holds no log: name the data directory of a server`,
    );
  const control = await openReadOnlyLog(disk, CONTROL_PARTITION);
  const partitions: OfflinePartition[] = [];
  // The index first: the log that is read after it is not older.
  for (const number of numbers.filter((candidate) => candidate !== CONTROL_PARTITION))
    partitions.push({
      index: await openIndex(disk, number, context.logger),
      log: await openReadOnlyLog(disk, number),
    });
  return offlineLog(control, partitions, settings, context);
}

function offlineLog(
  control: ReadOnlyLog,
  partitions: readonly OfflinePartition[],
  settings: Settings,
  context: OfflineContext,
): OfflineLog {
  const clock = new SystemClock();
  const inspected: InspectedPartition[] = [...partitions];
  return {
    inspection: new LogInspector(() => ({
      version: context.version,
      control,
      partitions: inspected,
      partitionIndexOf: (bucket, key) => partitionIndexOf(bucket, key, partitions.length),
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
