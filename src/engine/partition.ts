/**
 * One partition of the key space: the only writer of its log and the owner of its state.
 *
 * A command is decided against durable state plus what is queued, its events become durable in one append, and only then
 * are they applied and the caller told. Invariants: `nextOffset ≥ durableOffset ≥ applied`; every event is applied once,
 * in order; after a failed append nothing more is decided until the log was opened and read again. A log that was fenced is never
 * opened again: that would take the partition back from its new owner.
 *
 * Source of the decide/evolve split: the event-sourcing literature; of the single writer: docs/architecture.md.
 */
import { Subject, type Observable, type Subscription } from 'rxjs';
import { assert, AssertionError } from '../core/assert.js';
import { HeadraceError, isErrorCode } from '../core/errors.js';
import type { IndexStore } from '../core/index-store.js';
import type { DurableBatch, PartitionLog } from '../../log/log-store.js';
import {
  decodeSnapshot,
  emptyPartitionState,
  encodeSnapshot,
  projectPartition,
  type AppliedEvent,
  type PartitionState,
} from '../../projections/partition-state.js';
import type { IndexRecord, RecordMap } from '../../projections/records.js';
import { isControlEvent } from '../../projections/control.js';
import { CheckpointCopies } from './checkpoint-copies.js';
import type { Decision, DecisionView, Receipt } from './decision.js';
import { KeptBases } from './kept-bases.js';
import { DurableRecords, Overlay } from './overlay.js';
import type { PartitionDependencies } from './partition-dependencies.js';
import { checkReach } from './recovered-log.js';

const REOPEN_DELAY_MS = 1000;

export class Partition {
  readonly number: number;
  readonly index: IndexStore<IndexRecord>;
  readonly keptBases = new KeptBases();
  readonly #dependencies: PartitionDependencies;
  readonly #overlay: Overlay;
  readonly #records: DurableRecords;
  readonly #events$ = new Subject<AppliedEvent>();
  readonly #copies: CheckpointCopies;
  #state: PartitionState;
  #projection: Subscription;
  #log: PartitionLog | undefined;
  #subscription: Subscription | undefined;
  #applied = 0;
  #lastAppend: Promise<number> | undefined;
  #checkpointing: Promise<void> | undefined;
  #recovering: Promise<void> | undefined;
  #fenced: HeadraceError | undefined;
  #closed = false;
  #onQueued: (() => void) | undefined;

  private constructor(dependencies: PartitionDependencies) {
    this.number = dependencies.number;
    this.index = dependencies.index;
    this.#copies = new CheckpointCopies(dependencies);
    this.#dependencies = dependencies;
    this.#overlay = new Overlay(dependencies.index);
    this.#records = new DurableRecords(dependencies.index, this.#overlay);
    this.#state = emptyPartitionState(this.#records);
    this.#projection = projectPartition(this.#state, this.#events$);
  }

  /**
   * Takes the partition over: newest checkpoint, then the log's suffix. Time depends on the suffix, not on the number of
   * objects. An index that is lost begins with the checkpoint beside the log, where there is one. Errors as
   * `LogStore.openPartition` and `PartitionLog.read`.
   */
  static async open(dependencies: PartitionDependencies): Promise<Partition> {
    const { index } = dependencies;
    const partition = new Partition(dependencies);
    const log = await partition.#takeLog();
    const checkpoint = index.checkpoints.at(-1) ?? (await partition.#copies.restore(index));
    if (checkpoint !== undefined) {
      partition.#projection.unsubscribe();
      partition.#state = decodeSnapshot(checkpoint.meta, partition.#records);
      partition.#projection = projectPartition(partition.#state, partition.#events$);
      partition.#applied = checkpoint.offset;
    } else {
      // From here on there is always a checkpoint to verify the log against.
      await index.checkpoint(0, encodeSnapshot(partition.#state));
    }
    await partition.#readLog(log);
    return partition;
  }

  /** Projections at the applied offset. Read-only for everyone but the folds. */
  get state(): PartitionState {
    return this.#state;
  }

  /** What a crash would keep; reads see nothing else. */
  get durableRecords(): RecordMap {
    return this.#records;
  }

  /** The same with what is decided and not durable yet. */
  get decidedRecords(): Pick<RecordMap, 'get'> {
    return this.#overlay;
  }

  /** Durable events, after every projection has folded them. */
  get events$(): Observable<AppliedEvent> {
    return this.#events$;
  }

  /** Everything below is folded into `state`. */
  get appliedOffset(): number {
    return this.#applied;
  }

  /** After a failed append, until the log was read again: bytes that the state does not mention may still turn out to be alive. */
  get isRecovering(): boolean {
    return this.#log === undefined;
  }

  /** Why this process is not the owner any more. */
  get fencedBy(): HeadraceError | undefined {
    return this.#fenced;
  }

  get log(): PartitionLog {
    if (this.#log === undefined) throw this.#recoveringError();
    return this.#log;
  }

  get checkpointOffset(): number {
    return this.index.checkpoints.at(-1)?.offset ?? 0;
  }

  /**
   * Decides and logs. Resolves when the events are durable and applied. Rejects with what `decide` throws, or with the log's
   * error: then the outcome is unknown until the partition has recovered, which it does by itself.
   */
  submit<Result>(decide: (view: DecisionView) => Decision<Result>): Promise<Receipt<Result>> {
    const log = this.#log;
    if (log === undefined) return Promise.reject(this.#recoveringError());
    const { nextOffset } = log;
    const nowMs = this.#dependencies.clock.wallTimeMs();
    let decision: Decision<Result>;
    try {
      decision = decide({ records: this.#overlay, nextOffset, nowMs });
    } catch (error) {
      return this.#queued().then(() => {
        throw error;
      });
    }
    const { result } = decision;
    const events = this.keptBases.guard(decision.events, this.#overlay, nowMs);
    if (events.length === 0) return this.#queued().then(() => ({ result, offset: this.#applied }));
    const appended = log.append(events);
    // What the log did not even queue has no offset, and must not be seen by later decisions.
    if (log.nextOffset > nextOffset) {
      this.#overlay.fold(events, nextOffset);
      this.#lastAppend = appended;
      this.#onQueued?.();
    }
    return appended.then(
      () => ({ result, offset: nextOffset }),
      (error: unknown) => {
        // The queue is full, or the append is too long: the log itself is well.
        if (!isErrorCode(error, 'SLOW_DOWN', 'INVALID_ARGUMENT')) this.#recoverLater(log, error);
        throw error;
      },
    );
  }

  /** `listener` is called when events were queued: what it submits then becomes durable with them. One at a time. */
  onQueued(listener: () => void): void {
    this.#onQueued = listener;
  }

  /** A decision that changes nothing may rest on something queued: it holds, and may be told, once that is durable. */
  async #queued(): Promise<void> {
    if (this.#overlay.size > 0) await this.#lastAppend;
  }

  /** Makes the state durable at the applied offset, and lets the log forget what no kept checkpoint needs. */
  async checkpoint(): Promise<void> {
    while (this.#checkpointing !== undefined) await this.#checkpointing;
    this.#checkpointing = this.#takeCheckpoint();
    try {
      await this.#checkpointing;
    } finally {
      this.#checkpointing = undefined;
    }
  }

  /** The index may be closed afterwards: nothing folds events any more. */
  async close(): Promise<void> {
    this.#closed = true;
    await this.#recovering;
    await this.#copies.close();
    await this.#log?.close();
    if (this.#checkpointing !== undefined) await this.#checkpointing.catch(() => undefined);
    this.#subscription?.unsubscribe();
    this.#events$.complete();
  }

  async #takeCheckpoint(): Promise<void> {
    if (this.#applied === this.checkpointOffset) return;
    await this.index.checkpoint(this.#applied, encodeSnapshot(this.#state));
    const log = this.#log;
    if (log === undefined) return;
    // Beside the checkpoints that follow: one that is cut short by a stop is made at the next due time.
    this.#copies.begin(this.index, (error) => this.#recoverLater(log, error));
    const oldest = this.index.checkpoints[0];
    if (oldest === undefined) return;
    await log.trim(this.#copies.trimmable(oldest.offset)).catch((error: unknown) => {
      if (isErrorCode(error, 'LOG_FENCED')) this.#recoverLater(log, error);
      throw error;
    });
  }

  async #takeLog(): Promise<PartitionLog> {
    const log = await this.#dependencies.logStore.openPartition(this.number);
    await this.#copies.open(log);
    return log;
  }

  async #readLog(log: PartitionLog): Promise<void> {
    for await (const batch of log.read(this.#applied)) this.#apply(batch);
    checkReach(log, this.#applied);
    assert(this.#applied === log.durableOffset, 'the log was read to its end');
    this.#overlay.clear(this.#state.bases);
    this.#subscription = log.batches$.subscribe((batch) => this.#apply(batch));
    this.#log = log;
  }

  #apply(batch: DurableBatch): void {
    let offset = batch.firstOffset;
    for (const event of batch.events) {
      if (offset >= this.#applied) {
        // The messages are made only when they are needed: this runs for every event.
        if (offset !== this.#applied)
          assert(false, `event ${offset} applied out of order: expected ${this.#applied}`);
        if (isControlEvent(event)) assert(false, `${event.type} in a data partition`);
        this.#records.begin(offset);
        this.#applied = offset + 1;
        const applied = { event, offset };
        this.#dependencies.beforeApply?.(applied, this.#records);
        this.#events$.next(applied);
      }
      offset += 1;
    }
    if (this.index.changes >= this.#dependencies.checkpointChanges && this.#checkpointing === undefined) {
      this.checkpoint().catch((error: unknown) => {
        const fields = { partition: this.number, error };
        this.#dependencies.logger.error(fields, 'a checkpoint failed; it is tried again');
      });
    }
  }

  #recoveringError(): HeadraceError {
    if (this.#fenced !== undefined) return this.#fenced;
    return new HeadraceError(
      'IO_FAILED',
      `the log of partition ${this.number} is being recovered: try again`,
    );
  }

  #recoverLater(failed: PartitionLog, error: unknown): void {
    if (this.#log !== failed || this.#closed) return;
    this.#log = undefined;
    this.#subscription?.unsubscribe();
    if (isErrorCode(error, 'LOG_FENCED')) {
      this.#recovering = failed.close().catch(() => undefined);
      return this.#fence(error);
    }
    const fields = { partition: this.number, error };
    this.#dependencies.logger.error(fields, 'the log refused an append: no writes until it is recovered');
    this.#recovering = this.#recover(failed);
  }

  async #recover(failed: PartitionLog): Promise<void> {
    await failed.close().catch(() => undefined);
    while (!this.#closed) {
      try {
        await this.#readLog(await this.#takeLog());
        this.#dependencies.logger.info({ partition: this.number }, 'the log is recovered');
        return;
      } catch (error) {
        if (error instanceof AssertionError) throw error;
        if (isErrorCode(error, 'LOG_FENCED')) return this.#fence(error);
        this.#dependencies.logger.error({ partition: this.number, error }, 'the log cannot be recovered yet');
        await this.#dependencies.clock.sleep(REOPEN_DELAY_MS);
      }
    }
  }

  #fence(error: HeadraceError): void {
    this.#fenced = error;
    this.#dependencies.onFenced?.(error);
  }
}
