/**
 * What an event does to the upload stream, for those who wait for an object to reach the UFS.
 *
 * Whether an entry left the stream is told by the projection's own count, before and after the event: an event may name a version
 * that had left before, as a delete that is done in the UFS while a write takes its place in the log.
 */
import type { Subscription } from 'rxjs';
import type { AppliedEvent } from '../../projections/partition-state.js';
import type { Partition } from './partition.js';

/** One event's effect on the upload stream. */
export interface PersistChange {
  readonly partition: Partition;
  readonly bucket: string;
  readonly key: string;
  /** The entry that the event is about, by its version. */
  readonly version: number | undefined;
  /** Bytes of that entry; 0 for a delete. */
  readonly size: number;
  /** Whether it left the stream by this event. */
  readonly left: boolean;
  /** Whether it left because the UFS has it. */
  readonly persisted: boolean;
  /** The entry that the event adds, by its version. */
  readonly added: number | undefined;
  readonly addedSize: number;
  /** Whether what was added holds the same bytes: only its tags are new. */
  readonly sameBytes: boolean;
}

export type PersistListener = (change: PersistChange) => void;

/** Tells listeners of changes, in the order of each partition's log. Costs nothing while there is none. */
export class PersistChanges {
  readonly #partitions: readonly Partition[];
  readonly #listeners = new Set<PersistListener>();
  #subscriptions: Subscription[] = [];

  constructor(partitions: readonly Partition[]) {
    this.#partitions = partitions;
  }

  /** Listeners run synchronously, after every projection has folded the event, and must not throw. */
  listen(listener: PersistListener): () => void {
    this.#listeners.add(listener);
    if (this.#subscriptions.length === 0) {
      this.#subscriptions = this.#partitions.map((partition) => this.#watch(partition));
    }
    return () => {
      this.#listeners.delete(listener);
      if (this.#listeners.size > 0) return;
      for (const subscription of this.#subscriptions) subscription.unsubscribe();
      this.#subscriptions = [];
    };
  }

  #watch(partition: Partition): Subscription {
    let pending = partition.state.uploads.pending;
    return partition.events$.subscribe((applied) => {
      const before = pending;
      pending = partition.state.uploads.pending;
      const change = changeOf(partition, applied, pending - before);
      if (change === undefined) return;
      for (const listener of this.#listeners) listener(change);
    });
  }
}

/** `difference` is by how much the number of entries has grown. */
function changeOf(
  partition: Partition,
  { event, offset }: AppliedEvent,
  difference: number,
): PersistChange | undefined {
  switch (event.type) {
    case 'ObjectCommitted': {
      const added = event.object.state === 'PENDING' ? offset : undefined;
      const left = difference < (added === undefined ? 0 : 1);
      if (added === undefined && !left) return undefined;
      return {
        partition,
        bucket: event.bucket,
        key: event.key,
        version: event.replaced?.version ?? event.replacedDelete,
        size: event.replaced?.size ?? 0,
        left,
        persisted: false,
        added,
        addedSize: event.object.size,
        sameBytes: event.origin === 'TAGS',
      };
    }
    case 'ObjectDeleted': {
      const added = event.ufsDelete ? offset : undefined;
      return {
        partition,
        bucket: event.bucket,
        key: event.key,
        version: event.replaced?.version ?? event.replacedDelete,
        size: event.replaced?.size ?? 0,
        left: difference < (added === undefined ? 0 : 1),
        persisted: false,
        added,
        addedSize: 0,
        sameBytes: false,
      };
    }
    case 'WriteOpened':
    case 'WriteAbandoned':
    case 'UploadOpened':
    case 'UploadAborted':
    case 'PartStored':
    case 'ObjectEvicted':
    case 'ExtentsMoved':
      return undefined;
    default:
      return 'version' in event
        ? {
            partition,
            bucket: event.bucket,
            key: event.key,
            version: event.version,
            size: 'size' in event ? event.size : 0,
            left: difference < 0,
            persisted: event.type === 'ObjectPersisted' || event.type === 'DeletePersisted',
            added: undefined,
            addedSize: 0,
            sameBytes: false,
          }
        : undefined;
  }
}
