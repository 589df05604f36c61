/**
 * What can be counted from the durable events of a partition: bytes by where they come from, persist attempts, evictions.
 *
 * Events of a replay are not counted: a counter says what this process did. The most frequent event, a commit, costs one
 * comparison of its type and two additions.
 */
import type { DataEvent } from '../../log/events.js';
import { CounterFamily } from '../core/metrics.js';
import type { Extent } from '../core/object.js';

export class EventMetrics {
  /** Bytes of objects and parts that clients wrote. */
  writtenBytes = 0;
  /** Bytes that reads brought from the UFS into the cache. */
  filledBytes = 0;
  /** Bytes that compaction wrote again. */
  compactedBytes = 0;
  persistedBytes = 0;
  /** By outcome: `success`, or the cause of the failure. */
  readonly persistAttempts = new CounterFamily();
  /** By reason. */
  readonly evictedObjects = new CounterFamily();
  readonly evictedBytes = new CounterFamily();
  /** By reason. */
  readonly abandonedWrites = new CounterFamily();

  readonly count = (event: DataEvent): void => {
    switch (event.type) {
      case 'ObjectCommitted':
        // The bytes of a multipart upload were counted with its parts; new tags bring none.
        if (event.origin === 'WRITE' && event.uploadId === undefined) this.writtenBytes += event.object.size;
        else if (event.origin === 'FILL') this.filledBytes += event.object.size;
        return;
      case 'PartStored':
        this.writtenBytes += event.size;
        return;
      case 'ObjectPersisted':
        this.persistAttempts.add('success');
        this.persistedBytes += event.size;
        return;
      case 'DeletePersisted':
        this.persistAttempts.add('success');
        return;
      case 'PersistFailed':
        this.persistAttempts.add(event.cause);
        return;
      case 'ObjectEvicted':
        this.evictedObjects.add(event.reason);
        this.evictedBytes.add(event.reason, event.size);
        return;
      case 'ExtentsMoved':
        this.compactedBytes += bytesOf(event.to);
        return;
      case 'WriteAbandoned':
        this.abandonedWrites.add(event.reason);
        return;
      default:
        return;
    }
  };

  /** Bytes stored for each byte that came in; 1 without compaction. */
  get writeAmplification(): number {
    const cameIn = this.writtenBytes + this.filledBytes;
    return cameIn === 0 ? 1 : (cameIn + this.compactedBytes) / cameIn;
  }
}

function bytesOf(extents: readonly Extent[]): number {
  return extents.reduce((sum, { size }) => sum + size, 0);
}
