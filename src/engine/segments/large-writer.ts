/**
 * Writes a large body to a segment of its own, while it streams in.
 *
 * Bytes are copied into recycled staging buffers and hashed on the way, while they are in the processor's cache. A full
 * buffer goes to disk, a few at a time, without a sync; one sync at the end makes all of it durable. The
 * first block, with both headers, is written last: a segment that a crash left unfinished begins with zeros.
 *
 * Invariants: after any failed write or sync the body is never reported as stored; the file is gone after `abandon`.
 */
import { assert } from '../../core/assert.js';
import { HeadraceError } from '../../core/errors.js';
import { type StreamHash, createXxhash64, xxhash64 } from '../../core/hashing.js';
import type { Extent } from '../../core/object.js';
import type { DiskFile } from '../../core/ports.js';
import type { ExtentWriter } from '../segment-store.js';
import { type BufferHolder, STAGING_BYTES, type StagingBuffers } from './buffer-pool.js';
import { ChunkTable } from './chunk-table.js';
import type { SegmentCatalog, SegmentEntry } from './segment-catalog.js';
import {
  CHUNK_BYTES,
  LARGE_PAYLOAD_POSITION,
  SEGMENT_HEADER_BYTES,
  encodeExtentHeader,
  encodeSegmentHeader,
  extentEnd,
  placeExtentHeader,
  tablePosition,
} from './segment-format.js';
import type { SegmentStatistics } from './segment-statistics.js';

export interface LargeWriterParts {
  readonly catalog: SegmentCatalog;
  readonly statistics: SegmentStatistics;
  readonly buffers: StagingBuffers;
  readonly storeId: Uint8Array;
  readonly entry: SegmentEntry;
  readonly file: DiskFile;
  readonly owner: string;
  /** Writes in flight. */
  readonly writesMax: number;
  /** Called once, when the writer has finished or was abandoned. */
  readonly onEnd: () => void;
}

/** A part of the payload in a staging buffer. */
interface Stage {
  readonly buffer: Buffer;
  /** Where it belongs in the payload. */
  readonly start: number;
  /** Less than the buffer's length after an early write, so that the next one is aligned again. */
  readonly limit: number;
  used: number;
}

export class LargeWriter implements ExtentWriter, BufferHolder {
  readonly #parts: LargeWriterParts;
  /** Resolves when the file's name is durable. Runs beside the data. */
  readonly #named: Promise<void>;
  readonly #table = new ChunkTable();
  #chunkHash: StreamHash<bigint> | undefined;
  #chunkUsed = 0;
  #stage: Stage | undefined;
  #size = 0;
  #writes = 0;
  /** Where the staging buffers that are being written begin in the payload. */
  readonly #unwritten = new Set<number>();
  #onWritten: (() => void) | undefined;
  #failure: { readonly error: unknown } | undefined;
  #busy = false;
  #state: 'open' | 'finishing' | 'ended' = 'open';

  constructor(parts: LargeWriterParts) {
    this.#parts = parts;
    this.#named = parts.catalog.makeDurable(parts.entry.id);
    this.#named.catch((error: unknown) => this.#fail(error));
  }

  get segment(): number {
    return this.#parts.entry.id;
  }

  get size(): number {
    return this.#size;
  }

  get readableSize(): number {
    let end = this.#stage?.start ?? this.#size;
    for (const start of this.#unwritten) end = Math.min(end, start);
    return end - (end % CHUNK_BYTES);
  }

  get isWriting(): boolean {
    return this.#writes > 0;
  }

  flushed(): Promise<void> {
    return this.isWriting ? this.#written() : Promise.resolve();
  }

  async readBack(position: number): Promise<Uint8Array> {
    assert(position < this.readableSize && this.#state === 'open', 'only what is in the file is read back');
    const at = Math.floor(position / CHUNK_BYTES);
    const chunk = Buffer.allocUnsafe(CHUNK_BYTES);
    const { file } = this.#parts;
    const read = await file.read(LARGE_PAYLOAD_POSITION + at * CHUNK_BYTES, chunk);
    this.#throwFailure();
    if (read !== CHUNK_BYTES || xxhash64(chunk) !== this.#table.at(at))
      throw new HeadraceError('CORRUPT_EXTENT', `chunk ${at} of segment ${this.segment} came back damaged`);
    return chunk.subarray(position - at * CHUNK_BYTES);
  }

  async write(chunk: Uint8Array): Promise<void> {
    assert(
      !this.#busy && this.#state === 'open',
      'a large body is written by one call at a time, before its end',
    );
    this.#busy = true;
    this.#parts.buffers.unhold(this);
    try {
      let offset = 0;
      while (offset < chunk.length) {
        this.#throwFailure();
        const stage = this.#stage ?? (await this.#openStage());
        offset += this.#copy(stage, chunk, offset);
        if (stage.used === stage.limit) this.#writeStage(stage);
        while (this.#writes >= this.#parts.writesMax) await this.#written();
      }
      this.#throwFailure();
    } finally {
      this.#busy = false;
      if (this.#stage !== undefined) this.#parts.buffers.hold(this);
    }
  }

  async finish(): Promise<Extent> {
    assert(!this.#busy && this.#state === 'open', 'a large body is finished once, after its last write');
    this.#state = 'finishing';
    this.#parts.buffers.unhold(this);
    try {
      const extent = this.#writeEnd();
      while (this.#writes > 0) await this.#written();
      this.#throwFailure();
      await Promise.all([this.#parts.file.sync(), this.#named]);
      this.#throwFailure();
      const { catalog, entry, statistics } = this.#parts;
      catalog.seal(entry, extentEnd(extent.position, extent.size));
      statistics.payloadBytes += extent.size;
      this.#end();
      // Nothing depends on the close: everything is durable.
      this.#parts.file.close().catch(() => undefined);
      return extent;
    } catch (error) {
      this.#fail(error);
      // Should the file stay, it stays as a segment that no event mentions; the first error is the one that counts.
      await this.abandon().catch(() => undefined);
      throw error;
    }
  }

  async abandon(): Promise<void> {
    if (this.#state === 'ended') return;
    this.#end();
    this.#fail(new HeadraceError('CLOSED', `the writer of segment ${this.segment} was abandoned`));
    this.#parts.buffers.unhold(this);
    this.#dropStage();
    while (this.#writes > 0) await this.#written();
    await this.#named.catch(() => undefined);
    await this.#parts.file.close().catch(() => undefined);
    // Should the removal fail, the segment stays as one that no event mentions, and is dropped as such.
    this.#parts.catalog.seal(this.#parts.entry, this.#parts.entry.fileBytes);
    await this.#parts.catalog.remove(this.segment);
  }

  relinquish(): void {
    this.#parts.buffers.unhold(this);
    const stage = this.#stage;
    if (stage !== undefined && !this.#busy && this.#state === 'open') this.#writeStage(stage);
  }

  async #openStage(): Promise<Stage> {
    const buffer = await this.#parts.buffers.take();
    if (this.#failure !== undefined) {
      this.#parts.buffers.give(buffer);
      throw this.#failure.error;
    }
    const limit = STAGING_BYTES - (this.#size % STAGING_BYTES);
    this.#stage = { buffer, start: this.#size, limit, used: 0 };
    return this.#stage;
  }

  /** Copies and hashes as much as fits into the stage and the present chunk; returns how much that was. */
  #copy(stage: Stage, chunk: Uint8Array, offset: number): number {
    const bytes = Math.min(chunk.length - offset, stage.limit - stage.used, CHUNK_BYTES - this.#chunkUsed);
    const piece = offset === 0 && bytes === chunk.length ? chunk : chunk.subarray(offset, offset + bytes);
    stage.buffer.set(piece, stage.used);
    this.#chunkHash ??= createXxhash64();
    this.#chunkHash.update(piece);
    stage.used += bytes;
    this.#size += bytes;
    this.#chunkUsed += bytes;
    if (this.#chunkUsed === CHUNK_BYTES) this.#endChunk();
    return bytes;
  }

  #endChunk(): void {
    if (this.#chunkHash !== undefined) this.#table.add(this.#chunkHash.digest());
    this.#chunkHash = undefined;
    this.#chunkUsed = 0;
  }

  #writeStage(stage: Stage): void {
    this.#stage = undefined;
    const { buffer, start, used } = stage;
    this.#unwritten.add(start);
    this.#writeBytes(LARGE_PAYLOAD_POSITION + start, buffer.subarray(0, used), () => {
      this.#unwritten.delete(start);
      this.#parts.buffers.give(buffer);
    });
  }

  /** Begins the writes of what is left: the last bytes, the table, the headers. */
  #writeEnd(): Extent {
    this.#throwFailure();
    if (this.#stage !== undefined) this.#writeStage(this.#stage);
    this.#endChunk();
    const { entry, owner, storeId } = this.#parts;
    const size = this.#size;
    const table = this.#table.bytes;
    let checksum = this.#table.first ?? xxhash64(new Uint8Array());
    if (this.#table.count > 1) {
      checksum = xxhash64(table);
      this.#writeBytes(tablePosition(LARGE_PAYLOAD_POSITION, size), table);
    }
    const block = Buffer.alloc(LARGE_PAYLOAD_POSITION);
    encodeSegmentHeader(block, storeId, entry.id);
    const headerBytes = LARGE_PAYLOAD_POSITION - SEGMENT_HEADER_BYTES;
    encodeExtentHeader(block, SEGMENT_HEADER_BYTES, { headerBytes, owner, size, checksum });
    placeExtentHeader(block, SEGMENT_HEADER_BYTES, entry.id, LARGE_PAYLOAD_POSITION);
    this.#writeBytes(0, block);
    return { segment: entry.id, position: LARGE_PAYLOAD_POSITION, size, checksum };
  }

  #writeBytes(position: number, bytes: Buffer, then?: () => void): void {
    this.#writes++;
    const { file, catalog, statistics, entry } = this.#parts;
    const settle = (): void => {
      then?.();
      this.#writes--;
      const onWritten = this.#onWritten;
      this.#onWritten = undefined;
      onWritten?.();
    };
    file.write(position, bytes).then(
      () => {
        statistics.wrote(bytes.length);
        catalog.setFileBytes(entry, Math.max(entry.fileBytes, position + bytes.length));
        settle();
      },
      (error: unknown) => {
        this.#fail(error);
        settle();
      },
    );
  }

  /** Resolves when the next write in flight ends. */
  #written(): Promise<void> {
    return new Promise((resolve) => {
      const waiting = this.#onWritten;
      this.#onWritten = () => {
        waiting?.();
        resolve();
      };
    });
  }

  #fail(error: unknown): void {
    this.#failure ??= { error };
  }

  #throwFailure(): void {
    if (this.#failure !== undefined) throw this.#failure.error;
  }

  #dropStage(): void {
    if (this.#stage !== undefined) this.#parts.buffers.give(this.#stage.buffer);
    this.#stage = undefined;
  }

  #end(): void {
    this.#state = 'ended';
    this.#parts.onEnd();
  }
}
