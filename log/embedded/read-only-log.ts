/**
 * One partition's log as it lies in its directory, for those who only look: no epoch is taken, nothing is cut, sealed or recycled,
 * and the process that writes it may be running.
 *
 * Invariant: what is returned was durable. The end is that of the frames when the log was opened; a frame that is torn there is not
 * part of it, as for recovery.
 */
import { isErrorCode } from '../../src/core/errors.js';
import { SILENT_LOGGER } from '../../src/core/logger.js';
import type { Disk } from '../../src/core/ports.js';
import { ReadOnlyDisk } from '../../src/core/read-only-disk.js';
import type { DurableBatch } from '../log-store.js';
import { readBatches } from './read-batches.js';
import { findLogEnd } from './recovery.js';
import { SegmentFiles } from './segment-files.js';
import { readStoreId } from './store-file.js';

export interface ReadOnlyLog {
  readonly partition: number;
  /** Of the newest frame. */
  readonly epoch: number;
  readonly oldestOffset: number;
  readonly durableOffset: number;
  read(from: number): AsyncIterable<DurableBatch>;
}

const DIRECTORY = 'log';
const SEGMENT_BYTES_UNUSED = 0;
/** A writer that goes on while its newest file is read can make it look damaged: then it is read again. */
const LOOKS_MAX = 5;

/** Numbers of the partitions in the directory, in order; empty when there is no log. */
export async function listPartitions(disk: Disk): Promise<number[]> {
  const names = await disk.list(DIRECTORY);
  return names.flatMap((name) => {
    const match = /^p(\d{4})$/.exec(name);
    return match === null ? [] : [Number(match[1])];
  });
}

/** `DATA_DIRECTORY_UNUSABLE` when there is no log, `CORRUPT_FRAME`, `UNSUPPORTED_FORMAT`, `IO_FAILED`. */
export async function openReadOnlyLog(looked: Disk, partition: number): Promise<ReadOnlyLog> {
  const disk = new ReadOnlyDisk(looked);
  const storeId = await readStoreId(disk, DIRECTORY);
  const owner = { partition, storeId };
  for (let look = 1; ; look++) {
    // A new list each time: the writer may have begun a file, or recycled the oldest.
    const files = new SegmentFiles(
      disk,
      SILENT_LOGGER,
      `${DIRECTORY}/p${String(partition).padStart(4, '0')}`,
      {
        segmentBytes: SEGMENT_BYTES_UNUSED,
        firstSegmentBytes: SEGMENT_BYTES_UNUSED,
        sparesMax: 0,
      },
    );
    try {
      await files.open();
      const { nextOffset, lastEpoch } = await findLogEnd(disk, files.segments, owner);
      return {
        partition,
        epoch: lastEpoch,
        oldestOffset: files.segments[0]?.firstOffset ?? 0,
        durableOffset: nextOffset,
        read: (from) => readBatches(disk, files, owner, { from, upTo: nextOffset }),
      };
    } catch (error) {
      if (look === LOOKS_MAX || !isErrorCode(error, 'CORRUPT_FRAME', 'IO_FAILED')) throw error;
    }
  }
}
