/**
 * Wires the production adapters to the engine, as the settings say. Used by the server, and without one by the commands that
 * look at a log offline.
 */
import { availableParallelism, hostname } from 'node:os';
import path from 'node:path';
import type { ImportModule } from '../adapters/foundationdb/binding.js';
import { openDataDirectory, type DataDirectory } from '../adapters/data-directory.js';
import { openIndexStore } from '../adapters/index-store/open-index-store.js';
import { openKnownRoots } from '../adapters/known-roots.js';
import { bootId } from '../adapters/machine.js';
import { NodeDisk } from '../adapters/node-disk.js';
import { SystemClock } from '../adapters/system-clock.js';
import { SystemRandom } from '../adapters/system-random.js';
import {
  checkNewMount,
  openMountedStore,
  openObjectStore,
  type ObjectStoreSettings,
} from '../adapters/ufs/open.js';
import { UploadThread } from '../adapters/ufs/s3/upload-thread.js';
import type { HeadraceError } from '../core/errors.js';
import type { IndexStore } from '../core/index-store.js';
import type { Logger } from '../core/logger.js';
import type { Clock, Disk, Random } from '../core/ports.js';
import { MIB } from '../core/units.js';
import { Engine } from '../engine/engine.js';
import type { EngineOptions } from '../engine/engine-core.js';
import { SAFE_PERSIST_OPTION } from '../engine/mount-table.js';
import { openSegmentStore } from '../engine/segments/segment-files.js';
import { RECORD_CODEC } from '../../projections/record-codec.js';
import type { IndexRecord } from '../../projections/records.js';
import type { Settings } from '../settings/settings.js';
import { Measurements } from './measurements.js';
import { openLogStore, type LogStoreParts, type OpenedLogStore } from './open-log-store.js';

/** Raised when what is on disk changes in a way that an older version cannot read. */
export const DATA_FORMAT_VERSION = 1;
/** One data partition: on one machine everything shares one log, so that group commit gathers all writers. */
const DATA_PARTITIONS = 1;
/** Share of the free space that the cache takes when its size is not set. */
export const AUTOMATIC_SHARE = 0.8;
const SMALL_SEGMENT_BYTES_MAX = 64 * MIB;
const SMALL_SEGMENT_BYTES_MIN = 8 * MIB;
/** A small cache still has this many segments, so that eviction has something to choose from. */
const SEGMENTS_MIN = 16;

export interface EngineContext {
  readonly version: string;
  readonly logger: Logger;
  /** Only to look at: the effects do not run. */
  readonly quiet?: boolean;
  /** Instead of `import`, for optional packages. */
  readonly importModule?: ImportModule;
}

type EnginePorts = Omit<LogStoreParts, 'importModule' | 'place' | 'onFenced'>;

interface OwnedLogStore extends OpenedLogStore {
  /** By the log or by the lease, whichever finds it first. */
  readonly fenced: Promise<HeadraceError>;
  readonly tellFenced: (error: HeadraceError) => void;
}

export interface OpenedEngine {
  readonly engine: Engine;
  readonly clock: Clock;
  readonly random: Random;
  /** What is measured while it runs. */
  readonly measurements: Measurements;
  /** Resolves when another owner has taken the log over: then this process must stop. */
  readonly fenced: Promise<HeadraceError>;
  /** Stops the engine and gives the data directory up. */
  close(): Promise<void>;
}

/** `DATA_DIRECTORY_*`, `UNSUPPORTED_FORMAT`, `CORRUPT_*`, `INVALID_SETTING`, `IO_FAILED`. */
export async function openEngine(settings: Settings, context: EngineContext): Promise<OpenedEngine> {
  const data = await openDataDirectory(settings.dataDirectory, { formatVersion: DATA_FORMAT_VERSION });
  try {
    return await openOn(data, settings, context);
  } catch (error) {
    await data.release();
    throw error;
  }
}

async function openOn(
  data: DataDirectory,
  settings: Settings,
  context: EngineContext,
): Promise<OpenedEngine> {
  const measurements = new Measurements();
  const ports: EnginePorts = {
    disk: new NodeDisk(data.path, measurements.disk),
    clock: new SystemClock(),
    random: new SystemRandom(),
    logger: context.logger,
    measurements,
    storeId: Buffer.from(data.storeId.replaceAll('-', ''), 'hex'),
  };
  let tellFenced: (error: HeadraceError) => void = () => undefined;
  const fenced = new Promise<HeadraceError>((resolve) => (tellFenced = resolve));
  const log = await openLogStore(settings, {
    ...ports,
    importModule: context.importModule,
    place: { hostName: hostname(), bootId: bootId(), dataDirectory: data.path },
    onFenced: (error) => tellFenced(error),
  });
  try {
    return await openWithLog(data, settings, context, ports, { ...log, fenced, tellFenced });
  } catch (error) {
    await log.logStore.close().catch(() => undefined);
    await log.close();
    throw error;
  }
}

async function openWithLog(
  data: DataDirectory,
  settings: Settings,
  { version, quiet }: EngineContext,
  ports: EnginePorts,
  log: OwnedLogStore,
): Promise<OpenedEngine> {
  const { disk, clock, random, logger, measurements, storeId } = ports;
  const capacityBytes = settings.cacheCapacityBytes ?? (await automaticCapacity(disk));
  const segments = await openSegmentStore({
    disk,
    clock,
    logger,
    options: { storeId, smallSegmentBytes: smallSegmentBytes(capacityBytes) },
  });
  const indexes: IndexStore<IndexRecord>[] = [];
  for (let at = 0; at < DATA_PARTITIONS; at++) {
    const directory = `index/p${String(at + 1).padStart(4, '0')}`;
    const { store } = await openIndexStore<IndexRecord>({
      disk,
      directory,
      codec: RECORD_CODEC,
      clock,
      logger,
    });
    indexes.push(store);
  }
  const stores = storeOptions(settings);
  // With one processor the thread would only add the way to it.
  const uploads = availableParallelism() > 1 ? new UploadThread(logger) : undefined;
  const knownRoots = await openKnownRoots(data.path);
  const connecting = { clock, random, logger, knownRoots, dataDirectory: data.path, uploads };
  const root = measurements.ufs.measure(await openObjectStore(settings.ufs, stores, connecting), clock);
  /** Until then mounts come from the log, later from those who ask for them. */
  let isOpen = false;
  const engine = await Engine.open({
    options: engineOptions(settings, version, data.path, capacityBytes),
    clock,
    random,
    disk,
    logger,
    logStore: log.logStore,
    ...(log.logBackend === undefined ? {} : { logBackend: log.logBackend }),
    lease: log.lease,
    onFenced: log.tellFenced,
    segments,
    indexes,
    root,
    quiet,
    openMount: async (mount) => {
      if (isOpen) await checkNewMount(mount, [SAFE_PERSIST_OPTION], connecting);
      const opened = await openMountedStore(mount.ufs, { ...stores, ...mount.options }, connecting);
      return { ...opened, store: measurements.ufs.measure(opened.store, clock) };
    },
  });
  isOpen = true;
  measurements.watch(engine);
  return {
    engine,
    clock,
    random,
    measurements,
    fenced: log.fenced,
    close: async () => {
      try {
        await engine.close();
      } finally {
        await log.close();
        await data.release();
      }
    },
  };
}

/** Counts what the cache already holds as free, so that the capacity does not shrink from start to start. */
async function automaticCapacity(disk: Disk): Promise<number> {
  const { freeBytes } = await disk.space();
  let heldBytes = 0;
  for (const name of await disk.list('segments')) heldBytes += (await disk.sizeOf(`segments/${name}`)) ?? 0;
  return Math.floor((freeBytes + heldBytes) * AUTOMATIC_SHARE);
}

function smallSegmentBytes(capacityBytes: number): number {
  const share = Math.floor(capacityBytes / SEGMENTS_MIN / MIB) * MIB;
  return Math.min(Math.max(share, SMALL_SEGMENT_BYTES_MIN), SMALL_SEGMENT_BYTES_MAX);
}

function storeOptions(settings: Settings): ObjectStoreSettings {
  return {
    endpoint: settings.ufsS3Endpoint,
    region: settings.ufsS3Region,
    pathStyle: settings.ufsS3PathStyle,
    accessKeyId: settings.ufsS3AccessKeyId,
    secretAccessKey: settings.ufsS3SecretAccessKey,
    user: settings.ufsHdfsUser,
    replication: settings.ufsHdfsReplication,
    blockSizeBytes: settings.ufsHdfsBlockSizeBytes,
    requestTimeoutMs: settings.ufsRequestTimeoutMs,
  };
}

/** What the settings say to the engine; a simulation of a configuration asks for the same. */
export function engineOptions(
  settings: Settings,
  version: string,
  dataDirectory: string,
  capacityBytes: number,
): EngineOptions {
  return {
    version,
    dataDirectory: path.resolve(dataDirectory),
    capacityBytes,
    pinnedRatio: settings.pinnedRatio,
    pinnedSoftRatio: settings.pinnedSoftRatio,
    pressureDelayMaxMs: settings.pressureDelayMaxMs,
    writeCacheEnabled: settings.writeCacheEnabled,
    persistConcurrency: settings.persistConcurrency,
    persistRetryInitialMs: settings.persistRetryInitialMs,
    persistRetryMaxMs: settings.persistRetryMaxMs,
    persist: {
      storeConcurrency: settings.persistStoreConcurrency,
      bytesPerS: settings.persistBytesPerS,
      objectsPerS: settings.persistObjectsPerS,
      ageLimitMs: settings.persistAgeLimitMs,
      multipartThresholdBytes: settings.persistMultipartThresholdBytes,
    },
    orphanTimeoutMs: settings.orphanTimeoutMs,
    orphanScanPeriodMs: settings.orphanScanPeriodMs,
    danglingAfterMs: settings.danglingWriteTimeoutMs,
    ufsTimeoutMs: settings.ufsRequestTimeoutMs,
    ufsMetadataTtlMs: settings.ufsMetadataTtlMs,
    ufsMetadataBytes: settings.ufsMetadataBytes,
    ufsRevalidateMs: settings.ufsRevalidateMs,
    rangeCacheBytes: settings.ufsRangeCacheBytes,
    loadConcurrency: settings.loadConcurrency,
    checkpointChanges: settings.indexCheckpointChanges,
    safePersist: settings.ufsSafePersist,
  };
}
