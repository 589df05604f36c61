/**
 * Bases of conditional persists that must not go while a write is under way that counts on them (`safe-persist.ts`).
 *
 * A base goes with what the cache has of an object: when a delete has reached the UFS, with an eviction, or when a version is
 * discarded. A write that has found the base known, and is not decided yet, would then go to the UFS without a condition. So
 * the same frame that takes a base away notes it anew as long as somebody holds it.
 */
import type { DataEvent } from '../../log/events.js';
import { objectKey, ufsBaseKey, type RecordMap } from '../../projections/records.js';

export class KeptBases {
  /** Writes under way, by the index key of their object. */
  readonly #writes = new Map<string, number>();

  /** To be called before the base is looked at; the result ends the hold, once. */
  hold(bucket: string, key: string): () => void {
    const object = objectKey(bucket, key);
    this.#writes.set(object, (this.#writes.get(object) ?? 0) + 1);
    return () => {
      const left = (this.#writes.get(object) ?? 0) - 1;
      if (left > 0) this.#writes.set(object, left);
      else this.#writes.delete(object);
    };
  }

  /** The events that were decided on `records`, with a note behind each that takes a held base away. */
  guard(events: readonly DataEvent[], records: RecordMap, atMs: number): readonly DataEvent[] {
    if (this.#writes.size === 0 || !events.some((event) => this.#takesHeldBase(event))) return events;
    return events.flatMap((event) => {
      const base = this.#takesHeldBase(event) ? baseBehind(event, records) : undefined;
      if (base === undefined) return [event];
      const { bucket, key } = event as Removal;
      return [event, { type: 'UfsBaseNoted', atMs, bucket, key, ...base } as const];
    });
  }

  #takesHeldBase(event: DataEvent): boolean {
    return isRemoval(event) && this.#writes.has(objectKey(event.bucket, event.key));
  }
}

type Removal = Extract<DataEvent, { type: 'DeletePersisted' | 'ObjectEvicted' | 'PersistDiscarded' }>;

function isRemoval(event: DataEvent): event is Removal {
  const { type } = event;
  return type === 'DeletePersisted' || type === 'ObjectEvicted' || type === 'PersistDiscarded';
}

/** What the UFS holds behind `event`; undefined when the object never had a base. */
function baseBehind(event: DataEvent, records: RecordMap): { readonly ufsEtag?: string } | undefined {
  if (!isRemoval(event)) return undefined;
  const base = records.get(ufsBaseKey(event.bucket, event.key));
  if (base?.kind !== 'ufsBase') return undefined;
  if (event.type === 'DeletePersisted') return {};
  const object = records.get(objectKey(event.bucket, event.key));
  const evicted = event.type === 'ObjectEvicted' && object?.kind === 'object' ? object.ufsEtag : undefined;
  const ufsEtag = evicted ?? base.ufsEtag;
  return ufsEtag === undefined ? {} : { ufsEtag };
}
