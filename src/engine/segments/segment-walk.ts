/**
 * Finds the extents in a segment file by their headers.
 *
 * Extents of a batch follow one another; a batch starts at a block boundary. Where no header is, the walk looks for the next
 * one, so that a gap between batches, what a failed write left, or a damaged header hides nothing but itself.
 * A header proves that an extent was written there, not that its payload is whole or that anything refers to it:
 * reading verifies the payload, and the index knows what lives.
 */
import type { Logger } from '../../core/logger.js';
import { takeMemory } from '../../core/memory.js';
import type { Extent } from '../../core/object.js';
import type { DiskFile } from '../../core/ports.js';
import { KIB } from '../../core/units.js';
import {
  BLOCK_BYTES,
  EXTENT_ALIGNMENT_BYTES,
  EXTENT_HEADER_BYTES,
  EXTENT_MAGIC_BYTES,
  EXTENT_MAGIC_OFFSET,
  OWNER_BYTES_MAX,
  SEGMENT_HEADER_BYTES,
  alignUp,
  checkSegmentHeader,
  decodeExtentHeader,
  decodeSegmentHeader,
  extentEnd,
} from './segment-format.js';

export interface FoundExtent {
  readonly owner: string;
  readonly extent: Extent;
}

/** The first read takes in the header of a large extent, behind which there is nothing more to find. */
const FIRST_WINDOW_BYTES = BLOCK_BYTES;
const WINDOW_BYTES = 256 * KIB;
const HEADER_BYTES_MAX = EXTENT_HEADER_BYTES + OWNER_BYTES_MAX;

/** A part of the file that moves forward. */
class Window {
  readonly #file: DiskFile;
  readonly #end: number;
  readonly #memory: Buffer;
  #start = 0;
  bytes: Buffer;

  constructor(file: DiskFile, end: number) {
    this.#file = file;
    this.#end = end;
    this.#memory = takeMemory(Math.min(WINDOW_BYTES, Math.max(end, FIRST_WINDOW_BYTES)));
    this.bytes = this.#memory.subarray(0, 0);
  }

  get end(): number {
    return this.#start + this.bytes.length;
  }

  /** Where `position` is in `bytes`; a header there is in memory as far as the file goes. */
  async seek(position: number): Promise<number> {
    const at = position - this.#start;
    const isLoaded = at + HEADER_BYTES_MAX <= this.bytes.length || this.end >= this.#end;
    if (isLoaded && at >= 0) return at;
    await this.load(position, WINDOW_BYTES);
    return 0;
  }

  async load(position: number, windowBytes: number): Promise<void> {
    const bytes = Math.min(windowBytes, this.#memory.length, this.#end - position);
    const target = this.#memory.subarray(0, Math.max(bytes, 0));
    this.#start = position;
    this.bytes = target.subarray(0, await this.#file.read(position, target));
  }
}

/**
 * Every extent with an intact header below `end`, ascending. `UNSUPPORTED_FORMAT` and `DATA_DIRECTORY_UNUSABLE` when the
 * segment's header says that it is not for this version or this store.
 */
export async function* walkSegment(
  file: DiskFile,
  segment: number,
  end: number,
  storeId: Uint8Array,
  logger: Logger,
): AsyncGenerator<FoundExtent, void, undefined> {
  const window = new Window(file, end);
  await window.load(0, FIRST_WINDOW_BYTES);
  const header = decodeSegmentHeader(window.bytes);
  if (header !== undefined) checkSegmentHeader(header, storeId, file.path);
  else if (isZero(window.bytes)) return;
  else
    logger.warn({ segment }, 'the header of a segment is damaged; its extents are looked for all the same');
  let position = SEGMENT_HEADER_BYTES;
  let damaged = 0;
  while (position + EXTENT_HEADER_BYTES <= end) {
    const at = await window.seek(position);
    const found = decodeExtentHeader(window.bytes, at, segment, position);
    const payload = position + (found?.headerBytes ?? 0);
    if (found === undefined || extentEnd(payload, found.size) > alignUp(end, EXTENT_ALIGNMENT_BYTES)) {
      if (!isZero(window.bytes.subarray(at, at + EXTENT_HEADER_BYTES))) damaged++;
      position = nextCandidate(window, position, at);
      continue;
    }
    const { owner, size, checksum } = found;
    yield { owner, extent: { segment, position: payload, size, checksum } };
    position = extentEnd(payload, size);
  }
  if (damaged > 0)
    logger.warn({ segment, damaged }, 'a segment has bytes where the header of an extent should be');
}

/** Where the next header may be, behind `position`, which is at `at` in the window. */
function nextCandidate(window: Window, position: number, at: number): number {
  const { bytes } = window;
  const firstMagic = at + EXTENT_ALIGNMENT_BYTES + EXTENT_MAGIC_OFFSET;
  let magic = bytes.indexOf(EXTENT_MAGIC_BYTES, firstMagic);
  while (magic >= 0 && (position + magic - at - EXTENT_MAGIC_OFFSET) % EXTENT_ALIGNMENT_BYTES !== 0) {
    magic = bytes.indexOf(EXTENT_MAGIC_BYTES, magic + 1);
  }
  if (magic >= 0) return position + magic - at - EXTENT_MAGIC_OFFSET;
  // A header that the end of the window cuts is found in the next one.
  const behind = window.end - (window.end % EXTENT_ALIGNMENT_BYTES) - 2 * EXTENT_ALIGNMENT_BYTES;
  return Math.max(position + EXTENT_ALIGNMENT_BYTES, behind);
}

function isZero(bytes: Buffer): boolean {
  return bytes.every((byte) => byte === 0);
}
