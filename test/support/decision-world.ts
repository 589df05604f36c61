/** Drives decisions and folds without a log: every decided event is applied at once, at the next offset. */
import type { DataEvent } from '../../log/events.js';
import type { Extent, ObjectVersion } from '../../src/core/object.js';
import type { Decision, DecisionView } from '../../src/engine/decision.js';
import {
  emptyPartitionState,
  foldPartition,
  type PartitionState,
} from '../../projections/partition-state.js';
import { objectKey, type ObjectRecord } from '../../projections/records.js';
import { MapRecords } from './record-maps.js';

export class DecisionWorld {
  readonly records = new MapRecords();
  readonly state: PartitionState = emptyPartitionState(this.records);
  readonly log: DataEvent[] = [];
  nowMs = 1_700_000_000_000;
  #nextPosition = 0;

  get view(): DecisionView {
    return { records: this.records, nextOffset: this.log.length, nowMs: this.nowMs };
  }

  run<Result>(decide: (view: DecisionView) => Decision<Result>): Result {
    const { events, result } = decide(this.view);
    for (const event of events) {
      foldPartition(this.state, event, this.log.length);
      this.log.push(event);
    }
    return result;
  }

  /** Bytes as if they had just been written to a segment. */
  extent(size: number, segment = 1): Extent {
    const position = this.#nextPosition;
    this.#nextPosition += size + 64;
    return { segment, position, size, checksum: BigInt(position) };
  }

  object(key: string, bucket = 'bucket'): ObjectRecord | undefined {
    const record = this.records.get(objectKey(bucket, key));
    return record?.kind === 'object' ? record : undefined;
  }
}

export function versionWith(
  extents: readonly Extent[],
  state: ObjectVersion['state'],
  etag = '0'.repeat(32),
): ObjectVersion {
  return {
    size: extents.reduce((sum, extent) => sum + extent.size, 0),
    etag,
    lastModifiedMs: 0,
    extents,
    headers: { system: {}, user: {} },
    policy: state === 'TRANSIENT' ? 'TRANSIENT' : 'WRITE_BACK',
    state,
  };
}
