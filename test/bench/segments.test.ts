import t from 'tap';
import { benchSegments } from '../../bench/segments.js';

void t.test('bench: the segment store measures what it promises', async (t) => {
  const load = { rounds: 1, appends: 10, largeBodies: 1, hashedBytes: 64 * 1024 };
  const figures = await benchSegments({ ...load, directory: t.testdir() });
  for (const { what, headrace } of figures) t.ok(headrace > 0 && Number.isFinite(headrace), what);
  t.ok(figures.length > 10);
});
