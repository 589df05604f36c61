/**
 * The index of a replay, in memory: hash maps for what there is much of, put in order only when somebody asks for it.
 *
 * A replay sets and deletes a record or two per event and looks at the whole a few times at most, so that a tree that is in order
 * at any moment would take most of its time (`npm run bench -- folds`). Objects and the queue have a map each: the queue is short, and
 * stays in the processor's cache by itself. Parts and uploads, of which folds ask for ranges, are in a tree.
 */
import sortedBtree from 'sorted-btree';
import type { IndexRecord, RecordMap } from '../../../projections/records.js';
import type { TrackedBase } from './tracked-records.js';

const { default: BTree } = sortedBtree;
type RecordTree = sortedBtree.default<string, IndexRecord>;

/** What the maps and the tree have in common. */
interface MapLike {
  get(key: string): IndexRecord | undefined;
  set(key: string, record: IndexRecord): unknown;
  delete(key: string): unknown;
}

const OBJECT_LETTER = 'o'.charCodeAt(0);
const QUEUE_LETTER = 'q'.charCodeAt(0);

export class ReplayRecords implements RecordMap, TrackedBase {
  readonly #objects = new Map<string, IndexRecord>();
  readonly #queue = new Map<string, IndexRecord>();
  readonly #others: RecordTree = new BTree<string, IndexRecord>(undefined, compareKeys);

  get size(): number {
    return this.#objects.size + this.#queue.size + this.#others.size;
  }

  get(key: string): IndexRecord | undefined {
    return this.#of(key).get(key);
  }

  set(key: string, record: IndexRecord): void {
    this.#of(key).set(key, record);
  }

  delete(key: string): void {
    this.#of(key).delete(key);
  }

  keys(from: string, to: string): string[] {
    const keys: string[] = [];
    for (const [key] of this.scan(from, to)) keys.push(key);
    return keys;
  }

  *scan(from: string, to: string): Generator<readonly [key: string, record: IndexRecord], void, undefined> {
    yield* this.#scanOthers(from, min(to, 'o'));
    yield* scanMap(this.#objects, 'o', from, to);
    yield* this.#scanOthers(max(from, 'p'), min(to, 'q'));
    yield* scanMap(this.#queue, 'q', from, to);
    yield* this.#scanOthers(max(from, 'r'), to);
  }

  #of(key: string): MapLike {
    const letter = key.charCodeAt(0);
    return letter === OBJECT_LETTER ? this.#objects : letter === QUEUE_LETTER ? this.#queue : this.#others;
  }

  #scanOthers(from: string, to: string): (readonly [string, IndexRecord])[] {
    return from < to ? this.#others.getRange(from, to) : [];
  }
}

/** Entries of a map whose keys begin with `letter`, in order. */
function* scanMap(
  map: ReadonlyMap<string, IndexRecord>,
  letter: string,
  from: string,
  to: string,
): Generator<readonly [key: string, record: IndexRecord], void, undefined> {
  const after = String.fromCharCode(letter.charCodeAt(0) + 1);
  if (from >= after || to <= letter) return;
  const whole = from <= letter && to >= after;
  const keys = whole ? [...map.keys()] : [...map.keys()].filter((key) => key >= from && key < to);
  // By UTF-16 units, which are the bytes of a byte string.
  for (const key of keys.sort()) {
    const record = map.get(key);
    if (record !== undefined) yield [key, record];
  }
}

function compareKeys(a: string, b: string): number {
  return a < b ? -1 : Number(a > b);
}

function min(a: string, b: string): string {
  return a < b ? a : b;
}

function max(a: string, b: string): string {
  return a > b ? a : b;
}
