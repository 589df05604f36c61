/** What uploads log: beside what clients log, while clients do, and by itself otherwise. */
import t from 'tap';
import { Scheduler } from '../../simulations/scheduler.js';
import { SimClock } from '../../simulations/sim-clock.js';
import type { DataEvent } from '../../log/events.js';
import type { Decision, DecisionView } from '../../src/engine/decision.js';
import type { Partition } from '../../src/engine/partition.js';
import { PersistSettlements } from '../../src/engine/persist-settlements.js';

const WAITING_MAX = 4;

/** A partition whose appends are durable at once; each is the keys of its events. */
function openSettlements() {
  const scheduler = new Scheduler();
  const clock = new SimClock(scheduler);
  const appends: { atMs: number; keys: string[] }[] = [];
  const state = { error: undefined as Error | undefined };
  let onQueued: () => void = () => undefined;
  const fake = {
    number: 1,
    onQueued: (listener: () => void) => {
      onQueued = listener;
    },
    submit: async (decide: (view: DecisionView) => Decision<void>) => {
      const { events } = decide({} as DecisionView);
      if (state.error !== undefined) throw state.error;
      appends.push({ atMs: clock.monotonicTimeMs(), keys: events.map((event) => (event as Named).key) });
      return { result: undefined, offset: 0 };
    },
  };
  const partition = fake as unknown as Partition;
  const settlements = new PersistSettlements(clock, WAITING_MAX);
  settlements.start([partition]);
  return {
    appends,
    state,
    settle: (key: string) =>
      settlements.settle(partition, () => ({ events: [named(key)], result: undefined })),
    refuse: (error: Error) =>
      settlements.settle(partition, () => {
        throw error;
      }),
    wrote: () => settlements.wrote(),
    /** A client's event is queued. */
    queued: () => onQueued(),
    run: (durationMs: number) => scheduler.run(scheduler.nowMs + durationMs),
  };
}

interface Named {
  readonly key: string;
}

function named(key: string): DataEvent {
  return { type: 'DeletePersisted', atMs: 0, bucket: 'b', key, version: 1 };
}

void t.test('settlements: without clients all that ends in one turn is logged in the next', async (t) => {
  const { settle, appends, run } = openSettlements();
  const settled = Promise.all([settle('a'), settle('b')]);
  t.same(appends, [], 'others of this turn may come');
  await run(0);
  await settled;
  t.same(
    appends.map(({ keys }) => keys),
    [['a', 'b']],
  );
});

void t.test('settlements: while clients write they wait for a client and go beside it', async (t) => {
  const { settle, wrote, queued, appends, run } = openSettlements();
  wrote();
  await run(1);
  wrote();
  const settled = settle('a');
  await run(1);
  t.same(appends, []);
  queued();
  await settled;
  t.same(appends, [{ atMs: 2, keys: ['a'] }]);
});

void t.test('settlements: they wait 5 ms for clients that do not come', async (t) => {
  const { settle, wrote, appends, run } = openSettlements();
  wrote();
  await run(1);
  wrote();
  const settled = settle('a');
  await run(10);
  await settled;
  t.same(appends, [{ atMs: 6, keys: ['a'] }]);
});

void t.test('settlements: clients that write seldom are not waited for', async (t) => {
  const { settle, wrote, appends, run } = openSettlements();
  wrote();
  await run(20);
  wrote();
  const settled = settle('a');
  await run(0);
  await settled;
  t.same(appends, [{ atMs: 20, keys: ['a'] }]);
});

void t.test('settlements: only a number of them waits', async (t) => {
  const { settle, wrote, appends } = openSettlements();
  wrote();
  wrote();
  await Promise.all(['a', 'b', 'c', 'd'].map((key) => settle(key)));
  t.same(appends, [{ atMs: 0, keys: ['a', 'b', 'c', 'd'] }]);
});

void t.test('settlements: one that is refused spoils no other; a failed append concerns all', async (t) => {
  const { settle, refuse, state, appends, run } = openSettlements();
  const refused = t.rejects(refuse(new Error('moved')), { message: 'moved' });
  const settled = settle('b');
  await run(0);
  await refused;
  await settled;
  t.same(
    appends.map(({ keys }) => keys),
    [['b']],
  );
  state.error = new Error('the log failed');
  const failed = ['c', 'd'].map((key) => t.rejects(settle(key), { message: 'the log failed' }));
  await run(0);
  await Promise.all(failed);
});
