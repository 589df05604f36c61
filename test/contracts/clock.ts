/** What every `Clock` does, real or simulated. */
import t, { type Test } from 'tap';
import type { Clock } from '../../src/core/ports.js';

export interface ClockSubject {
  readonly clock: Clock;
  /** Lets `work` come to its end: in virtual time where the clock has it. */
  run<Value>(work: () => Promise<Value>): Promise<Value>;
}

export function clockContract(name: string, make: () => ClockSubject): void {
  const claim = (what: string, work: (t: Test, clock: Clock) => Promise<void>): void => {
    void t.test(`${name}: ${what}`, async (t) => {
      const subject = make();
      await subject.run(() => work(t, subject.clock));
    });
  };
  timeClaims(claim);
  scheduleClaims(claim);
  sleepClaims(claim);
}

type Claim = (what: string, work: (t: Test, clock: Clock) => Promise<void>) => void;

const scheduled = (clock: Clock, delayMs: number): Promise<void> =>
  new Promise((resolve) => {
    clock.schedule(delayMs, resolve);
  });

function timeClaims(claim: Claim): void {
  claim('wall time is in whole milliseconds of this century', async (t, clock) => {
    const nowMs = clock.wallTimeMs();
    t.ok(Number.isSafeInteger(nowMs));
    t.ok(nowMs > Date.UTC(2020, 0) && nowMs < Date.UTC(2100, 0), String(nowMs));
  });

  claim('monotonic time does not step back', async (t, clock) => {
    let lastMs = clock.monotonicTimeMs();
    for (let i = 0; i < 100; i++) {
      const nowMs = clock.monotonicTimeMs();
      if (nowMs < lastMs) t.fail(`${nowMs} after ${lastMs}`);
      lastMs = nowMs;
      if (i % 10 === 0) await scheduled(clock, 0.3);
    }
  });
}

function scheduleClaims(claim: Claim): void {
  claim('a callback never runs before its delay has passed', async (t, clock) => {
    for (const delayMs of [0, 0.4, 1, 1.5, 3, 10.1]) {
      const startMs = clock.monotonicTimeMs();
      await scheduled(clock, delayMs);
      const passedMs = clock.monotonicTimeMs() - startMs;
      t.ok(passedMs >= delayMs, `${passedMs} ms of ${delayMs} ms`);
    }
  });

  claim('callbacks run in the order in which they are due', async (t, clock) => {
    const order: string[] = [];
    clock.schedule(15, () => order.push('second'));
    clock.schedule(1, () => order.push('first'));
    await scheduled(clock, 30);
    t.strictSame(order, ['first', 'second']);
  });

  claim('a callback does not run in the call that schedules it', async (t, clock) => {
    let ran = false;
    const done = new Promise<void>((resolve) => {
      clock.schedule(0, () => {
        ran = true;
        resolve();
      });
    });
    t.equal(ran, false);
    await done;
  });

  claim('a cancelled callback does not run, and cancelling again does no harm', async (t, clock) => {
    let ran = false;
    const cancel = clock.schedule(1, () => {
      ran = true;
    });
    cancel();
    cancel();
    await scheduled(clock, 10);
    t.equal(ran, false);
    const cancelLate = clock.schedule(0, () => undefined);
    await scheduled(clock, 5);
    cancelLate();
  });

  claim('a delay of months is not taken for none', async (t, clock) => {
    let ran = false;
    const cancel = clock.schedule(90 * 24 * 3_600_000, () => {
      ran = true;
    });
    await scheduled(clock, 10);
    t.equal(ran, false);
    cancel();
  });

  claim('the next turn comes after the microtasks that are queued', async (t, clock) => {
    const order: string[] = [];
    const done = new Promise<void>((resolve) => {
      clock.nextTurn(() => {
        order.push('turn');
        resolve();
      });
    });
    await Promise.resolve().then(() => order.push('microtask'));
    await done;
    t.strictSame(order, ['microtask', 'turn']);
  });
}

function sleepClaims(claim: Claim): void {
  claim('a sleep lasts at least its delay', async (t, clock) => {
    const startMs = clock.monotonicTimeMs();
    await clock.sleep(5);
    t.ok(clock.monotonicTimeMs() - startMs >= 5);
  });

  claim('a sleep ends early with the reason of its signal', async (t, clock) => {
    const controller = new AbortController();
    const reason = new Error('woken');
    clock.schedule(1, () => controller.abort(reason));
    const startMs = clock.monotonicTimeMs();
    await t.rejects(clock.sleep(60_000, controller.signal), reason);
    t.ok(clock.monotonicTimeMs() - startMs < 30_000);
    await t.rejects(clock.sleep(60_000, controller.signal), reason);
  });

  claim('a signal that is aborted after the sleep changes nothing', async (t, clock) => {
    const controller = new AbortController();
    const slept = clock.sleep(1, controller.signal);
    await slept;
    controller.abort(new Error('too late'));
    await t.resolves(slept);
  });
}
