import t from 'tap';
import { isDroppable } from '../../log/retention.js';

const OLDEST = { endOffset: 100, sizeBytes: 10, endTimeMs: 1000 };
const KEEP_ALL = { bytes: 1000, timeMs: 1000 };

void t.test('retention: what may still be needed is kept, whatever the limits', async (t) => {
  t.notOk(isDroppable(OLDEST, 0, 99, { bytes: 0, timeMs: 0 }, 10_000));
  t.ok(isDroppable(OLDEST, 0, 100, { bytes: 0, timeMs: 0 }, 10_000));
});

void t.test('retention: history goes when the log is larger than the limit', async (t) => {
  t.notOk(isDroppable(OLDEST, 990, 100, KEEP_ALL, 1500));
  t.ok(isDroppable(OLDEST, 991, 100, KEEP_ALL, 1500));
});

void t.test('retention: history goes when it is older than the limit', async (t) => {
  t.notOk(isDroppable(OLDEST, 0, 100, KEEP_ALL, 2000));
  t.ok(isDroppable(OLDEST, 0, 100, KEEP_ALL, 2001));
});
