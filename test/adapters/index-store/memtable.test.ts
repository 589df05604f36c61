import t from 'tap';
import fc from 'fast-check';
import { KeyHash } from '../../../src/adapters/index-store/bloom-filter.js';
import { DELETED, type Deleted, Memtable } from '../../../src/adapters/index-store/memtable.js';
import { MergeHeap } from '../../../src/adapters/index-store/merge-heap.js';
import { type Item, ITEM_CODEC, item } from '../../contracts/index-store-model.js';

const hash = new KeyHash();
const get = (memtable: Memtable<Item>, key: string): Item | Deleted | undefined =>
  memtable.get(key, hash.of(key));

/** What the cursors have from `from` on, in the order of the keys. */
function entriesFrom(memtable: Memtable<Item>, from: string): [string, Item | Deleted][] {
  const heap = new MergeHeap(memtable.cursors(from, 0));
  const entries: [string, Item | Deleted][] = [];
  for (let top = heap.top; top !== undefined; top = heap.top) {
    entries.push([top.key, top.value()]);
    if (top.advance()) heap.sink();
    else heap.pop();
  }
  return entries;
}

function expectedFrom(model: ReadonlyMap<string, Item | Deleted>, from: string): [string, Item | Deleted][] {
  return [...model].filter(([key]) => key >= from).sort(([a], [b]) => (a < b ? -1 : 1));
}

const same = (a: unknown, b: unknown): boolean => JSON.stringify(a) === JSON.stringify(b);

type Step =
  | { readonly type: 'set'; readonly key: number; readonly length: number }
  | { readonly type: 'delete'; readonly key: number }
  | { readonly type: 'scan'; readonly key: number }
  | { readonly type: 'many'; readonly key: number };

const key = fc.nat({ max: 40 });
const step: fc.Arbitrary<Step> = fc.oneof(
  {
    weight: 4,
    arbitrary: fc.record({ type: fc.constant('set' as const), key, length: fc.nat({ max: 90 }) }),
  },
  { weight: 3, arbitrary: fc.record({ type: fc.constant('delete' as const), key }) },
  { weight: 1, arbitrary: fc.record({ type: fc.constant('scan' as const), key }) },
  // More than are held as objects: what came before is encoded.
  { weight: 2, arbitrary: fc.record({ type: fc.constant('many' as const), key }) },
);

const MANY = 1500;
const keyOf = (n: number): string => `o\0${(Math.imul(n, 0x9e3779b1) >>> 0).toString(36)}`;

function apply(memtable: Memtable<Item>, model: Map<string, Item | Deleted>, steps: readonly Step[]): void {
  const set = (at: string, value: Item | Deleted): void => {
    memtable.set(at, value);
    model.set(at, value);
  };
  for (const one of steps) {
    if (one.type === 'set') set(keyOf(one.key), item('v'.repeat(one.length)));
    else if (one.type === 'delete') set(keyOf(one.key), DELETED);
    else if (one.type === 'many')
      for (let i = 0; i < MANY; i++) set(keyOf(1000 * (one.key + 1) + i), item(`m${one.key}`));
    else {
      const from = keyOf(one.key);
      if (!same(entriesFrom(memtable, from), expectedFrom(model, from)))
        throw new Error(`a scan from ${from} does not have what was set`);
    }
  }
}

void t.test(
  'memtable: it holds what a map holds, encoded or not, and again after it was cleared',
  async () => {
    fc.assert(
      fc.property(fc.array(fc.array(step, { maxLength: 30 }), { maxLength: 3 }), (lives) => {
        const memtable = new Memtable(ITEM_CODEC);
        for (const steps of lives) {
          const model = new Map<string, Item | Deleted>();
          apply(memtable, model, steps);
          for (const packed of [false, true]) {
            if (packed) memtable.pack();
            for (const [at, value] of model)
              if (value === DELETED ? get(memtable, at) !== DELETED : !same(get(memtable, at), value))
                return false;
          }
          if (get(memtable, 'never set') !== undefined || memtable.size !== model.size) return false;
          memtable.clear();
          if (memtable.size !== 0 || entriesFrom(memtable, '').length !== 0) return false;
        }
        return true;
      }),
      { numRuns: 60 },
    );
  },
);

void t.test('memtable: a newer one laid over it wins, deletions included', async () => {
  fc.assert(
    fc.property(fc.array(step, { maxLength: 20 }), fc.array(step, { maxLength: 20 }), (older, newer) => {
      const model = new Map<string, Item | Deleted>();
      const [below, above] = [new Memtable(ITEM_CODEC), new Memtable(ITEM_CODEC)];
      apply(below, model, older);
      below.pack();
      const ofNewer = new Map<string, Item | Deleted>();
      apply(above, ofNewer, newer);
      const changes = below.changes + above.changes;
      for (const [at, value] of ofNewer) model.set(at, value);
      below.absorb(above);
      return below.changes === changes && same(entriesFrom(below, ''), expectedFrom(model, ''));
    }),
    { numRuns: 40 },
  );
});

void t.test('memtable: values larger than a chunk, empty keys and empty values come back', async (t) => {
  const memtable = new Memtable(ITEM_CODEC);
  const large = item('x'.repeat(700_000));
  for (const life of [1, 2]) {
    memtable.set('', item(''));
    memtable.set('large', large);
    memtable.set('larger', item('small at first'));
    memtable.pack();
    memtable.set('larger', large);
    memtable.pack();
    t.same(get(memtable, ''), item(''), `life ${life}`);
    t.same(get(memtable, 'large'), large);
    t.same(get(memtable, 'larger'), large);
    memtable.clear();
  }
});
