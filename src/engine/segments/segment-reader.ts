/**
 * Reads extents and verifies every byte before it is handed out.
 *
 * A small extent is read whole, into a recycled buffer, at once where that is cheap (`direct-reads.ts`). A large one is read a
 * mebibyte at a time, with one read ahead while memory for it is free; each chunk is compared with the table behind the
 * payload, and the table with the checksum in the event. The headers in front of payloads play no part: what the event says is
 * what counts.
 */
import { assert } from '../../core/assert.js';
import { HeadraceError } from '../../core/errors.js';
import { xxhash64 } from '../../core/hashing.js';
import type { Extent } from '../../core/object.js';
import type { Clock, DiskFile } from '../../core/ports.js';
import { ReadBuffers, type StagingBuffers } from './buffer-pool.js';
import { DirectReads } from './direct-reads.js';
import type { FileCache } from './file-cache.js';
import { CHECKSUM_BYTES, CHUNK_BYTES, tableBytes, tablePosition } from './segment-format.js';

/** A read of neighbouring chunks. */
interface Span {
  /** From the start of the payload; a multiple of the chunk size. */
  readonly start: number;
  readonly buffer: Buffer;
  readonly staging: boolean;
  readonly bytes: Promise<Buffer>;
}

/** Verified bytes of a small extent, in a buffer that goes back with `release`. */
export interface SmallRead {
  readonly bytes: Uint8Array;
  readonly release: () => void;
}

export class SegmentReader {
  readonly #files: FileCache;
  readonly #buffers = new ReadBuffers();
  readonly #staging: StagingBuffers;
  readonly #direct: DirectReads;

  /** `staging`: buffers for large reads; when they are all in use, reads become smaller, but never wait. */
  constructor(files: FileCache, staging: StagingBuffers, clock: Clock) {
    this.#files = files;
    this.#staging = staging;
    this.#direct = new DirectReads(clock);
  }

  /** See `SegmentStore.readSmall`. */
  readSmall(extent: Extent): Promise<SmallRead> {
    assert(extent.size <= CHUNK_BYTES, `an extent of ${extent.size} bytes is not small`);
    const read = this.tryReadSmall(extent);
    return read === undefined ? this.#readSmall(extent) : Promise.resolve(read);
  }

  /** See `SegmentStore.tryReadSmall`: the usual way then also finds and reports what is wrong. */
  tryReadSmall(extent: Extent): SmallRead | undefined {
    if (!this.#direct.mayRead(extent.size)) return undefined;
    const file = this.#files.peek(extent.segment);
    if (file === undefined) return undefined;
    const buffer = this.#buffers.take(extent.size);
    const bytes = buffer.subarray(0, extent.size);
    if (this.#direct.read(file, extent.position, bytes) && xxhash64(bytes) === extent.checksum)
      return this.#asRead(buffer, bytes);
    this.#buffers.give(buffer);
    return undefined;
  }

  async #readSmall(extent: Extent): Promise<SmallRead> {
    const use = await this.#files.acquire(extent.segment);
    const buffer = this.#buffers.take(extent.size);
    try {
      const bytes = buffer.subarray(0, extent.size);
      await readWhole(use.file, extent, extent.position, bytes);
      verify(extent, 0, bytes, extent.checksum);
      return this.#asRead(buffer, bytes);
    } catch (error) {
      this.#buffers.give(buffer);
      throw error;
    } finally {
      this.#files.release(use);
    }
  }

  #asRead(buffer: Buffer, bytes: Uint8Array): SmallRead {
    let released = false;
    const release = (): void => {
      assert(!released, 'a read buffer was released twice');
      released = true;
      this.#buffers.give(buffer);
    };
    return { bytes, release };
  }

  /** See `SegmentStore.read`. */
  async *read(extent: Extent, first: number, last: number): AsyncGenerator<Uint8Array, void, undefined> {
    const { size } = extent;
    assert(first >= 0 && last < size, `bytes ${first} to ${last} are not inside an extent of ${size} bytes`);
    if (last < first) return;
    if (size <= CHUNK_BYTES) {
      const { bytes, release } = await this.readSmall(extent);
      try {
        yield bytes.subarray(first, last + 1);
      } finally {
        release();
      }
      return;
    }
    const use = await this.#files.acquire(extent.segment);
    const reads: Span[] = [];
    try {
      yield* this.#readSpans(use.file, extent, first, last, reads);
    } finally {
      // The disk may still be writing into a buffer that was read ahead.
      for (const { bytes } of reads) await bytes.catch(() => undefined);
      for (const span of reads) this.#give(span);
      this.#files.release(use);
    }
  }

  /** `reads` are the spans whose buffers are in use, the oldest first. */
  async *#readSpans(
    file: DiskFile,
    extent: Extent,
    first: number,
    last: number,
    reads: Span[],
  ): AsyncGenerator<Uint8Array, void, undefined> {
    const end = Math.min(Math.ceil((last + 1) / CHUNK_BYTES) * CHUNK_BYTES, extent.size);
    let next = first - (first % CHUNK_BYTES);
    const begin = (buffer: Buffer, staging: boolean): void => {
      const target = buffer.subarray(0, Math.min(buffer.length, end - next));
      const bytes = readWhole(file, extent, extent.position + next, target).then(() => target);
      // Awaited in its turn; until then a failure must not count as unhandled.
      bytes.catch(() => undefined);
      reads.push({ start: next, buffer, staging, bytes });
      next += target.length;
    };
    const reading = this.#readTable(file, extent);
    this.#beginRead(begin);
    const table = await reading;
    while (reads.length > 0 || next < end) {
      if (reads.length === 0) this.#beginRead(begin);
      const [span] = reads as [Span];
      const bytes = await span.bytes;
      const ahead = next < end ? this.#staging.tryTake() : undefined;
      if (ahead !== undefined) begin(ahead, true);
      verifyChunks(extent, table, span.start, bytes);
      yield bytes.subarray(Math.max(first - span.start, 0), Math.min(last + 1 - span.start, bytes.length));
      reads.shift();
      this.#give(span);
    }
  }

  #beginRead(begin: (buffer: Buffer, staging: boolean) => void): void {
    const staging = this.#staging.tryTake();
    if (staging !== undefined) begin(staging, true);
    else begin(this.#buffers.take(CHUNK_BYTES), false);
  }

  #give(span: Span): void {
    if (span.staging) this.#staging.give(span.buffer);
    else this.#buffers.give(span.buffer);
  }

  async #readTable(file: DiskFile, extent: Extent): Promise<Buffer> {
    const table = Buffer.allocUnsafe(tableBytes(extent.size));
    await readWhole(file, extent, tablePosition(extent.position, extent.size), table);
    if (xxhash64(table) !== extent.checksum) throw corrupt(extent, 'its table of checksums is damaged');
    return table;
  }
}

/** Compares the chunks in `bytes`, which begin at `start` in the payload, with their checksums. */
function verifyChunks(extent: Extent, table: Buffer, start: number, bytes: Buffer): void {
  for (let offset = 0; offset < bytes.length; offset += CHUNK_BYTES) {
    const expected = table.readBigUInt64LE(((start + offset) / CHUNK_BYTES) * CHECKSUM_BYTES);
    verify(extent, start + offset, bytes.subarray(offset, offset + CHUNK_BYTES), expected);
  }
}

function verify(extent: Extent, start: number, bytes: Buffer, expected: bigint): void {
  const found = xxhash64(bytes);
  if (found === expected) return;
  const [is, should] = [found, expected].map((checksum) => checksum.toString(16).padStart(16, '0'));
  throw corrupt(extent, `the checksum of ${bytes.length} bytes from ${start} is ${is}, not ${should}`);
}

async function readWhole(
  file: DiskFile,
  extent: Extent,
  position: number,
  target: Uint8Array,
): Promise<void> {
  const bytes = await file.read(position, target);
  if (bytes < target.length) {
    throw corrupt(extent, `the file ends at ${position + bytes}, ${target.length - bytes} bytes too early`);
  }
}

function corrupt(extent: Extent, what: string): HeadraceError {
  const { segment, position, size } = extent;
  return new HeadraceError(
    'CORRUPT_EXTENT',
    `extent at ${position} of segment ${segment} (${size} bytes): ${what}`,
    { details: { segment, position } },
  );
}
