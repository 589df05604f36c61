/**
 * What left the index while somebody was reading the UFS. Such a reader combines an answer of the UFS, which is a moment
 * old, with the index, which is current; without the journal an object that was persisted and evicted in between would
 * be in neither, and one whose delete was persisted in between would be in both.
 */
import type { AppliedEvent } from '../../projections/partition-state.js';
import { objectKey, type ObjectRecord } from '../../projections/records.js';

/** What the index said last: an object that the UFS holds now, or one that it no longer holds. */
export type Removal = ObjectRecord | 'deleted';

export class RemovalJournal {
  readonly #watches = new Set<Map<string, Removal>>();

  /** Starts to note removals by index key; `stop` ends it. */
  watch(): { readonly removals: ReadonlyMap<string, Removal>; readonly stop: () => void } {
    const removals = new Map<string, Removal>();
    this.#watches.add(removals);
    return { removals, stop: () => void this.#watches.delete(removals) };
  }

  /** Called with every event before it is folded; `record` reads the index as it still is. */
  note(applied: AppliedEvent, record: (key: string) => unknown): void {
    if (this.#watches.size === 0) return;
    const { event } = applied;
    if (
      event.type !== 'ObjectEvicted' &&
      event.type !== 'DeletePersisted' &&
      event.type !== 'ObjectCommitted'
    )
      return;
    const key = objectKey(event.bucket, event.key);
    if (event.type === 'ObjectCommitted') {
      for (const watch of this.#watches) watch.delete(key);
      return;
    }
    const removal = event.type === 'DeletePersisted' ? 'deleted' : (record(key) as ObjectRecord | undefined);
    if (removal === undefined) return;
    for (const watch of this.#watches) watch.set(key, removal);
  }
}
