/**
 * Recovery of one partition: finds the end of its log, and decides whether what lies there is the trace of an
 * append that was never acknowledged or damage to one that was.
 *
 * It rests on the way the log is written: one write in flight, each durable before the next begins. So after
 * a crash at most the last frame is torn, and nothing was written behind it. A bad frame with a good one
 * behind it is damage.
 *
 * The window that remains: damage to the very last acknowledged frame, together with a crash before a seal
 * was written behind it (the log writes one when it has been idle for `sealDelayMs`, at each open and at each
 * close), looks like a torn append and is cut. The same holds for a power failure that damages bytes next to
 * those being written: a drive has to write its sectors whole.
 */
import { HeadraceError } from '../../src/core/errors.js';
import type { Logger } from '../../src/core/logger.js';
import type { Disk } from '../../src/core/ports.js';
import { type FrameHeader, type FrameOwner, isOwn } from '../frame.js';
import { FrameScanner, type Scanned, ScanWindow } from '../frame-scan.js';
import type { RecoveryReport } from '../log-store.js';
import type { Segment } from './segment-files.js';

export type RecoveryDecision = 'FRESH' | 'CLEAN_END' | 'STALE_END' | 'TORN_TAIL_CUT' | 'EMPTY_SEGMENT';

export interface RecoveredEnd {
  readonly report: RecoveryReport & { readonly decision: RecoveryDecision };
  /** The highest epoch there was; 0 for none. */
  readonly lastEpoch: number;
  readonly nextOffset: number;
  /** Where the next frame goes in the newest segment. */
  readonly position: number;
}

/** The end of the frames in one segment. */
interface SegmentEnd {
  readonly frames: number;
  readonly position: number;
  readonly nextOffset: number;
  readonly lastEpoch: number;
  /** What is at `position`. */
  readonly found: Scanned;
}

const ZEROS = new Uint8Array(64 * 1024);

/**
 * Finds the end of the log in `segments` (oldest first), and makes the newest one ready for appends: a torn
 * frame is zeroed, durably. Only the newest segment with frames is read; `read` verifies the others as it
 * goes.
 *
 * | # | segments                           | at the end of the newest frames          | intact frame behind it | decision        |
 * |--:|------------------------------------|------------------------------------------|------------------------|-----------------|
 * | 1 | none                               |                                          |                        | `FRESH`         |
 * | 2 | newest holds frames                | zeros, or the end of the file            | none                   | `CLEAN_END`     |
 * | 3 | newest holds frames                | older frame, or bytes of no frame        | none                   | `STALE_END`     |
 * | 4 | newest holds frames, or offset 0   | magic of a frame that does not verify    | none                   | `TORN_TAIL_CUT` |
 * | 5 | newest holds none, an older does   | as in 2 or 3, and ends where it begins   | none                   | `EMPTY_SEGMENT` |
 * | 6 | only one, offset 0, no frames      | as in 2 or 3                             | none                   | `EMPTY_SEGMENT` |
 * | 7 | only one, offset above 0, no frames | anything                                | any                    | CORRUPT_FRAME   |
 * | 8 | any                                | anything                                 | one of this log        | CORRUPT_FRAME   |
 * | 9 | older one                          | does not end where the next one begins   |                        | CORRUPT_FRAME   |
 * |10 | any                                | intact frame of another store            |                        | CORRUPT_FRAME   |
 * |11 | any                                | intact frame that leaves offsets out     |                        | CORRUPT_FRAME   |
 * |12 | any                                | intact frame of a newer version          |                        | UNSUPPORTED_FORMAT |
 *
 * "Behind it" is the rest of the newest segment. "Of this log": right store and partition, at or above the
 * expected offset and the last epoch; a recycled file also holds intact frames from its earlier life, which
 * are below. A file that was recycled is full of such bytes, hence row 3. Row 7: a segment is only dropped
 * once a newer one holds a frame. A missing file is noticed before, by its name (`SegmentFiles.open`).
 */
export async function recoverEnd(
  disk: Disk,
  segments: readonly Segment[],
  owner: FrameOwner,
  logger: Logger,
): Promise<RecoveredEnd> {
  const newest = segments.at(-1);
  if (newest === undefined) {
    const report = { frames: 0, cutBytes: 0, decision: 'FRESH' } as const;
    return { report, lastEpoch: 0, nextOffset: 0, position: 0 };
  }
  const { end, before, lastEpoch } = await findEnd(disk, segments, newest, owner);
  // Nothing was changed so far: what is damaged stays as it was found.
  const torn = end.found.kind === 'DAMAGED';
  const cutBytes = torn ? await cut(disk, newest, end, end.found.bytes, logger) : 0;
  const decision = before === undefined || torn ? decide(end.found) : 'EMPTY_SEGMENT';
  const report = { frames: end.frames + (before?.frames ?? 0), cutBytes, decision };
  return { report, lastEpoch, nextOffset: end.nextOffset, position: end.position };
}

/** As `recoverEnd`, for those who only look: a torn frame is left as it is, and not part of the log. */
export async function findLogEnd(
  disk: Disk,
  segments: readonly Segment[],
  owner: FrameOwner,
): Promise<{ nextOffset: number; lastEpoch: number }> {
  const newest = segments.at(-1);
  if (newest === undefined) return { nextOffset: 0, lastEpoch: 0 };
  const { end, lastEpoch } = await findEnd(disk, segments, newest, owner);
  return { nextOffset: end.nextOffset, lastEpoch };
}

async function findEnd(
  disk: Disk,
  segments: readonly Segment[],
  newest: Segment,
  owner: FrameOwner,
): Promise<{
  end: SegmentEnd;
  before: { frames: number; lastEpoch: number } | undefined;
  lastEpoch: number;
}> {
  const window = new ScanWindow();
  const end = await scanSegment(disk, newest, owner, window);
  const before = end.frames > 0 ? undefined : await findOlderEnd(disk, segments, owner, window);
  const lastEpoch = before?.lastEpoch ?? end.lastEpoch;
  await refuseFramesBehind(disk, newest, end, lastEpoch, owner, window);
  return { end, before, lastEpoch };
}

function decide(found: Scanned): RecoveryDecision {
  switch (found.kind) {
    case 'NOTHING':
      return 'CLEAN_END';
    case 'DAMAGED':
      return 'TORN_TAIL_CUT';
    case 'BYTES':
    case 'FRAME':
      return 'STALE_END';
  }
}

/** Whether an intact frame can only have been written at or after this point of this log. */
function isAtOrAfter(header: FrameHeader, owner: FrameOwner, offset: number, epoch: number): boolean {
  return isOwn(header, owner) && header.firstOffset >= offset && header.epoch >= epoch;
}

/** Verifies all frames of a segment, up to the first position that holds none that continues the log. */
async function scanSegment(
  disk: Disk,
  segment: Segment,
  owner: FrameOwner,
  window: ScanWindow,
): Promise<SegmentEnd> {
  const file = await disk.open(segment.path, { readOnly: true });
  try {
    const scanner = new FrameScanner(file, window);
    let frames = 0;
    let position = 0;
    let nextOffset = segment.firstOffset;
    let lastEpoch = 0;
    for (;;) {
      const found = await scanner.at(position);
      if (
        found.kind !== 'FRAME' ||
        !continuesLog(found.header, owner, nextOffset, lastEpoch, segment, position)
      )
        return { frames, position, nextOffset, lastEpoch, found };
      frames++;
      position += found.bytes.length;
      nextOffset += found.header.count;
      lastEpoch = found.header.epoch;
    }
  } finally {
    await file.close();
  }
}

/**
 * Whether an intact frame is the one expected at this point (true) or is left from an earlier life of the
 * file (false). `CORRUPT_FRAME` when it can be neither.
 */
export function continuesLog(
  header: FrameHeader,
  owner: FrameOwner,
  nextOffset: number,
  lastEpoch: number,
  segment: Segment,
  position: number,
): boolean {
  if (!isOwn(header, owner))
    throw corrupt(
      segment,
      position,
      nextOffset,
      `holds a frame of partition ${header.partition} of store ${header.storeId.toString(16)}: it does not belong here`,
    );
  if (!isAtOrAfter(header, owner, nextOffset, lastEpoch)) return false;
  if (header.firstOffset === nextOffset) return true;
  throw corrupt(segment, position, nextOffset, `is followed by a frame of offset ${header.firstOffset}`);
}

async function refuseFramesBehind(
  disk: Disk,
  segment: Segment,
  end: SegmentEnd,
  lastEpoch: number,
  owner: FrameOwner,
  window: ScanWindow,
): Promise<void> {
  const file = await disk.open(segment.path, { readOnly: true });
  try {
    const behind = await new FrameScanner(file, window).find(end.position, (header) =>
      isAtOrAfter(header, owner, end.nextOffset, lastEpoch),
    );
    if (behind !== undefined)
      throw corrupt(
        segment,
        end.position,
        end.nextOffset,
        `is damaged: an intact frame of offset ${behind.header.firstOffset} follows at position ${behind.position}`,
      );
  } finally {
    await file.close();
  }
}

/**
 * The end of the newest segment that holds frames before the newest one; every segment behind it must begin
 * there.
 */
async function findOlderEnd(
  disk: Disk,
  segments: readonly Segment[],
  owner: FrameOwner,
  window: ScanWindow,
): Promise<{ frames: number; lastEpoch: number }> {
  for (let i = segments.length - 2; i >= 0; i--) {
    const segment = segments[i] as Segment;
    const next = segments[i + 1] as Segment;
    const end = await scanSegment(disk, segment, owner, window);
    if (end.nextOffset !== next.firstOffset)
      throw corrupt(segment, end.position, end.nextOffset, `is damaged: ${next.path} follows`);
    if (end.frames > 0) return end;
  }
  const oldest = segments[0] as Segment;
  if (oldest.firstOffset > 0)
    throw corrupt(oldest, 0, oldest.firstOffset, 'is damaged: the first frame of the log must be intact');
  return { frames: 0, lastEpoch: 0 };
}

/** Zeroes a torn frame, durably, so that nothing of it is ever met again. Returns its length. */
async function cut(
  disk: Disk,
  segment: Segment,
  end: SegmentEnd,
  bytes: number,
  logger: Logger,
): Promise<number> {
  const file = await disk.open(segment.path, { durableWrites: true });
  try {
    for (let done = 0; done < bytes; done += ZEROS.length)
      await file.write(end.position + done, ZEROS.subarray(0, Math.min(ZEROS.length, bytes - done)));
  } finally {
    await file.close();
  }
  logger.warn(
    { path: segment.path, position: end.position, offset: end.nextOffset, bytes },
    'the torn end of an append that was never acknowledged was cut',
  );
  return bytes;
}

export function corrupt(segment: Segment, position: number, offset: number, finding: string): HeadraceError {
  return new HeadraceError(
    'CORRUPT_FRAME',
    `the log at position ${position} of ${segment.path}, where offset ${offset} is expected, ${finding}`,
    { details: { path: segment.path, position, offset } },
  );
}
