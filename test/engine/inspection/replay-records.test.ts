import fc from 'fast-check';
import assert from 'node:assert/strict';
import t from 'tap';
import { RECORDS_END, ReplayRecords } from '../../../src/engine/inspection/replay-records.js';
import type { IndexRecord } from '../../../projections/records.js';

const record = (version: number): IndexRecord => ({ kind: 'deleting', version, atMs: 0 });

const key = fc
  .tuple(fc.constantFrom('b', 'm', 'o', 'p', 'q', 's', 'u'), fc.string({ unit: 'binary', maxLength: 3 }))
  .map(([letter, rest]) => letter + Buffer.from(rest, 'utf8').toString('latin1'));
const change = fc.record({ key, version: fc.option(fc.nat(), { nil: undefined }) });
const bound = fc.oneof(key, fc.constantFrom('', 'o', 'p', 'q', 'r', RECORDS_END));

void t.test('replay records: any range is in order and complete, whatever was set and deleted', async (t) => {
  const property = fc.property(fc.array(change, { maxLength: 60 }), bound, bound, (changes, from, to) => {
    const records = new ReplayRecords();
    const model = new Map<string, IndexRecord>();
    for (const { key, version } of changes) {
      if (version === undefined) {
        records.delete(key);
        model.delete(key);
        continue;
      }
      records.set(key, record(version));
      model.set(key, record(version));
    }
    const wanted = [...model]
      .filter(([key]) => key >= from && key < to)
      .toSorted(([a], [b]) => (a < b ? -1 : 1));
    assert.deepStrictEqual([...records.scan(from, to)], wanted);
    assert.deepStrictEqual(
      records.keys(from, to),
      wanted.map(([key]) => key),
    );
    assert.equal(records.size, model.size);
  });
  t.doesNotThrow(() => fc.assert(property, { numRuns: 500 }));
});

void t.test('replay records: a copy stays as it is while the original changes', async (t) => {
  const records = new ReplayRecords();
  for (const key of ['oa', 'qa', 'pa']) records.set(key, record(1));
  const copy = new ReplayRecords(records);
  records.set('oa', record(2));
  records.delete('qa');
  records.set('pb', record(1));
  t.same(
    [...copy.scan('', RECORDS_END)],
    [
      ['oa', record(1)],
      ['pa', record(1)],
      ['qa', record(1)],
    ],
  );
});
