/**
 * The segment store on the `Disk` port: one directory of append-only files.
 *
 * Small bodies share a segment and are written in batches (`batch-writer.ts`); a large body has a segment of its own
 * (`large-writer.ts`). A segment is reached through a bounded cache of open files, and leaves as a whole.
 */
import { assert } from '../../core/assert.js';
import { HeadraceError } from '../../core/errors.js';
import type { Logger } from '../../core/logger.js';
import type { Extent } from '../../core/object.js';
import type { Clock, Disk } from '../../core/ports.js';
import { MIB } from '../../core/units.js';
import type { AppendReceiver, ExtentWriter, SegmentStore } from '../segment-store.js';
import { BatchWriter } from './batch-writer.js';
import { StagingBuffers } from './buffer-pool.js';
import { FileCache } from './file-cache.js';
import { LargeWriter } from './large-writer.js';
import { SegmentCatalog } from './segment-catalog.js';
import {
  BLOCK_BYTES,
  OWNER_BYTES_MAX,
  PREALLOCATION_UNIT_BYTES,
  SMALL_EXTENT_BYTES_MAX,
  STORE_ID_BYTES,
} from './segment-format.js';
import { SegmentReader } from './segment-reader.js';
import { recoverSegments } from './segment-recovery.js';
import { SegmentStatistics } from './segment-statistics.js';
import { type FoundExtent, walkSegment } from './segment-walk.js';
import { SmallSegments } from './small-segments.js';

export interface SegmentStoreOptions {
  /** 16 bytes that say which store the files belong to. */
  readonly storeId: Uint8Array;
  readonly directory?: string;
  /** Length of a segment for small bodies: a multiple of 1 MiB, larger than a batch. */
  readonly smallSegmentBytes?: number;
  /** Length of a batch of small bodies, headers included. */
  readonly batchBytes?: number;
  /** Batches in memory. */
  readonly batchCount?: number;
  /** Bodies beyond the batches that may wait, in bytes; more are refused with `SLOW_DOWN`. */
  readonly queueBytesMax?: number;
  /** Buffers of 1 MiB for bodies that stream in, all together. */
  readonly writeBuffersMax?: number;
  /** Disk writes of one large body in flight. */
  readonly largeWritesMax?: number;
  /** Buffers of 1 MiB for bodies that stream out, all together. Beyond them reads are 256 KiB. */
  readonly readBuffersMax?: number;
  /** Files kept open for reading. */
  readonly openFilesMax?: number;
}

const DEFAULT_OPTIONS = {
  directory: 'segments',
  smallSegmentBytes: 64 * MIB,
  batchBytes: 4 * MIB,
  batchCount: 3,
  queueBytesMax: 64 * MIB,
  writeBuffersMax: 32,
  largeWritesMax: 3,
  readBuffersMax: 32,
  openFilesMax: 256,
} as const;

export interface SegmentStoreParts {
  readonly disk: Disk;
  readonly clock: Clock;
  readonly logger: Logger;
  readonly options: SegmentStoreOptions;
}

/**
 * Opens the segments in a directory, which is created when it is not there. Everything in it is taken over as found.
 * `UNSUPPORTED_FORMAT`, `DATA_DIRECTORY_UNUSABLE` (another store's segments), `IO_FAILED`, `DISK_FULL`.
 */
export async function openSegmentStore(parts: SegmentStoreParts): Promise<SegmentStore> {
  const { disk, logger } = parts;
  const options = { ...DEFAULT_OPTIONS, ...parts.options };
  const { smallSegmentBytes, batchBytes } = options;
  assert(options.storeId.length === STORE_ID_BYTES, 'a store id has 16 bytes');
  assert(smallSegmentBytes % PREALLOCATION_UNIT_BYTES === 0, 'a segment is a multiple of 1 MiB long');
  assert(batchBytes >= SMALL_EXTENT_BYTES_MAX, 'the largest small body must fit into a batch');
  assert(smallSegmentBytes >= BLOCK_BYTES + batchBytes, 'a batch must fit into a segment');
  await disk.makeDirectory(options.directory);
  const catalog = new SegmentCatalog(disk, logger, options.directory);
  await recoverSegments(disk, catalog, options.storeId, logger);
  return new SegmentFiles(parts, options, catalog);
}

class SegmentFiles implements SegmentStore {
  readonly statistics = new SegmentStatistics();
  readonly #logger: Logger;
  readonly #options: Required<SegmentStoreOptions>;
  readonly #catalog: SegmentCatalog;
  readonly #files: FileCache;
  readonly #reader: SegmentReader;
  readonly #small: SmallSegments;
  readonly #batches: BatchWriter;
  readonly #writeBuffers: StagingBuffers;
  readonly #writers = new Set<ExtentWriter>();
  readonly #drops = new Map<number, Promise<void>>();
  #closing: Promise<void> | undefined;

  constructor(parts: SegmentStoreParts, options: Required<SegmentStoreOptions>, catalog: SegmentCatalog) {
    const { disk, clock, logger } = parts;
    const { statistics } = this;
    const { storeId, batchBytes, batchCount, queueBytesMax } = options;
    this.#logger = logger;
    this.#options = options;
    this.#catalog = catalog;
    this.#files = new FileCache(disk, catalog, options.openFilesMax);
    this.#reader = new SegmentReader(this.#files, new StagingBuffers(options.readBuffersMax), clock);
    this.#writeBuffers = new StagingBuffers(options.writeBuffersMax);
    const sizeBytes = options.smallSegmentBytes;
    this.#small = new SmallSegments({ catalog, statistics, logger, storeId, sizeBytes });
    const limits = { batchBytes, batchCount, queueBytesMax };
    this.#batches = new BatchWriter({ clock, segments: this.#small, statistics, limits });
  }

  get fileBytes(): number {
    return this.#catalog.fileBytes;
  }

  get smallSegment(): number {
    return this.#small.lowestId;
  }

  append(owner: string, chunks: readonly Uint8Array[], size: number): Promise<Extent> {
    return new Promise((appended, failed) => {
      this.#batches.append(owner, chunks, size, { appended, failed });
    });
  }

  appendThen(owner: string, chunks: readonly Uint8Array[], size: number, receiver: AppendReceiver): void {
    this.#batches.append(owner, chunks, size, receiver);
  }

  async openWriter(owner: string, _sizeExpected: number | undefined): Promise<ExtentWriter> {
    assert(owner.length <= OWNER_BYTES_MAX, `an owner of ${owner.length} bytes is too long`);
    this.#throwIfClosed();
    const { entry, file } = await this.#catalog.create({ durableWrites: false });
    const writer = new LargeWriter({
      catalog: this.#catalog,
      statistics: this.statistics,
      buffers: this.#writeBuffers,
      storeId: this.#options.storeId,
      entry,
      file,
      owner,
      writesMax: this.#options.largeWritesMax,
      onEnd: () => this.#writers.delete(writer),
    });
    this.#writers.add(writer);
    if (this.#closing !== undefined) {
      await writer.abandon();
      this.#throwIfClosed();
    }
    return writer;
  }

  tryReadSmall(extent: Extent): { bytes: Uint8Array; release: () => void } | undefined {
    return this.#reader.tryReadSmall(extent);
  }

  readSmall(extent: Extent): Promise<{ bytes: Uint8Array; release: () => void }> {
    return this.#reader.readSmall(extent);
  }

  read(extent: Extent, first: number, last: number): AsyncIterable<Uint8Array> {
    return this.#reader.read(extent, first, last);
  }

  async *walk(segment: number): AsyncGenerator<FoundExtent, void, undefined> {
    const use = await this.#files.acquire(segment);
    try {
      const entry = this.#catalog.get(segment);
      const end = entry?.open === true ? entry.fileBytes : await use.file.size();
      yield* walkSegment(use.file, segment, end, this.#options.storeId, this.#logger);
    } finally {
      this.#files.release(use);
    }
  }

  async seal(): Promise<void> {
    await this.#batches.betweenWrites(() => this.#small.retire());
    await this.#small.retired();
  }

  drop(segment: number): Promise<void> {
    let drop = this.#drops.get(segment);
    if (drop === undefined) {
      drop = this.#drop(segment).finally(() => this.#drops.delete(segment));
      this.#drops.set(segment, drop);
    }
    return drop;
  }

  segments(): { readonly id: number; readonly fileBytes: number; readonly open: boolean }[] {
    return this.#catalog.entries();
  }

  close(): Promise<void> {
    this.#closing ??= this.#close();
    return this.#closing;
  }

  async #drop(segment: number): Promise<void> {
    this.#throwIfClosed();
    const entry = this.#catalog.get(segment);
    if (entry === undefined) return;
    assert(!entry.open, `segment ${segment} is still being written and cannot be dropped`);
    await this.#files.block(segment);
    try {
      await this.#catalog.remove(segment);
    } finally {
      this.#files.unblock(segment);
    }
  }

  async #close(): Promise<void> {
    await this.#batches.close();
    for (const writer of this.#writers) {
      await writer.abandon().catch((error: unknown) => {
        this.#logger.warn({ error, segment: writer.segment }, 'an unfinished segment could not be removed');
      });
    }
    await this.#small.close();
    await this.#files.close();
  }

  #throwIfClosed(): void {
    if (this.#closing !== undefined) throw new HeadraceError('CLOSED', 'the segment store is closed');
  }
}
