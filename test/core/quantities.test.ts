import fc from 'fast-check';
import t from 'tap';
import { formatDuration, formatSize, parseDuration, parseSize } from '../../src/core/quantities.js';

void t.test('quantities: durations need a number and a known unit', async (t) => {
  const cases: [text: string, durationMs: number | undefined][] = [
    ['500ms', 500],
    ['1s', 1000],
    ['10min', 600_000],
    ['10m', 600_000],
    ['1 hour', 3_600_000],
    ['1.5h', 5_400_000],
    ['7d', 604_800_000],
    ['1H', 3_600_000],
    ['0ms', 0],
    ['1', undefined],
    ['', undefined],
    ['h', undefined],
    ['-1s', undefined],
    ['1e3s', undefined],
    ['1 week', undefined],
    ['0.5ms', undefined],
    ['1h30min', undefined],
  ];
  for (const [text, durationMs] of cases) t.equal(parseDuration(text), durationMs, text);
});

void t.test('quantities: sizes count in powers of 1024, with or without the i', async (t) => {
  const cases: [text: string, sizeBytes: number | undefined][] = [
    ['1000', 1000],
    ['10GiB', 10 * 1024 ** 3],
    ['10GB', 10 * 1024 ** 3],
    ['10g', 10 * 1024 ** 3],
    ['1.5 KiB', 1536],
    ['64MB', 64 * 1024 ** 2],
    ['2TiB', 2 * 1024 ** 4],
    ['12B', 12],
    ['10Gib/s', undefined],
    ['10PiB', undefined],
    ['-1', undefined],
    ['0.0001KiB', undefined],
    ['9999999999999999TiB', undefined],
  ];
  for (const [text, sizeBytes] of cases) t.equal(parseSize(text), sizeBytes, text);
});

void t.test('quantities: what is written reads back as the same value', async () => {
  const value = fc.integer({ min: 0, max: 2 ** 45 });
  fc.assert(
    fc.property(value, (v) => parseDuration(formatDuration(v)) === v && parseSize(formatSize(v)) === v),
  );
});
