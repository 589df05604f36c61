/**
 * The segment that small bodies go to, and the one that comes after it.
 *
 * A file is extended to its full length before anything is stored in it, and written with O_DSYNC: a write then makes the
 * data durable in one call and never has to change the file's size. The extension is a hole, so that nothing is written
 * twice. The next file is made ready while the present one still has room, so that no body waits for it.
 *
 * Invariants: bytes that were acknowledged lie below `position` and are never written again; an old segment is never
 * appended to: at the start a new one is opened.
 */
import type { Logger } from '../../core/logger.js';
import type { DiskFile } from '../../core/ports.js';
import type { SegmentCatalog, SegmentEntry } from './segment-catalog.js';
import { BLOCK_BYTES, SEGMENT_HEADER_BYTES, alignUp, encodeSegmentHeader } from './segment-format.js';
import type { SegmentStatistics } from './segment-statistics.js';

export interface SmallSegment {
  readonly entry: SegmentEntry;
  readonly file: DiskFile;
  /** The end of what is durable. */
  position: number;
}

/** What is left of a segment when the next one is made ready. */
const SPARE_AT_FRACTION = 0.5;

export class SmallSegments {
  readonly #catalog: SegmentCatalog;
  readonly #statistics: SegmentStatistics;
  readonly #logger: Logger;
  readonly #storeId: Uint8Array;
  readonly #sizeBytes: number;
  #current: SmallSegment | undefined;
  #spare: Promise<SmallSegment> | undefined;
  #spareId: number | undefined;
  readonly #retiring = new Set<Promise<void>>();

  constructor(parts: {
    catalog: SegmentCatalog;
    statistics: SegmentStatistics;
    logger: Logger;
    storeId: Uint8Array;
    sizeBytes: number;
  }) {
    this.#catalog = parts.catalog;
    this.#statistics = parts.statistics;
    this.#logger = parts.logger;
    this.#storeId = parts.storeId;
    this.#sizeBytes = parts.sizeBytes;
  }

  /** No later body goes to a segment with a lower id than this. */
  get lowestId(): number {
    return this.#current?.entry.id ?? this.#spareId ?? this.#catalog.nextId;
  }

  /** A segment with room for `bytes` at the next block after its position. `DISK_FULL`, `IO_FAILED`. */
  async place(bytes: number): Promise<SmallSegment> {
    const current = this.#current;
    if (current !== undefined) {
      if (alignUp(current.position, BLOCK_BYTES) + bytes <= this.#sizeBytes) return current;
      this.retire();
    }
    const next = await this.#prepareSpare();
    this.#current = next;
    this.#forgetSpare();
    return next;
  }

  /** The bytes of `segment` up to `position` are durable. */
  advance(segment: SmallSegment, position: number): void {
    const spareAt = this.#sizeBytes * SPARE_AT_FRACTION;
    const isDue = segment.position <= spareAt && position > spareAt;
    segment.position = position;
    this.#catalog.setFileBytes(segment.entry, position);
    if (isDue) void this.#prepareSpare();
  }

  /** Appends nothing more to the present segment. Its unused length goes back in the background. */
  retire(): void {
    const segment = this.#current;
    if (segment === undefined) return;
    this.#current = undefined;
    const retiring = this.#cut(segment).then(() => {
      this.#retiring.delete(retiring);
    });
    this.#retiring.add(retiring);
  }

  /** Resolves when all segments that were retired are closed. */
  async retired(): Promise<void> {
    await Promise.all(this.#retiring);
  }

  async close(): Promise<void> {
    this.retire();
    const spare = await this.#spare?.catch(() => undefined);
    this.#forgetSpare();
    if (spare !== undefined) await this.#discard(spare.entry, spare.file);
    await this.retired();
  }

  #prepareSpare(): Promise<SmallSegment> {
    if (this.#spare !== undefined) return this.#spare;
    this.#spareId = this.#catalog.nextId;
    const spare = this.#prepare();
    this.#spare = spare;
    // What failed is tried again, under another id, when a body needs the segment.
    spare.catch(() => this.#forgetSpare());
    return spare;
  }

  #forgetSpare(): void {
    this.#spare = undefined;
    this.#spareId = undefined;
  }

  async #prepare(): Promise<SmallSegment> {
    const { entry, file } = await this.#catalog.create({ durableWrites: true });
    try {
      const header = Buffer.allocUnsafe(SEGMENT_HEADER_BYTES);
      encodeSegmentHeader(header, this.#storeId, entry.id);
      await file.write(0, header);
      await file.truncate(this.#sizeBytes);
      await Promise.all([file.sync(), this.#catalog.makeDurable(entry.id)]);
      this.#statistics.wrote(SEGMENT_HEADER_BYTES);
      this.#catalog.setFileBytes(entry, BLOCK_BYTES);
    } catch (error) {
      await this.#discard(entry, file);
      throw error;
    }
    return { entry, file, position: BLOCK_BYTES };
  }

  async #discard(entry: SegmentEntry, file: DiskFile): Promise<void> {
    try {
      await file.close();
      await this.#catalog.remove(entry.id);
    } catch (error) {
      // It has no extents: the engine drops it after the next start.
      this.#catalog.seal(entry, entry.fileBytes);
      this.#logger.warn({ error, segment: entry.id }, 'a segment that was never used could not be removed');
    }
  }

  async #cut({ entry, file, position }: SmallSegment): Promise<void> {
    try {
      await file.truncate(position);
      await file.close();
    } catch (error) {
      // The rest of the file is a hole; the next start cuts it.
      this.#logger.warn({ error, segment: entry.id }, 'a full segment could not be cut to its used length');
      await file.close().catch(() => undefined);
    }
    this.#catalog.seal(entry, position);
  }
}
