/**
 * Checkpoints of a partition beside its log, where the log is not as local as the index is: a process that has lost its index, or
 * one on another machine, goes on from them.
 *
 * A copy is the whole state, so that it is made only when the log has grown by as many events as the last one had records: what
 * is written for copies stays within what is written for the log. The log is trimmed no further than the copy that counts, as
 * whoever begins with that needs the rest.
 *
 * | a crash                                | leaves                                                                       |
 * |----------------------------------------|------------------------------------------------------------------------------|
 * | while a copy is written                | the one before it, and the log from there on                                 |
 * | while an index is restored from a copy | an index without a checkpoint: the next start restores it again              |
 */
import { HeadraceError, isErrorCode } from '../core/errors.js';
import type { IndexCheckpoint, IndexStore } from '../core/index-store.js';
import type { Logger } from '../core/logger.js';
import type { Clock } from '../core/ports.js';
import type { CheckpointStore, LogStore, PartitionLog } from '../../log/log-store.js';
import type { IndexRecord } from '../../projections/records.js';
import { decodeCopy, encodeCopy } from './checkpoint-copy.js';

export interface CheckpointCopiesParts {
  readonly number: number;
  readonly logStore: LogStore;
  readonly clock: Clock;
  readonly logger: Logger;
  /** A copy is made at most this often, in events of the log. */
  readonly checkpointChanges: number;
}

export class CheckpointCopies {
  readonly #parts: CheckpointCopiesParts;
  #store: CheckpointStore | undefined;
  /** Offset of the copy that counts. */
  #offset = 0;
  /** Events of the log from one copy to the next. */
  #distance: number;
  #copying: Promise<void> | undefined;
  #isTooLarge = false;
  readonly #stop = new AbortController();

  constructor(parts: CheckpointCopiesParts) {
    this.#parts = parts;
    this.#distance = parts.checkpointChanges;
  }

  /** `log` is the partition's, newly opened. Errors as `CheckpointStore.offset`. */
  async open(log: PartitionLog): Promise<void> {
    // One that was under way for the log before it has failed with that, or ends before anything else is written.
    await this.#copying;
    this.#store = await this.#parts.logStore.checkpointsOf?.(log);
    this.#offset = (await this.#store?.offset()) ?? 0;
  }

  /** Fills an index that is empty. Undefined when there is no copy, and then nothing is changed. Errors as `CheckpointStore.load`. */
  async restore(index: IndexStore<IndexRecord>): Promise<IndexCheckpoint | undefined> {
    const { clock, logger, number } = this.#parts;
    const copy = await this.#store?.load();
    if (copy === undefined) return undefined;
    const meta = await decodeCopy(copy.state, index, clock);
    await index.checkpoint(copy.offset, meta);
    logger.warn(
      { partition: number, offset: copy.offset, bytes: copy.state.length },
      'the index was lost: it was made again from the checkpoint beside the log',
    );
    return { offset: copy.offset, meta };
  }

  /** How far the log may be trimmed when the checkpoints of the index allow `upTo`. */
  trimmable(upTo: number): number {
    return this.#store === undefined || this.#isTooLarge ? upTo : Math.min(upTo, this.#offset);
  }

  /** Copies the newest checkpoint of the index when that is due and no copy is under way. Does not wait for it. */
  begin(index: IndexStore<IndexRecord>, onFenced: (error: HeadraceError) => void): void {
    const checkpoint = index.checkpoints.at(-1);
    const store = this.#store;
    if (store === undefined || checkpoint === undefined || this.#copying !== undefined) return;
    if (this.#stop.signal.aborted || this.#isTooLarge || checkpoint.offset - this.#offset < this.#distance)
      return;
    const { logger, number } = this.#parts;
    this.#copying = this.#copy(store, index, checkpoint)
      .catch((error: unknown) => {
        if (this.#stop.signal.aborted) return;
        if (isErrorCode(error, 'LOG_FENCED')) return onFenced(error);
        this.#isTooLarge ||= isErrorCode(error, 'INVALID_ARGUMENT');
        const what = this.#isTooLarge
          ? 'the index is too large for a checkpoint beside the log: an index that is lost cannot be made again'
          : 'a checkpoint beside the log failed; it is tried again';
        logger.error({ partition: number, error }, what);
      })
      .finally(() => (this.#copying = undefined));
  }

  /** A copy under way is broken off: the one before it counts. */
  async close(): Promise<void> {
    this.#stop.abort(new HeadraceError('CLOSED', 'the partition is closed'));
    await this.#copying;
  }

  async #copy(
    store: CheckpointStore,
    index: IndexStore<IndexRecord>,
    checkpoint: IndexCheckpoint,
  ): Promise<void> {
    const { clock, checkpointChanges } = this.#parts;
    const view = await index.openAt(checkpoint);
    try {
      const copy = encodeCopy(view, checkpoint.meta, clock);
      await store.save(checkpoint.offset, copy.pieces, this.#stop.signal);
      this.#offset = checkpoint.offset;
      this.#distance = Math.max(checkpointChanges, copy.records());
    } finally {
      await view.close();
    }
  }
}
