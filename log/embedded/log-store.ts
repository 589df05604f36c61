/**
 * The embedded log: one directory of segment files per partition, on one local file system. It needs nothing
 * else.
 *
 * | path               | contents                                             |
 * |--------------------|------------------------------------------------------|
 * | `log/store.json`   | identity and format version (`store-file.ts`)        |
 * | `log/p<4 digits>/` | segment files of a partition (`segment-files.ts`)    |
 *
 * It relies on its data directory being held by one process; epochs still go up by one with each opening, so
 * that frames tell which run wrote them.
 */
import { assert } from '../../src/core/assert.js';
import { HeadraceError } from '../../src/core/errors.js';
import type { Logger } from '../../src/core/logger.js';
import type { LogMetrics } from '../../src/core/metrics.js';
import type { Clock, Disk, Random } from '../../src/core/ports.js';
import { DAY_MS, GIB, KIB, MIB } from '../../src/core/units.js';
import { FRAME_BYTES_MAX } from '../frame.js';
import { GROUP_COMMIT_LIMITS } from '../group-commit.js';
import type { LogStore, PartitionLog } from '../log-store.js';
import type { Retention } from '../retention.js';
import { EmbeddedPartitionLog, type PartitionSettings } from './partition-log.js';
import { openStoreFile } from './store-file.js';

export interface EmbeddedLogOptions {
  /**
   * Size of a segment file: 64 KiB to 1 GiB. It also bounds one append, which lies in one frame of at most 16
   * MiB.
   */
  readonly segmentBytes: number;
  /** Size of the first segment file of a partition: at least 4 KiB. */
  readonly firstSegmentBytes: number;
  /** Trimmed files kept per partition to be written again. */
  readonly sparesMax: number;
  /** Longest frame made of several appends. */
  readonly batchBytes: number;
  /** Most events in a frame made of several appends. */
  readonly batchEvents: number;
  /** Events encoded and not yet durable, in bytes, beyond which appends are refused with `SLOW_DOWN`. */
  readonly queueBytesMax: number;
  /** The log is sealed when it has been idle for this long (see `recovery.ts`). */
  readonly sealDelayMs: number;
  /** What a trim leaves for operators to look at, per partition. */
  readonly retention: Retention;
}

const EMBEDDED_LOG_DEFAULTS: EmbeddedLogOptions = {
  ...GROUP_COMMIT_LIMITS,
  segmentBytes: 32 * MIB,
  firstSegmentBytes: 4 * MIB,
  sparesMax: 2,
  sealDelayMs: 50,
  retention: { bytes: 256 * MIB, timeMs: 7 * DAY_MS },
};

const SEGMENT_BYTES_MIN = 64 * KIB;
const SEGMENT_BYTES_MAX = GIB;
const FIRST_SEGMENT_BYTES_MIN = 4 * KIB;
/** Partitions have four digits in their directory's name. */
const PARTITION_MAX = 9999;
const DIRECTORY = 'log';

export interface EmbeddedLogComponents {
  readonly disk: Disk;
  readonly clock: Clock;
  readonly random: Random;
  readonly logger: Logger;
  /** Told of every frame that became durable. */
  readonly metrics?: LogMetrics;
  readonly options?: Partial<EmbeddedLogOptions>;
}

export class EmbeddedLogStore implements LogStore {
  readonly #components: EmbeddedLogComponents;
  readonly #settings: PartitionSettings;
  readonly #partitions = new Map<number, Promise<EmbeddedPartitionLog>>();
  #storeId: Promise<bigint> | undefined;
  #closed = false;

  constructor(components: EmbeddedLogComponents) {
    this.#components = components;
    this.#settings = partitionSettings({ ...EMBEDDED_LOG_DEFAULTS, ...components.options });
  }

  /**
   * Also rejects with `DATA_DIRECTORY_UNUSABLE` when `log/store.json` is not what it should be. A partition
   * can be opened again once its log was closed.
   */
  async openPartition(partition: number): Promise<PartitionLog> {
    assert(
      Number.isInteger(partition) && partition >= 0 && partition <= PARTITION_MAX,
      `${partition} is not a partition: expected 0 to ${PARTITION_MAX}`,
    );
    if (this.#closed) throw new HeadraceError('CLOSED', 'the log store is closed');
    await this.#closeForReopening(partition);
    const storeId = await this.#openStoreFile();
    if (this.#closed) throw new HeadraceError('CLOSED', 'the log store is closed');
    assert(!this.#partitions.has(partition), `partition ${partition} is being opened twice`);
    const opening = EmbeddedPartitionLog.open(
      `${DIRECTORY}/p${String(partition).padStart(4, '0')}`,
      { partition, storeId },
      this.#components,
      this.#settings,
    );
    this.#partitions.set(partition, opening);
    try {
      return await opening;
    } catch (error) {
      this.#partitions.delete(partition);
      throw error;
    }
  }

  /** Closes every partition. The first failure is reported after all were closed. */
  async close(): Promise<void> {
    this.#closed = true;
    const closed = await Promise.allSettled(
      [...this.#partitions.values()].map(async (opening) => (await opening).close()),
    );
    this.#partitions.clear();
    for (const result of closed) if (result.status === 'rejected') throw result.reason;
  }

  /** Once for all partitions; a failure is not kept. */
  #openStoreFile(): Promise<bigint> {
    const { disk, random } = this.#components;
    this.#storeId ??= openStoreFile(disk, random, DIRECTORY).catch((error: unknown) => {
      this.#storeId = undefined;
      throw error;
    });
    return this.#storeId;
  }

  /** A log that is open under the same store is closed first: two writers of one file would be its end. */
  async #closeForReopening(partition: number): Promise<void> {
    const open = this.#partitions.get(partition);
    if (open === undefined) return;
    await (await open).close();
    this.#partitions.delete(partition);
  }
}

function partitionSettings(options: EmbeddedLogOptions): PartitionSettings {
  const { segmentBytes, firstSegmentBytes, sparesMax, sealDelayMs, retention } = options;
  assert(
    segmentBytes >= SEGMENT_BYTES_MIN && segmentBytes <= SEGMENT_BYTES_MAX,
    `segmentBytes is ${segmentBytes}: expected ${SEGMENT_BYTES_MIN} to ${SEGMENT_BYTES_MAX}`,
  );
  assert(
    firstSegmentBytes >= FIRST_SEGMENT_BYTES_MIN,
    `firstSegmentBytes is ${firstSegmentBytes}: expected at least ${FIRST_SEGMENT_BYTES_MIN}`,
  );
  const frameBytesMax = Math.min(FRAME_BYTES_MAX, segmentBytes);
  return {
    files: { segmentBytes, firstSegmentBytes: Math.min(firstSegmentBytes, segmentBytes), sparesMax },
    limits: {
      frameBytesMax,
      batchBytes: Math.min(options.batchBytes, frameBytesMax),
      batchEvents: options.batchEvents,
      queueBytesMax: options.queueBytesMax,
    },
    sealDelayMs,
    retention,
  };
}
