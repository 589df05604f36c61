/** An index in a plain map, for tests of folds and decisions. */
import type { IndexRecord, RecordMap } from '../../projections/records.js';

export class MapRecords implements RecordMap {
  readonly entries = new Map<string, IndexRecord>();

  get(key: string): IndexRecord | undefined {
    return this.entries.get(key);
  }

  set(key: string, record: IndexRecord): void {
    this.entries.set(key, record);
  }

  delete(key: string): void {
    this.entries.delete(key);
  }

  keys(from: string, to: string): string[] {
    return [...this.entries.keys()].filter((key) => key >= from && key < to).toSorted();
  }
}
