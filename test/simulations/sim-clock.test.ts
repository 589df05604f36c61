import t from 'tap';
import { Scheduler } from '../../simulations/scheduler.js';
import { SimClock } from '../../simulations/sim-clock.js';
import { clockContract } from '../contracts/clock.js';

for (const driftRatio of [0, 0.01, -0.03]) {
  clockContract(`simulated clock (drift ${driftRatio})`, () => {
    const scheduler = new Scheduler();
    return {
      clock: new SimClock(scheduler, { driftRatio }),
      run: (work) => scheduler.complete(work()),
    };
  });
}

void t.test('simulated clock: hours pass at once', async (t) => {
  const scheduler = new Scheduler();
  const clock = new SimClock(scheduler, { wallOriginMs: 1_800_000_000_000 });
  await scheduler.complete(clock.sleep(3_600_000));
  t.equal(clock.wallTimeMs(), 1_800_003_600_000);
  t.equal(clock.monotonicTimeMs(), 3_600_000);
});

void t.test('simulated clock: a drifting clock gains on virtual time', async (t) => {
  const scheduler = new Scheduler();
  const clock = new SimClock(scheduler, { driftRatio: 2 ** -10 });
  await scheduler.run(1_000_000);
  t.equal(clock.monotonicTimeMs(), 1_000_976.5625);
});

void t.test('simulated clock: every timer of a drifting clock ends, not before its time', async (t) => {
  let early = 0;
  // With a drift of 0.024 a tick is a thousandth, and what rounding leaves of a delay is often less than a tick.
  for (const driftRatio of [0.024, 0.01, -0.03]) {
    const scheduler = new Scheduler({ stepsMax: 10_000 });
    const clock = new SimClock(scheduler, { driftRatio });
    for (let delayMs = 0; delayMs < 100; delayMs += 0.118) {
      const startMs = clock.monotonicTimeMs();
      await scheduler.complete(clock.sleep(delayMs));
      if (clock.monotonicTimeMs() - startMs < delayMs) early++;
    }
  }
  t.equal(early, 0);
});

void t.test('simulated clock: a step moves the wall time and nothing else', async (t) => {
  const scheduler = new Scheduler();
  const clock = new SimClock(scheduler);
  const wallMs = clock.wallTimeMs();
  let ranAtMs = 0;
  clock.schedule(100, () => {
    ranAtMs = clock.monotonicTimeMs();
  });
  clock.stepWallTime(-60_000);
  t.equal(clock.wallTimeMs(), wallMs - 60_000);
  t.equal(clock.monotonicTimeMs(), 0);
  await scheduler.runUntilIdle();
  t.equal(ranAtMs, 100);
});

void t.test('simulated clock: nothing of a stopped process runs any more', async (t) => {
  const scheduler = new Scheduler();
  const clock = new SimClock(scheduler);
  const controller = new AbortController();
  const ran: string[] = [];
  clock.schedule(1, () => ran.push('callback'));
  clock.nextTurn(() => ran.push('turn'));
  const note = (): unknown => ran.push('sleep');
  clock.sleep(1).then(note, note);
  clock.sleep(1, controller.signal).then(note, note);
  clock.stop();
  controller.abort();
  await scheduler.run(10);
  t.strictSame(ran, []);
});
