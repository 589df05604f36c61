import t from 'tap';
import { Scheduler } from '../../simulations/scheduler.js';
import { SimClock } from '../../simulations/sim-clock.js';
import { SimDisk } from '../../simulations/sim-disk.js';
import { SimRandom } from '../../simulations/sim-random.js';

void t.test('scheduler: callbacks run by time, and at one time in the order they came', async (t) => {
  const scheduler = new Scheduler();
  const random = new SimRandom('order');
  const ran: { dueMs: number; index: number }[] = [];
  for (let index = 0; index < 500; index++) {
    const dueMs = random.below(50);
    scheduler.schedule(dueMs, () => ran.push({ dueMs, index }));
  }
  await scheduler.runUntilIdle();
  t.equal(ran.length, 500);
  t.strictSame(
    ran,
    ran.toSorted((a, b) => a.dueMs - b.dueMs || a.index - b.index),
  );
  t.equal(scheduler.nowMs, Math.max(...ran.map(({ dueMs }) => dueMs)));
});

void t.test('scheduler: every microtask of a callback runs before the next one', async (t) => {
  const scheduler = new Scheduler();
  const order: string[] = [];
  scheduler.schedule(1, () => {
    void (async () => {
      for (let i = 0; i < 20; i++) await Promise.resolve();
      order.push('microtasks of the first');
    })();
  });
  scheduler.schedule(1, () => order.push('second'));
  await scheduler.runUntilIdle();
  t.strictSame(order, ['microtasks of the first', 'second']);
});

void t.test('scheduler: a run stops at its time and leaves the rest', async (t) => {
  const scheduler = new Scheduler();
  const ran: number[] = [];
  for (const dueMs of [1, 5, 5.5]) scheduler.schedule(dueMs, () => ran.push(dueMs));
  const cancel = scheduler.schedule(2, () => ran.push(2));
  cancel();
  await scheduler.run(5);
  t.strictSame(ran, [1, 5]);
  t.equal(scheduler.nowMs, 5);
  await scheduler.run(10);
  t.strictSame(ran, [1, 5, 5.5]);
  t.equal(scheduler.nowMs, 10);
});

void t.test('scheduler: a promise that can never settle is found out', async (t) => {
  const scheduler = new Scheduler();
  scheduler.schedule(3, () => undefined);
  await t.rejects(scheduler.complete(new Promise(() => undefined)), /at 3 ms.*will never happen/);
});

void t.test('scheduler: a run that never ends is cut off', async (t) => {
  const scheduler = new Scheduler({ stepsMax: 100 });
  const again = (): unknown => scheduler.schedule(1, again);
  again();
  await t.rejects(scheduler.runUntilIdle(), /more than 100 steps/);
});

void t.test('scheduler: the error of a callback ends the run', async (t) => {
  const scheduler = new Scheduler();
  scheduler.schedule(1, () => {
    throw new Error('found');
  });
  await t.rejects(scheduler.runUntilIdle(), /found/);
});

/** A world with clocks, files, faults and a crash; returns everything that happened. */
async function history(seed: number): Promise<string[]> {
  const trace: string[] = [];
  const scheduler = new Scheduler({ onStep: (timeMs, sequence) => trace.push(`${timeMs}#${sequence}`) });
  const random = new SimRandom(seed);
  const faults = { writeFailureRatio: 0.1, readFlipRatio: 0.1, stallRatio: 0.1, stallMs: 20 };
  const disk = new SimDisk(scheduler, random.fork('disk'), { faults });
  const clock = new SimClock(scheduler, { driftRatio: 1e-5 });
  const workload = random.fork('workload');
  const client = async (name: string): Promise<void> => {
    const file = await disk.create(name);
    for (let i = 0; i < 20; i++) {
      await clock.sleep(workload.between(0, 5));
      try {
        await file.write(workload.below(5000), workload.bytes(1 + workload.below(2000)));
        if (workload.chance(0.3)) await file.sync();
      } catch (error) {
        trace.push(String(error));
      }
    }
  };
  for (const name of ['a', 'b', 'c']) void client(name);
  await scheduler.run(60);
  const after = disk.crash(random.fork('crash'));
  clock.stop();
  const names = await scheduler.complete(after.list(''));
  for (const name of names) {
    const file = await scheduler.complete(after.open(name));
    const target = new Uint8Array(await scheduler.complete(file.size()));
    await scheduler.complete(file.read(0, target));
    trace.push(`${name} ${Buffer.from(target).toString('hex')}`);
  }
  return trace;
}

void t.test('scheduler: the same seed gives the same history, another one another', async (t) => {
  for (const seed of [1, 2, 3, 4, 5]) t.strictSame(await history(seed), await history(seed));
  t.notSame(await history(1), await history(2));
});

void t.test(
  'scheduler: after a pause everything that became due runs in its order, and time never goes back',
  async (t) => {
    const scheduler = new Scheduler();
    const ran: string[] = [];
    const note = (name: string) => (): void => void ran.push(`${name} at ${scheduler.nowMs}`);
    scheduler.schedule(10, () => {
      note('first')();
      scheduler.stall(100);
    });
    scheduler.schedule(60, note('third'));
    scheduler.schedule(20, note('second'));
    scheduler.schedule(200, note('fourth'));
    await scheduler.run(50);
    t.same(ran, ['first at 10', 'second at 110']);
    t.equal(scheduler.nowMs, 110, 'the pause went on beyond the end');
    await scheduler.runUntilIdle();
    t.same(ran.slice(2), ['third at 110', 'fourth at 200']);
  },
);
