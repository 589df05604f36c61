import t from 'tap';
import type { Event } from '../../log/events.js';
import { verifyFrame } from '../../log/frame.js';
import { GroupCommit, type GroupCommitLimits } from '../../log/group-commit.js';
import type { DurableBatch } from '../../log/log-store.js';
import { Scheduler } from '../../simulations/scheduler.js';
import { SimClock } from '../../simulations/sim-clock.js';
import { HeadraceError } from '../../src/core/errors.js';
import { numberedEvent, numberedEvents } from './sample-events.js';

const LIMITS: GroupCommitLimits = {
  frameBytesMax: 8192,
  batchBytes: 4096,
  batchEvents: 50,
  queueBytesMax: 64 * 1024,
};

/** A log whose writes end when the test says so. */
class Bench {
  readonly writes: { count: number; firstOffset: number; end: (error?: Error) => void }[] = [];
  readonly batches: DurableBatch[] = [];
  readonly commit: GroupCommit;
  #ended = 0;

  constructor(limits: Partial<GroupCommitLimits> = {}) {
    this.commit = new GroupCommit({
      owner: { partition: 1, storeId: 5n },
      epoch: 2,
      nextOffset: 100,
      limits: { ...LIMITS, ...limits },
      clock: new SimClock(new Scheduler()),
      write: (bytes, firstOffset, count) =>
        new Promise((resolve, reject) => {
          const header = verifyFrame(bytes);
          if (header?.count !== count || header.firstOffset !== firstOffset) throw new Error('a bad frame');
          this.writes.push({
            count,
            firstOffset,
            end: (error) => (error === undefined ? resolve() : reject(error)),
          });
        }),
      onDurable: (batch) => this.batches.push(batch),
    });
  }

  append(...numbers: number[]): Promise<number> {
    return this.commit.append(numbers.map((number) => numberedEvent(number)));
  }

  /** Ends the oldest write that is in flight, and lets what follows from it happen. */
  async end(error?: Error): Promise<void> {
    await settle();
    this.writes[this.#ended++]?.end(error);
    await settle();
  }

  get counts(): number[] {
    return this.writes.map(({ count }) => count);
  }
}

/** Enough microtasks for every promise that can settle. */
async function settle(): Promise<void> {
  for (let i = 0; i < 10; i++) await Promise.resolve();
}

void t.test('group commit: appends of one turn share the first frame', async (t) => {
  const bench = new Bench();
  const appends = [bench.append(0), bench.append(1, 2), bench.append(3)];
  t.equal(bench.writes.length, 0, 'nothing is written before the turn ends');
  await bench.end();
  t.strictSame(await Promise.all(appends), [100, 101, 103]);
  t.strictSame(bench.counts, [4]);
});

void t.test('group commit: what queues during a write is the next frame', async (t) => {
  const bench = new Bench();
  const first = bench.append(0);
  await settle();
  const others = [bench.append(1), bench.append(2), bench.append(3)];
  await settle();
  t.strictSame(bench.counts, [1], 'one write is in flight');
  await bench.end();
  t.equal(await first, 100);
  t.strictSame(bench.counts, [1, 3]);
  t.equal(bench.commit.nextOffset, 104);
  t.equal(bench.commit.durableOffset, 101);
  await bench.end();
  t.strictSame(await Promise.all(others), [101, 102, 103]);
  t.equal(bench.commit.durableOffset, 104);
  t.strictSame(bench.commit.statistics.events, 4);
});

void t.test('group commit: a batch is announced before its appends resolve, in order', async (t) => {
  const bench = new Bench();
  const seen: string[] = [];
  void bench.append(0).then(() => seen.push(`resolved with ${bench.batches.length} batches`));
  await settle();
  void bench.append(1).then(() => seen.push(`resolved with ${bench.batches.length} batches`));
  await bench.end();
  await bench.end();
  t.strictSame(seen, ['resolved with 1 batches', 'resolved with 2 batches']);
  t.strictSame(
    bench.batches.map(({ firstOffset, events, epoch, partition }) => [
      firstOffset,
      events.length,
      epoch,
      partition,
    ]),
    [
      [100, 1, 2, 1],
      [101, 1, 2, 1],
    ],
  );
});

void t.test('group commit: a frame closes at its limits, an append is never divided', async (t) => {
  const bench = new Bench();
  void bench.commit.append(numberedEvents(0, 30));
  void bench.commit.append(numberedEvents(30, 30));
  void bench.commit.append(numberedEvents(60, 60));
  void bench.commit.append(numberedEvents(120, 5, 700));
  void bench.commit.append(numberedEvents(125, 1, 2000));
  for (let i = 0; i < 5; i++) await bench.end();
  t.strictSame(bench.counts, [30, 30, 60, 5, 1]);
});

void t.test('group commit: an append longer than a frame is refused and takes no offset', async (t) => {
  const bench = new Bench();
  const before = bench.append(0);
  await t.rejects(bench.commit.append(numberedEvents(1, 5, 2000)), {
    code: 'INVALID_ARGUMENT',
    message: /8 KiB/,
  });
  const after = bench.append(1);
  await bench.end();
  await bench.end();
  t.strictSame(await Promise.all([before, after]), [100, 101]);
});

void t.test('group commit: an append of exactly the longest frame is taken', async (t) => {
  const overhead = 8192 - 64;
  const bench = new Bench();
  let padding = overhead;
  const fits = (): Promise<number> => bench.commit.append([numberedEvent(1, padding) as Event]);
  let appended: Promise<number> | undefined;
  while (appended === undefined) {
    const attempt = fits();
    if (bench.commit.nextOffset === 101) appended = attempt;
    else {
      await t.rejects(attempt, { code: 'INVALID_ARGUMENT' });
      padding--;
    }
  }
  await bench.end();
  t.equal(await appended, 100);
  t.equal(bench.commit.statistics.bytes, 8192);
});

void t.test('group commit: a full queue refuses appends until the disk has caught up', async (t) => {
  const bench = new Bench({ queueBytesMax: 1000 });
  const queued = [
    bench.commit.append(numberedEvents(0, 1, 900)),
    bench.commit.append(numberedEvents(1, 1, 900)),
  ];
  await t.rejects(bench.append(2), { code: 'SLOW_DOWN' });
  await bench.end();
  t.strictSame(await Promise.all(queued), [100, 101]);
  const next = bench.append(2);
  await bench.end();
  t.equal(await next, 102);
});

void t.test('group commit: after a failed write nothing is written or announced any more', async (t) => {
  const bench = new Bench();
  const error = new HeadraceError('IO_FAILED', 'the disk is gone');
  const appends = [bench.append(0)];
  await settle();
  appends.push(bench.append(1), bench.commit.append(numberedEvents(2, 49)));
  const sealed = bench.commit.seal();
  await bench.end(error);
  for (const append of appends) await t.rejects(append, error);
  await t.rejects(sealed, error);
  await t.rejects(bench.append(9), error);
  await t.rejects(bench.commit.seal(), error);
  t.strictSame(bench.counts, [1]);
  t.strictSame(bench.batches, []);
  t.equal(bench.commit.durableOffset, 100);
});

void t.test('group commit: a seal goes behind all that is queued, and only once', async (t) => {
  const bench = new Bench();
  const append = bench.append(0);
  const seals = [bench.commit.seal(), bench.commit.seal()];
  await bench.end();
  t.equal(await append, 100);
  seals.push(bench.commit.seal());
  await bench.end();
  await Promise.all(seals);
  await bench.commit.seal();
  t.strictSame(bench.counts, [1, 0]);
  t.strictSame(bench.batches.length, 1, 'a seal is not announced');
});

void t.test('group commit: after close the queue is written and new appends are refused', async (t) => {
  const bench = new Bench();
  const append = bench.append(0);
  bench.commit.close();
  await t.rejects(bench.append(1), { code: 'CLOSED' });
  const sealed = bench.commit.seal();
  await bench.end();
  await bench.end();
  t.equal(await append, 100);
  await sealed;
});
