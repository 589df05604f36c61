import fc from 'fast-check';
import assert from 'node:assert/strict';
import t from 'tap';
import type { IndexRecord } from '../../projections/records.js';
import { OverlayEntries } from '../../src/engine/overlay-entries.js';

/** Enough for several generations. */
const STEPS_MAX = 3000;

function recordOf(offset: number): IndexRecord {
  return { kind: 'deleting', version: offset, atMs: 0 };
}

/** What is set is settled in the order of the offsets, some of it later than other writes of the same key. */
const STEPS = fc.array(
  fc.record({
    key: fc.nat({ max: 600 }).map(String),
    isDelete: fc.boolean(),
    settles: fc.nat({ max: 3 }),
    clears: fc.nat({ max: 500 }).map((value) => value === 0),
  }),
  { maxLength: STEPS_MAX, size: 'max' },
);

void t.test('overlay entries: as a map whose entries are deleted when they are settled', async (t) => {
  const property = fc.property(STEPS, (steps) => {
    const entries = new OverlayEntries();
    const model = new Map<string, { record: IndexRecord | undefined; offset: number }>();
    const pending: { key: string; offset: number }[] = [];
    let offset = 0;
    for (const { key, isDelete, settles, clears } of steps) {
      // After a failed append the offsets of what was queued are given again.
      if (clears) {
        entries.clear();
        model.clear();
        offset = pending.splice(0).at(0)?.offset ?? offset;
      }
      const record = isDelete ? undefined : recordOf(offset);
      entries.set(key, record, offset);
      model.set(key, { record, offset });
      pending.push({ key, offset });
      for (const settled of pending.splice(0, settles)) {
        entries.settle(settled.key, settled.offset);
        if (model.get(settled.key)?.offset === settled.offset) model.delete(settled.key);
      }
      offset++;
      assert.equal(entries.size, model.size);
      assert.deepEqual(entries.get(key), model.get(key));
    }
    assert.deepEqual(new Map(entries), model);
    for (const [key, entry] of model) assert.deepEqual(entries.get(key), entry);
  });
  t.doesNotThrow(() => fc.assert(property, { numRuns: 50 }));
});

void t.test('overlay entries: nothing is left after a clear', async (t) => {
  const entries = new OverlayEntries();
  for (let offset = 0; offset < 1000; offset++) entries.set(`key-${offset}`, recordOf(offset), offset);
  t.equal(entries.size, 1000);
  entries.clear();
  t.equal(entries.size, 0);
  t.equal(entries.get('key-999'), undefined);
  t.equal(entries.get('key-0'), undefined);
  t.strictSame([...entries], []);
});

void t.test(
  'overlay entries: an old write that is settled late leaves the newer one of its key',
  async (t) => {
    const entries = new OverlayEntries();
    entries.set('key', recordOf(0), 0);
    for (let offset = 1; offset < 300; offset++) entries.set(`other-${offset}`, recordOf(offset), offset);
    entries.set('key', undefined, 300);
    entries.settle('key', 0);
    t.strictSame(entries.get('key'), { record: undefined, offset: 300 });
    entries.settle('key', 300);
    t.equal(entries.get('key'), undefined);
    t.equal(entries.size, 299);
  },
);
