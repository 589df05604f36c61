/**
 * Takes over the segment files that an earlier process left.
 *
 * | file | what is done |
 * |---|---|
 * | not named `<10 digits>.seg` | left alone, logged |
 * | empty, with the highest id | keeps its id from being used again |
 * | empty, any other | removed |
 * | size a multiple of 1 MiB | perhaps extended in advance and left by a crash: zeros at the end are cut off |
 * | any other | taken over as it is |
 *
 * No file is appended to again. Only zeros are cut, and never so many that they could belong to an extent. Whether an extent
 * lives is decided by the log, not here.
 */
import type { Logger } from '../../core/logger.js';
import { takeMemory } from '../../core/memory.js';
import type { Disk } from '../../core/ports.js';
import { KIB } from '../../core/units.js';
import type { SegmentCatalog } from './segment-catalog.js';
import {
  BLOCK_BYTES,
  PREALLOCATION_UNIT_BYTES,
  SEGMENT_HEADER_BYTES,
  SMALL_EXTENT_BYTES_MAX,
  checkSegmentHeader,
  decodeSegmentHeader,
  segmentIdOf,
} from './segment-format.js';

/** Files that are looked at side by side. */
const FILES_AT_ONCE = 32;
const SCAN_BYTES = 256 * KIB;
const ZERO_BLOCK = Buffer.alloc(BLOCK_BYTES);

/** Fills `catalog`. `UNSUPPORTED_FORMAT`, `DATA_DIRECTORY_UNUSABLE`, `IO_FAILED`. */
export async function recoverSegments(
  disk: Disk,
  catalog: SegmentCatalog,
  storeId: Uint8Array,
  logger: Logger,
): Promise<void> {
  const ids: number[] = [];
  for (const name of await disk.list(catalog.directory)) {
    const id = segmentIdOf(name);
    if (id === undefined)
      logger.warn({ name }, 'a file among the segments is not a segment and is left alone');
    else ids.push(id);
  }
  ids.sort((a, b) => a - b);
  await checkNewest(disk, catalog, ids, storeId, logger);
  for (let start = 0; start < ids.length; start += FILES_AT_ONCE) {
    const group = ids.slice(start, start + FILES_AT_ONCE);
    const sizes = await Promise.all(group.map((id) => usedSize(disk, catalog.pathOf(id), logger)));
    group.forEach((id, index) => catalog.adopt(id, sizes[index] ?? 0));
  }
  await catalog.removeMarkers();
}

/** All segments are of one store; one look at the newest tells whether this version can read them. */
async function checkNewest(
  disk: Disk,
  catalog: SegmentCatalog,
  ids: readonly number[],
  storeId: Uint8Array,
  logger: Logger,
): Promise<void> {
  for (const id of ids.toReversed()) {
    const file = await disk.open(catalog.pathOf(id), { readOnly: true });
    try {
      const block = Buffer.alloc(SEGMENT_HEADER_BYTES);
      await file.read(0, block);
      // Unfinished and empty files have no header; the one before it may.
      if (block.equals(ZERO_BLOCK.subarray(0, block.length))) continue;
      const header = decodeSegmentHeader(block);
      if (header !== undefined) checkSegmentHeader(header, storeId, file.path);
      else logger.warn({ segment: id }, 'the header of the newest segment is damaged');
      return;
    } finally {
      await file.close();
    }
  }
}

/** The size of a file after the zeros at its end were cut off. */
async function usedSize(disk: Disk, path: string, logger: Logger): Promise<number> {
  const size = (await disk.sizeOf(path)) ?? 0;
  if (size === 0 || size % PREALLOCATION_UNIT_BYTES !== 0) return size;
  const file = await disk.open(path);
  try {
    const scan = takeMemory(SCAN_BYTES);
    for (let start = size - SCAN_BYTES; start >= 0; start -= SCAN_BYTES) {
      await file.read(start, scan);
      const used = usedBytes(scan);
      if (used === 0 && start > 0) continue;
      // The last bytes that are not zero may be a header, with a payload of zeros behind it.
      const usedEnd = start + used + SMALL_EXTENT_BYTES_MAX;
      if (usedEnd >= size) return size;
      await file.truncate(usedEnd);
      return usedEnd;
    }
    return size;
  } catch (error) {
    logger.warn({ error, path }, 'a segment that a crash left could not be cut to its used length');
    return size;
  } finally {
    await file.close();
  }
}

/** The end of the last block that has other bytes than zeros. */
function usedBytes(bytes: Buffer): number {
  let end = bytes.length;
  while (end > 0 && bytes.compare(ZERO_BLOCK, 0, BLOCK_BYTES, end - BLOCK_BYTES, end) === 0)
    end -= BLOCK_BYTES;
  return end;
}
