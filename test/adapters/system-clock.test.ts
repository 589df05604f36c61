import t from 'tap';
import { SystemClock } from '../../src/adapters/system-clock.js';
import { clockContract } from '../contracts/clock.js';

clockContract('system clock', () => ({
  clock: new SystemClock(),
  async run(work) {
    // The clock's own timers do not keep the process alive.
    const keepAlive = setInterval(() => undefined, 60_000);
    try {
      return await work();
    } finally {
      clearInterval(keepAlive);
    }
  },
}));

void t.test(
  'system clock: a callback that is long due in the future does not keep the process alive',
  async (t) => {
    const before = process.getActiveResourcesInfo().filter((name) => name === 'Timeout').length;
    new SystemClock().schedule(3_600_000, () => undefined);
    t.equal(process.getActiveResourcesInfo().filter((name) => name === 'Timeout').length, before);
  },
);

void t.test('system clock: busy time grows while the thread works, and no faster than time', async (t) => {
  const clock = new SystemClock();
  // It is counted from the first turn of the event loop on.
  await new Promise<void>((resolve) => clock.nextTurn(resolve));
  const [busyMs, atMs] = [clock.busyTimeMs(), clock.monotonicTimeMs()];
  while (clock.monotonicTimeMs() < atMs + 5);
  const grownMs = clock.busyTimeMs() - busyMs;
  t.ok(grownMs >= 5 && grownMs <= clock.monotonicTimeMs() - atMs + 1, `${grownMs} ms`);
});
