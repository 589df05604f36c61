/**
 * The segment files of one partition: their names, and how they come and go.
 *
 * | name                                            | what                                                              |
 * |-------------------------------------------------|-------------------------------------------------------------------|
 * | `<sequence, 10 digits>-<offset, 16 digits>.log` | a segment; the offset is that of its first event                  |
 * | `spare-<number>.log`                            | a file ready to become one: zeros, or the bytes of a trimmed one  |
 * | `spare-<number>.tmp`                            | a spare being filled; removed at the next start                   |
 *
 * Invariants: sequences are dense from the oldest to the newest segment, so that a missing file is noticed by
 * its name; the newest segment is the only one written to; every name is durable before the first byte that
 * is acknowledged in it; a file becomes a spare durably before it is written again. Files keep their full
 * size and are written in full once, so that an append changes no metadata and costs one write (see
 * `docs/on-disk-format.md`).
 */
import { HeadraceError } from '../../src/core/errors.js';
import type { Logger } from '../../src/core/logger.js';
import type { Disk, DiskFile } from '../../src/core/ports.js';
import { KIB } from '../../src/core/units.js';

export interface Segment {
  readonly sequence: number;
  /** Offset of the first event in it, or of the next one while it has none. */
  readonly firstOffset: number;
  readonly path: string;
  readonly sizeBytes: number;
  /** Readers in it: it is not dropped meanwhile. */
  readers: number;
  /** When its first frame was made, once somebody asked. */
  firstWallTimeMs: number | undefined;
}

export interface SegmentFilesOptions {
  readonly segmentBytes: number;
  /**
   * The first one of a partition is smaller, so that a new store starts at once and an idle one stays small.
   */
  readonly firstSegmentBytes: number;
  /** Trimmed files that are kept to be written again. */
  readonly sparesMax: number;
}

const SEGMENT_NAME = /^(\d{10})-(\d{16})\.log$/;
const SPARE_NAME = /^spare-(\d+)\.(log|tmp)$/;
const SEQUENCE_DIGITS = 10;
const OFFSET_DIGITS = 16;

/**
 * Spares are filled in pieces of this size on purpose: the page cache keeps a file in folios as large as the writes that made
 * them, and Linux accounts (and flushes) a later small write by the folio. After 1 MiB pieces a 6 KiB frame counts as 1 MiB.
 */
const ZEROS = new Uint8Array(16 * KIB);

export class SegmentFiles {
  readonly directory: string;
  readonly #disk: Disk;
  readonly #logger: Logger;
  readonly #options: SegmentFilesOptions;
  readonly #segments: Segment[] = [];
  readonly #spares: string[] = [];
  #spareNumber = 0;
  #preparing: Promise<void> | undefined;
  #dropFailure: unknown;

  constructor(disk: Disk, logger: Logger, directory: string, options: SegmentFilesOptions) {
    this.#disk = disk;
    this.#logger = logger;
    this.directory = directory;
    this.#options = options;
  }

  /** Oldest first. */
  get segments(): readonly Segment[] {
    return this.#segments;
  }

  /** Reads the directory, which is made when there is none. `CORRUPT_FRAME` when a segment is missing. */
  async open(): Promise<void> {
    await this.#disk.makeDirectory(this.directory);
    for (const name of await this.#disk.list(this.directory)) {
      const path = `${this.directory}/${name}`;
      const segment = SEGMENT_NAME.exec(name);
      const spare = SPARE_NAME.exec(name);
      if (segment !== null) {
        const sizeBytes = (await this.#disk.sizeOf(path)) ?? 0;
        this.#add({ sequence: Number(segment[1]), firstOffset: Number(segment[2]), path, sizeBytes });
      } else if (spare !== null) {
        this.#spareNumber = Math.max(this.#spareNumber, Number(spare[1]) + 1);
        if (spare[2] === 'log' && (await this.#isReusable(path))) this.#spares.push(path);
        else await this.#disk.remove(path);
      } else {
        this.#logger.warn({ path }, 'a file that is not of the log lies in its directory and is left alone');
      }
    }
  }

  /**
   * Fills a spare in the background unless there is one. A failure is logged: `roll` tries again and reports
   * it.
   */
  prepare(): void {
    if (this.#spares.length > 0 || this.#preparing !== undefined) return;
    this.#preparing = this.#fillSpare(this.#options.segmentBytes)
      .catch((error: unknown) => {
        this.#logger.warn({ error, directory: this.directory }, 'the next log segment could not be prepared');
      })
      .finally(() => {
        this.#preparing = undefined;
      });
  }

  /**
   * Makes a segment for events from `firstOffset` on the newest, and opens it. Its name is durable on return.
   */
  async roll(firstOffset: number): Promise<{ segment: Segment; file: DiskFile }> {
    await this.#preparing;
    const newest = this.#segments.at(-1);
    if (this.#spares.length === 0)
      await this.#fillSpare(
        newest === undefined ? this.#options.firstSegmentBytes : this.#options.segmentBytes,
      );
    const spare = this.#spares.shift() as string;
    const sequence = newest === undefined ? 0 : newest.sequence + 1;
    const path = `${this.directory}/${segmentName(sequence, firstOffset)}`;
    const sizeBytes = (await this.#disk.sizeOf(spare)) ?? 0;
    await this.#disk.rename(spare, path);
    await this.#disk.syncDirectory(this.directory);
    const segment = this.#add({ sequence, firstOffset, path, sizeBytes });
    return { segment, file: await this.#disk.open(path, { durableWrites: true }) };
  }

  /** Drops the oldest segment; durable on return. Its file is kept as a spare, if there are few. */
  async dropOldest(): Promise<void> {
    if (this.#dropFailure !== undefined) throw this.#dropFailure;
    // Off the list first: from here on nobody begins to read it.
    const segment = this.#segments.shift();
    if (segment === undefined) return;
    // A file without events holds seals that carry the offset of what follows: they might be taken for new
    // ones.
    const hasEvents = segment.firstOffset < (this.#segments[0]?.firstOffset ?? segment.firstOffset);
    const { segmentBytes, sparesMax } = this.#options;
    const reuse = hasEvents && segment.sizeBytes === segmentBytes && this.#spares.length < sparesMax;
    const spare = `${this.directory}/spare-${this.#spareNumber++}.log`;
    try {
      if (reuse) await this.#disk.rename(segment.path, spare);
      else await this.#disk.remove(segment.path);
      await this.#disk.syncDirectory(this.directory);
    } catch (error) {
      // A crash may bring the file back. If a newer one were dropped now, that would look like a hole in the
      // log.
      this.#dropFailure = error;
      throw error;
    }
    if (reuse) this.#spares.push(spare);
  }

  /** Resolves when nothing goes on in the background. */
  async close(): Promise<void> {
    await this.#preparing;
  }

  #add(found: Omit<Segment, 'readers' | 'firstWallTimeMs'>): Segment {
    const newest = this.#segments.at(-1);
    if (newest !== undefined && found.sequence !== newest.sequence + 1)
      throw new HeadraceError(
        'CORRUPT_FRAME',
        `a log segment is missing in ${this.directory}: after ${newest.path} comes ${found.path}`,
        { details: { offset: newest.firstOffset } },
      );
    const segment: Segment = { ...found, readers: 0, firstWallTimeMs: undefined };
    this.#segments.push(segment);
    return segment;
  }

  async #isReusable(path: string): Promise<boolean> {
    if (this.#spares.length >= this.#options.sparesMax) return false;
    return (await this.#disk.sizeOf(path)) === this.#options.segmentBytes;
  }

  async #fillSpare(sizeBytes: number): Promise<void> {
    const path = `${this.directory}/spare-${this.#spareNumber++}`;
    const file = await this.#disk.create(`${path}.tmp`);
    try {
      for (let position = 0; position < sizeBytes; position += ZEROS.length)
        await file.write(position, ZEROS.subarray(0, Math.min(ZEROS.length, sizeBytes - position)));
      await file.sync();
    } catch (error) {
      await file.close();
      await this.#disk.remove(`${path}.tmp`);
      throw error;
    }
    await file.close();
    await this.#disk.rename(`${path}.tmp`, `${path}.log`);
    this.#spares.push(`${path}.log`);
  }
}

export function segmentName(sequence: number, firstOffset: number): string {
  return `${String(sequence).padStart(SEQUENCE_DIGITS, '0')}-${String(firstOffset).padStart(OFFSET_DIGITS, '0')}.log`;
}
