/**
 * The control stream: the only writer of buckets, mounts, path configuration and users. Rare events, folded from the start;
 * commands run one after the other, so that each decides on what is durable.
 *
 * After a failed append the log is opened and read again before the next command, so that a disk which recovers is enough to go
 * on; until then the folded state serves reads. A log that was fenced is never opened again: that would take it back from its new
 * owner.
 */
import { isErrorCode, type HeadraceError } from '../core/errors.js';
import type { Clock } from '../core/ports.js';
import type { ControlEvent } from '../../log/events.js';
import { CONTROL_PARTITION, type LogStore, type PartitionLog } from '../../log/log-store.js';
import {
  emptyControlState,
  foldControl,
  isControlEvent,
  type ControlState,
} from '../../projections/control.js';

export interface ControlDependencies {
  readonly logStore: LogStore;
  readonly clock: Clock;
  /** Another owner has taken the control stream over. Called once. */
  readonly onFenced?: (error: HeadraceError) => void;
}

export class ControlPartition {
  readonly #dependencies: ControlDependencies;
  readonly #state: ControlState = emptyControlState();
  #log: PartitionLog;
  /** Everything below is folded into the state. */
  #applied = 0;
  #failed = false;
  #fenced: HeadraceError | undefined;
  #tail: Promise<unknown> = Promise.resolve();
  readonly #listeners: ((event: ControlEvent) => void)[] = [];

  private constructor(dependencies: ControlDependencies, log: PartitionLog) {
    this.#dependencies = dependencies;
    this.#log = log;
  }

  static async open(dependencies: ControlDependencies): Promise<ControlPartition> {
    const log = await dependencies.logStore.openPartition(CONTROL_PARTITION);
    const control = new ControlPartition(dependencies, log);
    await control.#catchUp();
    return control;
  }

  get state(): ControlState {
    return this.#state;
  }

  get log(): PartitionLog {
    return this.#log;
  }

  /** Why this process is not the owner any more. */
  get fencedBy(): HeadraceError | undefined {
    return this.#fenced;
  }

  /** From now on `listener` too is called with each event just after it was folded. */
  listen(listener: (event: ControlEvent) => void): void {
    this.#listeners.push(listener);
  }

  /** The state as it was when `offset` was the last event. */
  async stateAt(offset: number): Promise<ControlState> {
    const state = emptyControlState();
    await this.#read(this.#log.oldestOffset, (event, at) => {
      if (at <= offset) foldControl(state, event, at);
    });
    return state;
  }

  /**
   * Decides on the durable state, logs, folds; resolves with the event's offset when it is durable, or undefined when `decide`
   * found nothing to do. Rejects with what `decide` throws or with the log's error: then the next command finds out whether the
   * event is durable.
   */
  submit(
    decide: (state: ControlState, nowMs: number) => ControlEvent | undefined,
  ): Promise<number | undefined> {
    const done = this.#tail.then(async () => {
      if (this.#fenced !== undefined) throw this.#fenced;
      if (this.#failed) await this.#reopen();
      const event = decide(this.#state, this.#dependencies.clock.wallTimeMs());
      if (event === undefined) return undefined;
      return this.#append(event);
    });
    this.#tail = done.catch(() => undefined);
    return done;
  }

  async close(): Promise<void> {
    await this.#tail;
    await this.#log.close();
  }

  async #append(event: ControlEvent): Promise<number> {
    try {
      const offset = await this.#log.append([event]);
      this.#apply(event, offset);
      return offset;
    } catch (error) {
      this.#failed = true;
      this.#noteFence(error);
      throw error;
    }
  }

  #noteFence(error: unknown): void {
    if (this.#fenced !== undefined || !isErrorCode(error, 'LOG_FENCED')) return;
    this.#fenced = error;
    this.#dependencies.onFenced?.(error);
  }

  async #reopen(): Promise<void> {
    await this.#log.close().catch(() => undefined);
    try {
      this.#log = await this.#dependencies.logStore.openPartition(CONTROL_PARTITION);
    } catch (error) {
      this.#noteFence(error);
      throw error;
    }
    await this.#catchUp();
    this.#failed = false;
  }

  #catchUp(): Promise<void> {
    return this.#read(Math.max(this.#applied, this.#log.oldestOffset), (event, offset) => {
      if (offset >= this.#applied) this.#apply(event, offset);
    });
  }

  #apply(event: ControlEvent, offset: number): void {
    foldControl(this.#state, event, offset);
    this.#applied = offset + 1;
    for (const listener of this.#listeners) listener(event);
  }

  async #read(from: number, visit: (event: ControlEvent, offset: number) => void): Promise<void> {
    for await (const batch of this.#log.read(from)) {
      for (const [at, event] of batch.events.entries())
        if (isControlEvent(event)) visit(event, batch.firstOffset + at);
    }
  }
}
