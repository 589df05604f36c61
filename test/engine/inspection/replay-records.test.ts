import fc from 'fast-check';
import assert from 'node:assert/strict';
import t from 'tap';
import { ReplayRecords } from '../../../src/engine/inspection/replay-records.js';
import { RECORDS_END, TrackedRecords } from '../../../src/engine/inspection/tracked-records.js';
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

void t.test('tracked records: what they were at a mark stays, whatever is changed behind it', async (t) => {
  const rounds = fc.array(fc.array(change, { maxLength: 8 }), { minLength: 1, maxLength: 6 });
  const property = fc.property(rounds, bound, bound, (changes, from, to) => {
    const tracked = new TrackedRecords(new ReplayRecords());
    const model = new Map<string, IndexRecord>();
    const marks = changes.map((round) => {
      for (const { key, version } of round) {
        if (version === undefined) tracked.delete(key);
        else tracked.set(key, record(version));
        if (version === undefined) model.delete(key);
        else model.set(key, record(version));
      }
      return { marked: tracked.mark(), was: new Map(model), round };
    });
    for (const [i, { marked, was }] of marks.entries()) {
      const wanted = [...was].filter(([key]) => key >= from && key < to);
      assert.deepStrictEqual(
        [...marked.scan(from, to)],
        wanted.toSorted(([a], [b]) => (a < b ? -1 : 1)),
      );
      for (const [key, value] of was) assert.deepStrictEqual(marked.get(key), value);
      for (const [j, later] of marks.entries()) {
        const keys = marks.slice(i + 1, j + 1).flatMap(({ round }) => round.map(({ key }) => key));
        assert.deepStrictEqual(
          marked.changedUntil(later.marked),
          j < i ? undefined : [...new Set(keys)].toSorted((a, b) => (a < b ? -1 : 1)),
        );
      }
    }
  });
  t.doesNotThrow(() => fc.assert(property, { numRuns: 300 }));
});
