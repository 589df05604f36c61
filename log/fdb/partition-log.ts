/**
 * One partition of the log in FoundationDB: taken over with the next epoch, appended to by one owner, read, and trimmed.
 *
 * Invariants: the owner's epoch is the newest, or every append fails with `LOG_FENCED`; a trim is only done by the owner.
 */
import { Subject, type Observable } from 'rxjs';
import { HeadraceError } from '../../src/core/errors.js';
import type { LogMetrics } from '../../src/core/metrics.js';
import type { Random } from '../../src/core/ports.js';
import type { Event } from '../events.js';
import { GroupCommit, type GroupCommitLimits } from '../group-commit.js';
import type { DurableBatch, LogStatistics, PartitionLog, RecoveryReport } from '../log-store.js';
import { FrameAppend } from './frame-append.js';
import { frameAt, oldestKept, readFrames, type FrameReadOptions } from './read-frames.js';
import {
  BATCH_ID_BYTES,
  decodeClaim,
  decodeHead,
  decodeNumber,
  encodeClaim,
  encodeHead,
  encodeNumber,
  type Head,
} from './schema.js';
import { transact } from './transact.js';

export interface FdbPartitionOptions extends FrameReadOptions {
  readonly random: Random;
  readonly limits: GroupCommitLimits;
  readonly appendDeadlineMs: number;
  /** What a trim leaves for operators to look at, by its age. */
  readonly retentionMs: number;
  readonly metrics?: LogMetrics | undefined;
  /** The epoch with which this process has had the partition already: another one than that at the head is somebody else's. */
  readonly heldEpoch?: number | undefined;
  /** The partition is taken over with this epoch, which is durable. */
  readonly onTaken?: (epoch: number) => void;
}

export class FdbPartitionLog implements PartitionLog {
  readonly epoch: number;
  readonly recovery: RecoveryReport;
  readonly batches$: Observable<DurableBatch>;
  readonly #options: FdbPartitionOptions;
  readonly #batches = new Subject<DurableBatch>();
  readonly #commit: GroupCommit;
  #oldestOffset: number;
  #trimming: Promise<void> = Promise.resolve();
  #closing: Promise<void> | undefined;

  private constructor(options: FdbPartitionOptions, head: Head, oldestOffset: number) {
    const { owner, clock, limits, metrics } = options;
    this.#options = options;
    this.epoch = head.epoch;
    this.#oldestOffset = oldestOffset;
    const isNew = head.epoch === 1;
    this.recovery = { frames: isNew ? 0 : 1, cutBytes: 0, decision: isNew ? 'NEW' : 'TAKEN_OVER' };
    this.batches$ = this.#batches.asObservable();
    const { appendDeadlineMs: deadlineMs } = options;
    const frames = new FrameAppend({
      ...options,
      partition: owner.partition,
      epoch: head.epoch,
      deadlineMs,
    });
    this.#commit = new GroupCommit({
      owner,
      epoch: head.epoch,
      nextOffset: head.nextOffset,
      limits,
      clock,
      metrics,
      // A seal tells a torn tail from damage in a file; here a frame is there or not.
      write: (bytes, firstOffset, count) =>
        count === 0 ? Promise.resolve() : frames.append(bytes, firstOffset, count),
      onDurable: (batch) => this.#batches.next(batch),
    });
  }

  /**
   * Takes the partition over; whoever had it is fenced on return. `CORRUPT_FRAME`, `IO_FAILED`, and `LOG_FENCED` when this
   * process has had it already and lost it since.
   */
  static async open(options: FdbPartitionOptions): Promise<FdbPartitionLog> {
    const head = await takeOver(options);
    options.onTaken?.(head.epoch);
    const oldestOffset = await oldestKept(options);
    await checkEnd(options, head, oldestOffset);
    return new FdbPartitionLog(options, head, oldestOffset);
  }

  get partition(): number {
    return this.#options.owner.partition;
  }

  get nextOffset(): number {
    return this.#commit.nextOffset;
  }

  get durableOffset(): number {
    return this.#commit.durableOffset;
  }

  get oldestOffset(): number {
    return this.#oldestOffset;
  }

  get statistics(): LogStatistics {
    return this.#commit.statistics;
  }

  append(events: readonly Event[]): Promise<number> {
    return this.#commit.append(events);
  }

  read(from: number): AsyncIterable<DurableBatch> {
    if (this.#closing !== undefined) throw this.#closed();
    if (from < this.#oldestOffset) throw this.#trimmed(from);
    return readFrames(this.#options, from, this.durableOffset);
  }

  trim(upTo: number): Promise<void> {
    if (this.#closing !== undefined) return Promise.reject(this.#closed());
    const trimmed = this.#trimming.then(() => this.#trimInTime(upTo));
    this.#trimming = trimmed.catch(() => undefined);
    return trimmed;
  }

  close(): Promise<void> {
    this.#closing ??= this.#close();
    return this.#closing;
  }

  async #close(): Promise<void> {
    this.#commit.close();
    try {
      // After a failed append there is nothing left to make durable: its callers were told.
      if (this.#commit.failure === undefined) await this.#commit.seal();
    } finally {
      await this.#trimming;
      this.#batches.complete();
    }
  }

  /** A trim can wait for the next one: it is given up as an append is, so that a stop does not wait for a cluster that is away. */
  async #trimInTime(upTo: number): Promise<void> {
    const { clock, signal, appendDeadlineMs } = this.#options;
    const deadline = new AbortController();
    const cancel = clock.schedule(appendDeadlineMs, () =>
      deadline.abort(
        new HeadraceError('IO_FAILED', `FoundationDB did not trim the log within ${appendDeadlineMs} ms`),
      ),
    );
    const signals = signal === undefined ? [deadline.signal] : [deadline.signal, signal];
    try {
      await this.#trim(upTo, { ...this.#options, signal: AbortSignal.any(signals) });
    } finally {
      cancel();
    }
  }

  /** Whole frames only. The epoch's own key is what it conflicts with: the head moves with every append. */
  async #trim(upTo: number, options: FrameReadOptions): Promise<void> {
    const { keys } = options;
    const first = await this.#firstToKeep(Math.min(upTo, this.durableOffset), options);
    if (first <= this.#oldestOffset) return;
    await transact(options, async (transaction) => {
      const [claim, oldest] = await Promise.all([transaction.get(keys.epoch), transaction.get(keys.oldest)]);
      if (claim === undefined || decodeClaim(claim).epoch !== this.epoch)
        throw new HeadraceError('LOG_FENCED', `another owner has taken partition ${this.partition} over`);
      // An attempt that was given up may commit behind a later trim: the oldest offset never goes back.
      if (oldest !== undefined && decodeNumber(oldest) >= first) return;
      transaction.clearRange(keys.frame(0), keys.frame(first));
      transaction.set(keys.oldest, encodeNumber(first));
    });
    this.#oldestOffset = first;
  }

  /** Offset of the oldest frame that recovery may need, or that is younger than the retention. */
  async #firstToKeep(upTo: number, options: FrameReadOptions): Promise<number> {
    const { clock, retentionMs } = this.#options;
    const needed = (await frameAt(options, upTo)) ?? this.#oldestOffset;
    if (retentionMs === 0) return needed;
    const youngestMs = clock.wallTimeMs() - retentionMs;
    let low = this.#oldestOffset;
    let high = needed;
    // The frames' times rise with their offsets, but for steps of the clock, which a retention need not be exact about.
    while (low < high) {
      const middle = low + Math.floor((high - low) / 2);
      const batch = await batchAt(options, middle);
      if (batch === undefined || batch.wallTimeMs >= youngestMs) high = middle;
      else low = batch.firstOffset + batch.events.length;
    }
    return Math.min(needed, (await frameAt(options, low)) ?? needed);
  }

  #trimmed(from: number): HeadraceError {
    const oldestOffset = this.#oldestOffset;
    return new HeadraceError(
      'LOG_TRIMMED',
      `offset ${from} of partition ${this.partition} was trimmed: the log begins at ${oldestOffset}`,
      { details: { oldestOffset } },
    );
  }

  #closed(): HeadraceError {
    return new HeadraceError('CLOSED', 'the log is closed');
  }
}

async function batchAt(options: FrameReadOptions, offset: number): Promise<DurableBatch | undefined> {
  for await (const batch of readFrames(options, offset, offset + 1)) return batch;
  return undefined;
}

/**
 * Takes the partition in two steps, because the head moves with every append of the owner before: a transaction that has to win
 * against those might never come through. The first step conflicts with other take-overs only, and from then on every append
 * of another epoch conflicts with it; the second one finds the head at rest.
 *
 * | a crash or another take-over behind | leaves                                                                              |
 * |-------------------------------------|-------------------------------------------------------------------------------------|
 * | step 1: the epoch is claimed        | nobody appends until somebody claims the next epoch; the head is still the old one's |
 * | step 2: the head has the epoch      | the partition with its new owner                                                    |
 *
 * Who finds at step 2 that a newer epoch was claimed has been fenced already: it learns that from its first append.
 */
async function takeOver(options: FdbPartitionOptions): Promise<Head> {
  const { keys, random } = options;
  const claimId = Buffer.from(random.bytes(BATCH_ID_BYTES));
  const epoch = await claimEpoch(options, claimId);
  return transact(options, async (transaction) => {
    const [claimed, value] = await Promise.all([transaction.get(keys.epoch), transaction.get(keys.head)]);
    const found = value === undefined ? undefined : decodeHead(value);
    // An attempt whose outcome was unknown took effect.
    if (found?.batchId.equals(claimId) === true) return found;
    const head = { epoch, nextOffset: found?.nextOffset ?? 0, batchId: claimId };
    const isOwner = claimed !== undefined && decodeClaim(claimed).claimId.equals(claimId);
    if (isOwner) transaction.set(keys.head, encodeHead(head));
    return head;
  });
}

/** The id tells whether an attempt of unknown outcome took effect. `LOG_FENCED`. */
function claimEpoch(options: FdbPartitionOptions, claimId: Buffer): Promise<number> {
  const { keys, heldEpoch } = options;
  const { partition } = options.owner;
  return transact(options, async (transaction) => {
    const value = await transaction.get(keys.epoch);
    const found = value === undefined ? undefined : decodeClaim(value);
    if (found?.claimId.equals(claimId) === true) return found.epoch;
    if (heldEpoch !== undefined && found?.epoch !== heldEpoch)
      throw new HeadraceError(
        'LOG_FENCED',
        `another owner has taken partition ${partition} over: its epoch is ${found?.epoch}, and this one's was ${heldEpoch}`,
      );
    const epoch = (found?.epoch ?? 0) + 1;
    transaction.set(keys.epoch, encodeClaim({ epoch, claimId }));
    return epoch;
  });
}

/** The last frame has to end where the head says that the log does. `CORRUPT_FRAME`. */
async function checkEnd(options: FdbPartitionOptions, head: Head, oldestOffset: number): Promise<void> {
  if (head.nextOffset === 0 || oldestOffset === head.nextOffset) return;
  let end = 0;
  for await (const batch of readFrames(options, head.nextOffset - 1, head.nextOffset))
    end = batch.firstOffset + batch.events.length;
  if (end === head.nextOffset) return;
  throw new HeadraceError(
    'CORRUPT_FRAME',
    `the last frame of partition ${options.owner.partition} ends at ${end}, and its head is at ${head.nextOffset}`,
  );
}
