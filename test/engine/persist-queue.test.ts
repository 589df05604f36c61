/** The window over the upload stream: bounded, in order, and forgetting nothing for good. */
import t from 'tap';
import { RECORD_CODEC } from '../../projections/record-codec.js';
import { queueKey, type IndexRecord, type QueueRecord } from '../../projections/records.js';
import { Scheduler } from '../../simulations/scheduler.js';
import { SimClock } from '../../simulations/sim-clock.js';
import { openSimIndexStore, SimIndexStorage } from '../../simulations/sim-index-store.js';
import type { IndexStore } from '../../src/core/index-store.js';
import type { Partition } from '../../src/engine/partition.js';
import { PersistQueue } from '../../src/engine/persist-queue.js';

/** Entries that the queue remembers while their time has not come. */
const WAITING_MAX = 16_384;

async function openQueue(count: number, dueInMs: number) {
  const scheduler = new Scheduler();
  const clock = new SimClock(scheduler);
  const opening = openSimIndexStore({ storage: new SimIndexStorage(), codec: RECORD_CODEC, clock });
  const { store: index } = await scheduler.complete(opening);
  const nextAttemptAtMs = dueInMs === 0 ? 0 : clock.wallTimeMs() + dueInMs;
  for (let version = 1; version <= count; version++) index.set(queueKey(version), entry(nextAttemptAtMs));
  let wakes = 0;
  // The queue asks a partition for nothing but its index.
  const partition = { number: 1, index } as { index: IndexStore<IndexRecord> } as Partition;
  const queue = new PersistQueue([partition], clock, () => wakes++);
  /** Takes what is due, and removes it as a persist does. */
  const takeAll = (): number[] => {
    const taken: number[] = [];
    for (;;) {
      const next = queue.take(() => false);
      if (next === undefined) return taken;
      taken.push(next.task.version);
      index.delete(queueKey(next.task.version));
    }
  };
  return { scheduler, queue, takeAll, partition, index, wakes: () => wakes };
}

function entry(nextAttemptAtMs: number): QueueRecord {
  return {
    kind: 'queued',
    action: 'put',
    bucket: 'bucket',
    key: 'key',
    size: 0,
    sinceMs: 0,
    attempt: nextAttemptAtMs === 0 ? 0 : 1,
    nextAttemptAtMs,
    cause: '',
    message: '',
    quarantined: false,
  };
}

void t.test('persist queue: a backlog is taken in the order of the log', async (t) => {
  const { takeAll } = await openQueue(5000, 0);
  t.same(
    takeAll(),
    Array.from({ length: 5000 }, (_, i) => i + 1),
  );
});

void t.test('persist queue: what is not due wakes it when it is', async (t) => {
  const { takeAll, scheduler, wakes } = await openQueue(10, 5000);
  t.same(takeAll(), []);
  await scheduler.run(4900);
  t.equal(wakes(), 0);
  await scheduler.run(5100);
  t.equal(wakes(), 1);
  t.equal(takeAll().length, 10);
});

void t.test(
  'persist queue: more entries that wait than it remembers neither hang it nor get lost',
  async (t) => {
    const count = WAITING_MAX + 1000;
    const { takeAll, scheduler, wakes } = await openQueue(count, 5000);
    t.same(takeAll(), [], 'it ends');
    await scheduler.run(4900);
    t.equal(wakes(), 0, 'and sleeps until something is due');
    const taken = new Set<number>();
    for (let atMs = 5000; atMs <= 10_000; atMs += 100) {
      await scheduler.run(atMs);
      for (const version of takeAll()) taken.add(version);
    }
    t.equal(taken.size, count, 'all are taken');
  },
);

void t.test('persist queue: what is added while it is full is found in the index', async (t) => {
  const { takeAll, queue, partition, index } = await openQueue(0, 0);
  t.same(takeAll(), []);
  for (let version = 1; version <= 3000; version++) {
    index.set(queueKey(version), entry(0));
    queue.added(partition, version);
  }
  t.equal(takeAll().length, 3000);
});
