import t from 'tap';
import { HeadraceError } from '../../../src/core/errors.js';
import type { Clock, DiskFile } from '../../../src/core/ports.js';
import { DirectReads } from '../../../src/engine/segments/direct-reads.js';

const SLOW_MS = 1;
const FAST_MS = 0.01;

/** A file whose reads take as long as `costMs` says, and a clock that shows it. */
function world(costMs: () => number, outcome: () => number): { reads: DirectReads; file: DiskFile } {
  let nowMs = 0;
  const clock = { monotonicTimeMs: () => nowMs } as Partial<Clock> as Clock;
  const readSync = (): number => {
    nowMs += costMs();
    return outcome();
  };
  return { reads: new DirectReads(clock), file: { readSync } as Partial<DiskFile> as DiskFile };
}

/** Of `count` reads, how many were done at once. */
function directOf({ reads, file }: ReturnType<typeof world>, count: number): number {
  let direct = 0;
  for (let i = 0; i < count; i++) {
    if (!reads.mayRead(10)) continue;
    reads.read(file, 0, new Uint8Array(10));
    direct++;
  }
  return direct;
}

void t.test('direct reads: all of them while they are fast, none of a large extent', async (t) => {
  const fast = world(
    () => FAST_MS,
    () => 10,
  );
  t.equal(directOf(fast, 1000), 1000);
  t.notOk(fast.reads.mayRead(65 * 1024));
});

void t.test('direct reads: while reads wait for the device, fewer and fewer are tried', async (t) => {
  let costMs = SLOW_MS;
  const cold = world(
    () => costMs,
    () => 10,
  );
  t.equal(directOf(cold, 10_000), 10, '16, 32, … 4096 reads go to the pool behind each slow one');
  costMs = FAST_MS;
  directOf(cold, 4096);
  t.equal(directOf(cold, 1000), 1000, 'and all are direct again once reads are fast');
});

void t.test('direct reads: a short read and a failing disk leave it to the usual way', async (t) => {
  let outcome = (): number => 9;
  const { reads, file } = world(
    () => FAST_MS,
    () => outcome(),
  );
  t.notOk(reads.read(file, 0, new Uint8Array(10)));
  outcome = () => {
    throw new HeadraceError('IO_FAILED', 'the disk fails');
  };
  t.notOk(reads.read(file, 0, new Uint8Array(10)));
});
