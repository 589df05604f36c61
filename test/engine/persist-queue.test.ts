/** The window over the upload stream: bounded, in order, and forgetting nothing for good. */
import t from 'tap';
import { RECORD_CODEC } from '../../projections/record-codec.js';
import { queueKey, type IndexRecord, type QueueRecord } from '../../projections/records.js';
import { Scheduler } from '../../simulations/scheduler.js';
import { SimClock } from '../../simulations/sim-clock.js';
import { openSimIndexStore, SimIndexStorage } from '../../simulations/sim-index-store.js';
import type { IndexStore } from '../../src/core/index-store.js';
import type { ObjectStore } from '../../src/core/object-store.js';
import type { Partition } from '../../src/engine/partition.js';
import { PersistQueue } from '../../src/engine/persist-queue.js';

/** Entries that the queue remembers while their time has not come. */
const WAITING_MAX = 16_384;
/** Names of stores only: the queue compares them and nothing else. */
const STORES = ['root', 'other'].map((description) => ({ description }) as ObjectStore);
const AGE_LIMIT_MS = 60_000;

interface QueueWorldOptions {
  readonly dueInMs?: number;
  /** Lane of an entry, by its key: `<store>-<priority>-…`. One lane for all unless given. */
  readonly lanes?: boolean;
  readonly keyOf?: (version: number) => string;
  readonly sinceOf?: (version: number) => number;
}

async function openQueue(count: number, options: QueueWorldOptions = {}) {
  const { dueInMs = 0, lanes = false, keyOf = () => 'key', sinceOf } = options;
  const scheduler = new Scheduler();
  const clock = new SimClock(scheduler);
  const opening = openSimIndexStore({ storage: new SimIndexStorage(), codec: RECORD_CODEC, clock });
  const { store: index } = await scheduler.complete(opening);
  const nextAttemptAtMs = dueInMs === 0 ? 0 : clock.wallTimeMs() + dueInMs;
  const record = (version: number): QueueRecord =>
    entry(nextAttemptAtMs, keyOf(version), sinceOf?.(version) ?? clock.wallTimeMs());
  for (let version = 1; version <= count; version++) index.set(queueKey(version), record(version));
  let wakes = 0;
  // The queue asks a partition for nothing but its index.
  const partition = { number: 1, index } as { index: IndexStore<IndexRecord> } as Partition;
  const queue = new PersistQueue({
    partitions: [partition],
    clock,
    wake: () => wakes++,
    laneOf: (_bucket, key) => {
      const [store = '0', priority = '5'] = key.split('-');
      return { store: STORES[Number(store)] as ObjectStore, priority: Number(priority) };
    },
    isSingle: () => !lanes,
    ageLimitMs: AGE_LIMIT_MS,
  });
  const blocked = new Set<ObjectStore>();
  /** Takes one, in a turn of its own, after as many turns as the search wants. */
  const takeOne = (): number | undefined => {
    for (;;) {
      const wakesBefore = wakes;
      queue.prepare();
      const next = queue.take({ mayStart: (store) => !blocked.has(store), isBusy: () => false });
      if (next !== undefined) {
        index.delete(queueKey(next.task.version));
        return next.task.version;
      }
      if (wakes === wakesBefore) return undefined;
    }
  };
  /** Takes what is due, and removes it as a persist does. */
  const takeAll = (): number[] => {
    const taken: number[] = [];
    for (let next = takeOne(); next !== undefined; next = takeOne()) taken.push(next);
    return taken;
  };
  const add = (version: number): void => {
    index.set(queueKey(version), record(version));
    const { bucket, key, sinceMs } = record(version);
    queue.added({ partition, version, bucket, key, sinceMs });
  };
  return { scheduler, queue, takeAll, takeOne, add, blocked, partition, wakes: () => wakes };
}

function entry(nextAttemptAtMs: number, key: string, sinceMs: number): QueueRecord {
  return {
    kind: 'queued',
    action: 'put',
    bucket: 'bucket',
    key,
    size: 0,
    sinceMs,
    attempt: nextAttemptAtMs === 0 ? 0 : 1,
    nextAttemptAtMs,
    cause: '',
    message: '',
    quarantined: false,
  };
}

void t.test('persist queue: a backlog is taken in the order of the log', async (t) => {
  const { takeAll } = await openQueue(5000);
  t.same(
    takeAll(),
    Array.from({ length: 5000 }, (_, i) => i + 1),
  );
});

void t.test('persist queue: what is not due wakes it when it is', async (t) => {
  const { takeAll, scheduler, wakes } = await openQueue(10, { dueInMs: 5000 });
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
    const { takeAll, scheduler, wakes } = await openQueue(count, { dueInMs: 5000 });
    t.same(takeAll(), [], 'it ends');
    const wakesBefore = wakes();
    await scheduler.run(4900);
    t.equal(wakes(), wakesBefore, 'and sleeps until something is due');
    const taken = new Set<number>();
    for (let atMs = 5000; atMs <= 10_000; atMs += 100) {
      await scheduler.run(atMs);
      for (const version of takeAll()) taken.add(version);
    }
    t.equal(taken.size, count, 'all are taken');
  },
);

void t.test('persist queue: what is added while it is full is found in the index', async (t) => {
  const { takeAll, add } = await openQueue(0);
  t.same(takeAll(), []);
  for (let version = 1; version <= 3000; version++) add(version);
  t.equal(takeAll().length, 3000);
});

void t.test('persist queue: higher priorities go first, each in the order of the log', async (t) => {
  const keyOf = (version: number): string => (version % 10 === 0 ? '0-9-high' : version % 2 ? '0-5' : '0-1');
  const { takeAll } = await openQueue(9000, { lanes: true, keyOf });
  const versions = Array.from({ length: 9000 }, (_, i) => i + 1);
  const taken = takeAll();
  t.equal(taken.length, 9000);
  const rank = (version: number): number => ['0-9-high', '0-5', '0-1'].indexOf(keyOf(version));
  // The search of a backlog files a few thousand entries per turn; what is found later overtakes then.
  const high = taken.filter((version) => rank(version) === 0);
  t.same(
    high,
    versions.filter((version) => rank(version) === 0),
    'FIFO inside a priority',
  );
  t.same(
    taken.filter((version) => rank(version) === 2),
    versions.filter((version) => rank(version) === 2),
  );
  const lastHigh = taken.lastIndexOf(high.at(-1) ?? 0);
  const firstLow = taken.findIndex((version) => rank(version) === 2);
  t.ok(lastHigh < firstLow, 'no low priority before the last high one');
});

void t.test('persist queue: what comes later with a higher priority overtakes a backlog', async (t) => {
  const { takeOne, add } = await openQueue(3000, {
    lanes: true,
    keyOf: (version) => (version > 3000 ? '0-9' : '0-5'),
  });
  t.equal(takeOne(), 1);
  add(3001);
  t.equal(takeOne(), 3001);
  t.equal(takeOne(), 2);
});

void t.test('persist queue: an entry beyond the age limit gets every second place', async (t) => {
  const { takeOne, scheduler } = await openQueue(20, {
    lanes: true,
    keyOf: (version) => (version <= 5 ? '0-0-low' : '0-9-high'),
  });
  t.same([takeOne(), takeOne()], [6, 7], 'young: by priority alone');
  await scheduler.run(AGE_LIMIT_MS + 1);
  const taken = Array.from({ length: 8 }, () => takeOne() ?? 0);
  t.same(
    taken.filter((version) => version <= 5),
    [1, 2, 3, 4],
    `half of the places, the oldest first: ${taken.join(' ')}`,
  );
});

void t.test('persist queue: a store that takes nothing holds up no other, and loses nothing', async (t) => {
  const { takeAll, blocked } = await openQueue(10_000, {
    lanes: true,
    keyOf: (version) => (version % 100 === 0 ? '1-5' : '0-5'),
  });
  blocked.add(STORES[0] as ObjectStore);
  t.equal(takeAll().length, 100, 'all of the other store');
  blocked.clear();
  const rest = takeAll();
  t.equal(rest.length, 9900);
  t.same(
    rest,
    [...rest].sort((a, b) => a - b),
    'in order',
  );
});

void t.test('persist queue: stores of one priority take turns', async (t) => {
  const { takeOne } = await openQueue(100, {
    lanes: true,
    keyOf: (version) => (version <= 50 ? '0-5' : '1-5'),
  });
  const taken: number[] = [];
  for (let i = 0; i < 10; i++) taken.push(takeOne() ?? 0);
  t.equal(taken.filter((version) => version > 50).length, 5, taken.join(' '));
});

void t.test('persist queue: what is brought forward is next, whatever its turn and its time', async (t) => {
  const { takeOne, queue, partition } = await openQueue(10, { dueInMs: 60_000 });
  t.equal(takeOne(), undefined);
  t.ok(queue.expedite(partition, 7));
  t.equal(takeOne(), 7);
  t.equal(takeOne(), undefined);
  t.ok(queue.expedite(partition, 99), 'what is gone needs nothing');
  t.equal(takeOne(), undefined);
});
