/**
 * Appends frames to one partition in FoundationDB: each is one transaction that also moves the head, and conflicts with whoever
 * else moved it or claimed the partition's epoch. The head gives density, and the answer to a commit whose outcome is unknown;
 * the epoch gives fencing. The two are apart because the head moves with every append: a take-over that had to change it would
 * have to win against all of them (`partition-log.ts`).
 *
 * | epoch and head say                  | so                                                                       |
 * |-------------------------------------|--------------------------------------------------------------------------|
 * | my epoch, this frame's first offset | the frame is not there: write it                                         |
 * | my epoch, this frame's end, its id  | an attempt whose outcome was unknown took effect: done                   |
 * | another epoch                       | another owner took over: `LOG_FENCED`                                    |
 *
 * An attempt that may still take effect later does no harm: it and the next one conflict on the head, so that one of them
 * commits, and both carry the same bytes. When no attempt has come to an end in time the append is given up with
 * `LOG_UNKNOWN_OUTCOME`; the epoch of the next opening keeps what is still under way from taking effect behind its back.
 */
import { assert } from '../../src/core/assert.js';
import { HeadraceError } from '../../src/core/errors.js';
import { DatabaseError, type DatabaseTransaction } from '../../src/core/key-value-database.js';
import type { Random } from '../../src/core/ports.js';
import {
  BATCH_ID_BYTES,
  CHUNK_BYTES_MAX,
  decodeClaim,
  decodeHead,
  encodeHead,
  type PartitionKeys,
} from './schema.js';
import { Backoff, databaseFailed, type Transacting } from './transact.js';

export interface FrameAppendOptions extends Transacting {
  readonly random: Random;
  readonly keys: PartitionKeys;
  readonly partition: number;
  readonly epoch: number;
  /** How long an append is tried. */
  readonly deadlineMs: number;
}

interface Frame {
  readonly bytes: Buffer;
  readonly firstOffset: number;
  readonly nextOffset: number;
  readonly batchId: Buffer;
}

export class FrameAppend {
  readonly #options: FrameAppendOptions;
  /**
   * Version of the last commit: while nobody else moves the head, the next append reads as of it, which spares the two round
   * trips of asking for a version and reading the head.
   */
  #readVersion: Buffer | undefined;

  constructor(options: FrameAppendOptions) {
    this.#options = options;
  }

  /** Durable on return. `LOG_FENCED`, `LOG_UNKNOWN_OUTCOME`, `IO_FAILED`. Never called before the last call has ended. */
  async append(bytes: Uint8Array, firstOffset: number, count: number): Promise<void> {
    const { clock, deadlineMs, random } = this.#options;
    const frame: Frame = {
      bytes: Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength),
      firstOffset,
      nextOffset: firstOffset + count,
      batchId: Buffer.from(random.bytes(BATCH_ID_BYTES)),
    };
    const deadline = new AbortController();
    const cancel = clock.schedule(deadlineMs, () => deadline.abort(this.#late()));
    try {
      await this.#try(frame, deadline.signal);
    } finally {
      cancel();
    }
  }

  async #try(frame: Frame, signal: AbortSignal): Promise<void> {
    const { database, clock } = this.#options;
    const backoff = new Backoff(clock);
    for (;;) {
      const transaction = database.begin();
      const cancel = (): void => transaction.cancel();
      signal.addEventListener('abort', cancel, { once: true });
      try {
        if (!(await this.#prepare(transaction, frame))) return;
        await transaction.commit();
        this.#readVersion = transaction.committedVersion();
        return;
      } catch (error) {
        this.#readVersion = undefined;
        transaction.cancel();
        if (signal.aborted) throw signal.reason;
        if (!(error instanceof DatabaseError)) throw error;
        if (!error.isRetryable) throw databaseFailed(error);
        await backoff.pause(error, signal);
      } finally {
        signal.removeEventListener('abort', cancel);
      }
    }
  }

  /** Whether there is something to commit: false when an earlier attempt turned out to have succeeded. */
  async #prepare(transaction: DatabaseTransaction, frame: Frame): Promise<boolean> {
    const { keys, epoch } = this.#options;
    const { bytes, firstOffset, nextOffset, batchId } = frame;
    if (this.#readVersion !== undefined) {
      transaction.useReadVersion(this.#readVersion);
      transaction.addReadConflict(keys.head);
      transaction.addReadConflict(keys.epoch);
    } else if (await this.#isThere(transaction, frame)) return false;
    for (let at = 0, chunk = 0; at < bytes.length; at += CHUNK_BYTES_MAX, chunk++)
      transaction.set(keys.frame(firstOffset, chunk), bytes.subarray(at, at + CHUNK_BYTES_MAX));
    transaction.set(keys.head, encodeHead({ epoch, nextOffset, batchId }));
    return true;
  }

  async #isThere(transaction: DatabaseTransaction, frame: Frame): Promise<boolean> {
    const { keys, epoch, partition } = this.#options;
    const [claimed, value] = await Promise.all([transaction.get(keys.epoch), transaction.get(keys.head)]);
    if (claimed === undefined || value === undefined)
      throw new HeadraceError(
        'LOG_FENCED',
        `the log of partition ${partition} was removed from FoundationDB`,
      );
    const claim = decodeClaim(claimed);
    if (claim.epoch !== epoch)
      throw new HeadraceError(
        'LOG_FENCED',
        `another owner has taken partition ${partition} over: its epoch is ${claim.epoch}, and this one's ${epoch}`,
      );
    const head = decodeHead(value);
    if (head.nextOffset === frame.firstOffset) return false;
    assert(
      head.nextOffset === frame.nextOffset && head.batchId.equals(frame.batchId),
      `the head of partition ${partition} is at ${head.nextOffset} between frames of its only owner`,
    );
    return true;
  }

  #late(): HeadraceError {
    const { partition, deadlineMs } = this.#options;
    return new HeadraceError(
      'LOG_UNKNOWN_OUTCOME',
      `FoundationDB did not commit an append to partition ${partition} within ${deadlineMs} ms`,
    );
  }
}
