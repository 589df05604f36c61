/** What a partition is given. */
import type { HeadraceError } from '../core/errors.js';
import type { IndexStore } from '../core/index-store.js';
import type { Logger } from '../core/logger.js';
import type { Clock } from '../core/ports.js';
import type { LogStore } from '../../log/log-store.js';
import type { AppliedEvent } from '../../projections/partition-state.js';
import type { IndexRecord, RecordMap } from '../../projections/records.js';

export interface PartitionDependencies {
  readonly number: number;
  readonly logStore: LogStore;
  readonly index: IndexStore<IndexRecord>;
  readonly clock: Clock;
  readonly logger: Logger;
  /** A checkpoint is taken when this many records changed since the last one. */
  readonly checkpointChanges: number;
  /** Another owner has taken the partition over: nothing is appended to it from here any more. Called once. */
  readonly onFenced?: (error: HeadraceError) => void;
  /** Sees every event just before it is folded, also those of a recovery. */
  readonly beforeApply?: (applied: AppliedEvent, records: RecordMap) => void;
}
