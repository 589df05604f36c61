/**
 * Reads a range of a partition's log from its segment files.
 *
 * Invariants: every frame is verified and must continue the one before it, across files; what ends too early
 * is `CORRUPT_FRAME`. A segment that is being read is pinned, and so are, in effect, all newer ones, because
 * trimming goes from the oldest on. Memory is one window, whatever the range.
 */
import { HeadraceError } from '../../src/core/errors.js';
import type { Disk } from '../../src/core/ports.js';
import { eventsOf, type FrameOwner } from '../frame.js';
import { FrameScanner, ScanWindow } from '../frame-scan.js';
import type { DurableBatch } from '../log-store.js';
import { continuesLog, corrupt } from './recovery.js';
import type { Segment, SegmentFiles } from './segment-files.js';

export interface ReadRange {
  readonly from: number;
  /** Everything below this offset is durable. */
  readonly upTo: number;
}

/**
 * Whole frames that hold events from `from` (inclusive) to `upTo` (exclusive). `LOG_TRIMMED`,
 * `CORRUPT_FRAME`.
 */
export async function* readBatches(
  disk: Disk,
  files: SegmentFiles,
  owner: FrameOwner,
  range: ReadRange,
): AsyncGenerator<DurableBatch, void, undefined> {
  const { from, upTo } = range;
  const oldest = files.segments[0];
  if (oldest === undefined || from < oldest.firstOffset)
    throw new HeadraceError(
      'LOG_TRIMMED',
      `offset ${from} of partition ${owner.partition} was trimmed: the log begins at ${oldest?.firstOffset ?? upTo}`,
      { details: { oldestOffset: oldest?.firstOffset ?? upTo } },
    );
  const window = new ScanWindow();
  let segment = files.segments.findLast((candidate) => candidate.firstOffset <= from) ?? oldest;
  const progress = { nextOffset: segment.firstOffset, lastEpoch: 0, position: 0 };
  segment.readers++;
  try {
    while (progress.nextOffset < upTo) {
      progress.position = 0;
      yield* readSegment(disk, segment, owner, range, window, progress);
      if (progress.nextOffset >= upTo) return;
      const next = files.segments.find((candidate) => candidate.sequence === segment.sequence + 1);
      if (next?.firstOffset !== progress.nextOffset)
        throw corrupt(
          segment,
          progress.position,
          progress.nextOffset,
          next === undefined ? 'is damaged' : `is damaged: ${next.path} follows`,
        );
      next.readers++;
      segment.readers--;
      segment = next;
    }
  } finally {
    segment.readers--;
  }
}

interface Progress {
  nextOffset: number;
  lastEpoch: number;
  position: number;
}

async function* readSegment(
  disk: Disk,
  segment: Segment,
  owner: FrameOwner,
  range: ReadRange,
  window: ScanWindow,
  progress: Progress,
): AsyncGenerator<DurableBatch, void, undefined> {
  const file = await disk.open(segment.path, { readOnly: true });
  try {
    const scanner = new FrameScanner(file, window);
    while (progress.nextOffset < range.upTo) {
      const { nextOffset, lastEpoch, position } = progress;
      const found = await scanner.at(position);
      if (found.kind !== 'FRAME') return;
      const { header, bytes } = found;
      if (!continuesLog(header, owner, nextOffset, lastEpoch, segment, position)) return;
      progress.nextOffset += header.count;
      progress.lastEpoch = header.epoch;
      progress.position += bytes.length;
      if (progress.nextOffset <= range.from || header.count === 0) continue;
      const { firstOffset, epoch, wallTimeMs } = header;
      yield { partition: owner.partition, epoch, firstOffset, events: eventsOf(bytes, header), wallTimeMs };
    }
  } finally {
    await file.close();
  }
}
