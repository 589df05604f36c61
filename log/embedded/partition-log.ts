/**
 * One partition of the embedded log: appends to the newest segment, rolls to the next, seals, reads and trims.
 *
 * Invariants: a frame is durable when its write resolves, because the segment is open with O_DSYNC; bytes
 * behind the last frame are never written before it is durable; the next segment is made ready once the
 * newest is half full.
 */
import { type Observable, Subject } from 'rxjs';
import { assert } from '../../src/core/assert.js';
import { HeadraceError } from '../../src/core/errors.js';
import type { Logger } from '../../src/core/logger.js';
import type { LogMetrics } from '../../src/core/metrics.js';
import type { Cancel, Clock, Disk, DiskFile } from '../../src/core/ports.js';
import type { Event } from '../events.js';
import type { FrameOwner } from '../frame.js';
import { FrameScanner } from '../frame-scan.js';
import { GroupCommit, type GroupCommitLimits } from '../group-commit.js';
import type { DurableBatch, LogStatistics, PartitionLog, RecoveryReport } from '../log-store.js';
import { isDroppable, type Retention } from '../retention.js';
import { readBatches } from './read-batches.js';
import { corrupt, type RecoveredEnd, recoverEnd } from './recovery.js';
import { type Segment, SegmentFiles, type SegmentFilesOptions } from './segment-files.js';

export interface PartitionSettings {
  readonly files: SegmentFilesOptions;
  readonly limits: GroupCommitLimits;
  readonly sealDelayMs: number;
  readonly retention: Retention;
}

export interface PartitionComponents {
  readonly disk: Disk;
  readonly clock: Clock;
  readonly logger: Logger;
  readonly metrics?: LogMetrics;
}

export class EmbeddedPartitionLog implements PartitionLog {
  readonly epoch: number;
  readonly recovery: RecoveryReport;
  readonly batches$: Observable<DurableBatch>;
  readonly #owner: FrameOwner;
  readonly #components: PartitionComponents;
  readonly #settings: PartitionSettings;
  readonly #files: SegmentFiles;
  readonly #batches = new Subject<DurableBatch>();
  readonly #commit: GroupCommit;
  #segment: Segment | undefined;
  #file: DiskFile | undefined;
  #position: number;
  /** Half of the newest segment: beyond it the next one is made ready. */
  #prepareAt = 0;
  #cancelSeal: Cancel | undefined;
  /** When the last batch became durable, on the monotonic clock. */
  #lastBatchMs = 0;
  #trimming: Promise<void> = Promise.resolve();
  #closing: Promise<void> | undefined;

  private constructor(
    owner: FrameOwner,
    components: PartitionComponents,
    settings: PartitionSettings,
    files: SegmentFiles,
    end: RecoveredEnd,
  ) {
    this.#owner = owner;
    this.#components = components;
    this.#settings = settings;
    this.#files = files;
    this.#position = end.position;
    this.epoch = end.lastEpoch + 1;
    this.recovery = end.report;
    this.batches$ = this.#batches.asObservable();
    this.#commit = new GroupCommit({
      owner,
      epoch: this.epoch,
      nextOffset: end.nextOffset,
      limits: settings.limits,
      clock: components.clock,
      metrics: components.metrics,
      write: (bytes, firstOffset) => this.#write(bytes, firstOffset),
      onDurable: (batch) => this.#onDurable(batch),
    });
  }

  /**
   * Recovers the partition in `directory` and takes it over with the next epoch, which is durable on return,
   * in a seal. `CORRUPT_FRAME`, `UNSUPPORTED_FORMAT`, `IO_FAILED`, `DISK_FULL`.
   */
  static async open(
    directory: string,
    owner: FrameOwner,
    components: PartitionComponents,
    settings: PartitionSettings,
  ): Promise<EmbeddedPartitionLog> {
    const { disk, logger } = components;
    const files = new SegmentFiles(disk, logger, directory, settings.files);
    await files.open();
    const end = await recoverEnd(disk, files.segments, owner, logger);
    const log = new EmbeddedPartitionLog(owner, components, settings, files, end);
    try {
      const newest = files.segments.at(-1);
      if (newest === undefined) await log.#roll(end.nextOffset);
      else log.#use(newest, await disk.open(newest.path, { durableWrites: true }), end.position);
      // A process that was killed may leave a whole frame, or a name, in the kernel's memory alone. What
      // recovery has seen is about to be taken for durable, so it has to be.
      await log.#file?.sync();
      await disk.syncDirectory(directory);
      await log.#commit.seal();
    } catch (error) {
      await files.close();
      await log.#file?.close();
      throw error;
    }
    const { partition } = owner;
    logger.debug({ partition, epoch: log.epoch, nextOffset: end.nextOffset, ...end.report }, 'log opened');
    return log;
  }

  get partition(): number {
    return this.#owner.partition;
  }

  get nextOffset(): number {
    return this.#commit.nextOffset;
  }

  get durableOffset(): number {
    return this.#commit.durableOffset;
  }

  get oldestOffset(): number {
    return this.#files.segments[0]?.firstOffset ?? 0;
  }

  get statistics(): LogStatistics {
    return this.#commit.statistics;
  }

  append(events: readonly Event[]): Promise<number> {
    return this.#commit.append(events);
  }

  read(from: number): AsyncIterable<DurableBatch> {
    assert(Number.isSafeInteger(from) && from >= 0, `${from} is not an offset`);
    if (this.#closing !== undefined) throw this.#closedError();
    const range = { from, upTo: this.durableOffset };
    return readBatches(this.#components.disk, this.#files, this.#owner, range);
  }

  trim(upTo: number): Promise<void> {
    if (this.#closing !== undefined) return Promise.reject(this.#closedError());
    const trimmed = this.#trimming.then(() => this.#trim(upTo));
    this.#trimming = trimmed.catch(() => undefined);
    return trimmed;
  }

  close(): Promise<void> {
    this.#closing ??= this.#close();
    return this.#closing;
  }

  async #close(): Promise<void> {
    this.#cancelSeal?.();
    this.#commit.close();
    try {
      // After a failed write there is nothing left to make durable: the appends were told.
      if (this.#commit.failure === undefined) await this.#commit.seal();
    } finally {
      await this.#trimming;
      await this.#files.close();
      await this.#file?.close();
      this.#batches.complete();
    }
  }

  #write(bytes: Uint8Array, firstOffset: number): Promise<void> {
    const { sizeBytes } = this.#segment as Segment;
    if (this.#position + bytes.length > sizeBytes) return this.#rollAndWrite(bytes, firstOffset);
    const position = this.#position;
    this.#position += bytes.length;
    if (this.#position > this.#prepareAt) this.#files.prepare();
    return (this.#file as DiskFile).write(position, bytes);
  }

  async #rollAndWrite(bytes: Uint8Array, firstOffset: number): Promise<void> {
    await this.#roll(firstOffset);
    const { path, sizeBytes } = this.#segment as Segment;
    assert(bytes.length <= sizeBytes, `a frame of ${bytes.length} bytes does not fit into ${path}`);
    await this.#write(bytes, firstOffset);
  }

  async #roll(firstOffset: number): Promise<void> {
    const full = this.#file;
    const { segment, file } = await this.#files.roll(firstOffset);
    this.#use(segment, file, 0);
    await full?.close();
  }

  #use(segment: Segment, file: DiskFile, position: number): void {
    this.#segment = segment;
    this.#file = file;
    this.#position = position;
    this.#prepareAt = segment.sizeBytes / 2;
  }

  #onDurable(batch: DurableBatch): void {
    this.#lastBatchMs = this.#components.clock.monotonicTimeMs();
    this.#cancelSeal ??= this.#scheduleSeal(this.#settings.sealDelayMs);
    this.#batches.next(batch);
  }

  #scheduleSeal(delayMs: number): Cancel {
    return this.#components.clock.schedule(delayMs, () => {
      this.#cancelSeal = undefined;
      this.#sealWhenIdle();
    });
  }

  /** One timer, set again while appends go on, costs less than one per append. */
  #sealWhenIdle(): void {
    if (this.#closing !== undefined || this.#commit.failure !== undefined) return;
    const { sealDelayMs } = this.#settings;
    const idleMs = this.#components.clock.monotonicTimeMs() - this.#lastBatchMs;
    if (!this.#commit.idle || idleMs < sealDelayMs) {
      const delayMs = this.#commit.idle ? sealDelayMs - idleMs : sealDelayMs;
      this.#cancelSeal = this.#scheduleSeal(delayMs);
      return;
    }
    this.#commit.seal().catch((error: unknown) => {
      // Appends are refused with the same error from now on: whoever makes the next one learns of it.
      this.#components.logger.error({ error, partition: this.partition }, 'the log could not be sealed');
    });
  }

  async #trim(upTo: number): Promise<void> {
    const { clock } = this.#components;
    const { segments } = this.#files;
    while (segments.length > 1) {
      const [oldest, next] = segments as [Segment, Segment];
      // Recovery takes the last epoch from the newest segment that holds a frame: that frame must be durable.
      if (next === this.#segment && this.durableOffset === next.firstOffset) return;
      if (oldest.readers > 0 || next.firstOffset > upTo) return;
      let bytesAfter = this.#position;
      for (let i = 1; i < segments.length - 1; i++) bytesAfter += (segments[i] as Segment).sizeBytes;
      const stretch = {
        endOffset: next.firstOffset,
        sizeBytes: oldest.sizeBytes,
        endTimeMs: await this.#firstWallTimeMs(next),
      };
      if (!isDroppable(stretch, bytesAfter, upTo, this.#settings.retention, clock.wallTimeMs())) return;
      if (oldest.readers > 0) return;
      await this.#files.dropOldest();
    }
  }

  /** When the first frame of a segment was made: all before it is at least as old. */
  async #firstWallTimeMs(segment: Segment): Promise<number> {
    if (segment.firstWallTimeMs !== undefined) return segment.firstWallTimeMs;
    const file = await this.#components.disk.open(segment.path, { readOnly: true });
    try {
      const found = await new FrameScanner(file).at(0);
      if (found.kind !== 'FRAME') throw corrupt(segment, 0, segment.firstOffset, 'is damaged');
      segment.firstWallTimeMs = found.header.wallTimeMs;
      return segment.firstWallTimeMs;
    } finally {
      await file.close();
    }
  }

  #closedError(): HeadraceError {
    return new HeadraceError('CLOSED', `the log of partition ${this.partition} is closed`);
  }
}
