/** An index in memory, in the order of its keys. */
import sortedBtree from 'sorted-btree';
import type { IndexRecord, RecordMap } from '../../../projections/records.js';

const { default: BTree } = sortedBtree;
type RecordTree = sortedBtree.default<string, IndexRecord>;

export class TreeRecords implements RecordMap {
  readonly tree: RecordTree;

  constructor(tree: RecordTree = new BTree<string, IndexRecord>(undefined, compareKeys)) {
    this.tree = tree;
  }

  get(key: string): IndexRecord | undefined {
    return this.tree.get(key);
  }

  set(key: string, record: IndexRecord): void {
    this.tree.set(key, record);
  }

  delete(key: string): void {
    this.tree.delete(key);
  }

  keys(from: string, to: string): string[] {
    return this.tree.getRange(from, to).map(([key]) => key);
  }
}

function compareKeys(a: string, b: string): number {
  return a < b ? -1 : Number(a > b);
}
