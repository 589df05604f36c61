/**
 * The control stream: the only writer of buckets, mounts, path configuration and users. Rare events, folded from the start;
 * commands run one after the other, so that each decides on what is durable.
 */
import type { Clock } from '../core/ports.js';
import type { ControlEvent } from '../../log/events.js';
import { CONTROL_PARTITION, type LogStore, type PartitionLog } from '../../log/log-store.js';
import {
  emptyControlState,
  foldControl,
  isControlEvent,
  type ControlState,
} from '../../projections/control.js';

export class ControlPartition {
  readonly #log: PartitionLog;
  readonly #clock: Clock;
  readonly #state: ControlState = emptyControlState();
  #tail: Promise<unknown> = Promise.resolve();

  private constructor(log: PartitionLog, clock: Clock) {
    this.#log = log;
    this.#clock = clock;
  }

  static async open(logStore: LogStore, clock: Clock): Promise<ControlPartition> {
    const control = new ControlPartition(await logStore.openPartition(CONTROL_PARTITION), clock);
    await control.#foldUpTo(control.#state, Number.POSITIVE_INFINITY);
    return control;
  }

  get state(): ControlState {
    return this.#state;
  }

  get log(): PartitionLog {
    return this.#log;
  }

  /** The state as it was when `offset` was the last event. */
  async stateAt(offset: number): Promise<ControlState> {
    const state = emptyControlState();
    await this.#foldUpTo(state, offset);
    return state;
  }

  /**
   * Decides on the durable state, logs, folds; resolves with the event's offset when it is durable, or undefined when
   * `decide` found nothing to do. Rejects with what `decide` throws or with the log's error.
   */
  submit(
    decide: (state: ControlState, nowMs: number) => ControlEvent | undefined,
  ): Promise<number | undefined> {
    const done = this.#tail.then(async () => {
      const event = decide(this.#state, this.#clock.wallTimeMs());
      if (event === undefined) return undefined;
      const offset = await this.#log.append([event]);
      foldControl(this.#state, event, offset);
      return offset;
    });
    this.#tail = done.catch(() => undefined);
    return done;
  }

  async close(): Promise<void> {
    await this.#tail;
    await this.#log.close();
  }

  async #foldUpTo(state: ControlState, last: number): Promise<void> {
    for await (const batch of this.#log.read(this.#log.oldestOffset)) {
      for (const [at, event] of batch.events.entries()) {
        const offset = batch.firstOffset + at;
        if (offset > last) return;
        if (isControlEvent(event)) foldControl(state, event, offset);
      }
    }
  }
}
