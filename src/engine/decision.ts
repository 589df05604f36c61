/** Commands: what they are decided on, what they decide, and what becomes of it. */
import type { DataEvent } from '../../log/events.js';
import type { RecordMap } from '../../projections/records.js';

/** What a command decides on. */
export interface DecisionView {
  readonly records: RecordMap;
  /** The offset that the first of the decided events will have. */
  readonly nextOffset: number;
  readonly nowMs: number;
}

export interface Decision<Result> {
  readonly events: readonly DataEvent[];
  readonly result: Result;
}

export interface Receipt<Result> {
  readonly result: Result;
  /** Offset of the first event; the durable offset when there was none. */
  readonly offset: number;
}
