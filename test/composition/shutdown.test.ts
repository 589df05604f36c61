/** How a stop is asked for, and what its drain tells. */
import t from 'tap';
import { SimClock } from '../../simulations/sim-clock.js';
import { Scheduler } from '../../simulations/scheduler.js';
import { HeadraceError } from '../../src/core/errors.js';
import { SECOND_MS } from '../../src/core/units.js';
import { Shutdown, type ShutdownParts } from '../../src/composition/shutdown.js';
import type { FlushResult } from '../../src/engine/admin-service.js';
import type { FlushRequest } from '../../src/engine/persist-barrier.js';
import { NOTHING_LEFT } from '../support/memory-admin-service.js';

const DONE: FlushResult = { ...NOTHING_LEFT, outcome: 'PERSISTED', blocked: [] };

function open(
  flush: (request: FlushRequest) => Promise<FlushResult>,
  parts: Partial<ShutdownParts> = {},
): { shutdown: Shutdown; signal: AbortController; scheduler: Scheduler; notes: string[] } {
  const scheduler = new Scheduler();
  const signal = new AbortController();
  const notes: string[] = [];
  const shutdown = new Shutdown({
    barriers: { flush },
    clock: new SimClock(scheduler),
    signal: signal.signal,
    drainTimeoutMs: undefined,
    note: (text) => notes.push(text),
    ...parts,
  });
  return { shutdown, signal, scheduler, notes };
}

void t.test('shutdown: without a drain nothing is waited for', async (t) => {
  const { shutdown, signal, scheduler, notes } = open(() => t.fail() as never);
  signal.abort();
  await shutdown.asked;
  await scheduler.complete(shutdown.drain());
  t.same(notes, []);
});

void t.test('shutdown: a signal drains for as long as the setting says', async (t) => {
  let asked: FlushRequest | undefined;
  const { shutdown, signal, scheduler, notes } = open(
    async (request) => {
      asked = request;
      return DONE;
    },
    { drainTimeoutMs: 60 * SECOND_MS },
  );
  signal.abort();
  await shutdown.asked;
  await scheduler.complete(shutdown.drain());
  t.match(asked, { path: '/', timeoutMs: 60 * SECOND_MS });
  t.equal(asked?.signal, undefined, 'the signal that stops the server does not end its drain');
  t.match(notes.at(-1), 'everything is in the under-store');
});

void t.test(
  'shutdown: whoever asks says for how long, hears of the progress, and is told first',
  async (t) => {
    const { shutdown, scheduler } = open(
      async ({ timeoutMs, onProgress }) => {
        onProgress?.({ ...NOTHING_LEFT, objects: 3 });
        return { ...DONE, outcome: 'TIMEOUT', elapsedMs: timeoutMs ?? 0 };
      },
      { drainTimeoutMs: 60 * SECOND_MS },
    );
    const left: number[] = [];
    let told = false;
    const report = shutdown.stop({ drainTimeoutMs: 5 * SECOND_MS }, ({ objects }) => left.push(objects));
    void report.then(() => (told = true));
    await shutdown.asked;
    await scheduler.complete(shutdown.drain());
    t.ok(told, 'before the drain is over and the admin API closes');
    t.match(await report, { drain: { outcome: 'TIMEOUT', elapsedMs: 5 * SECOND_MS } });
    t.same(left, [3]);
    t.match(await shutdown.stop({}, () => undefined), { drain: { outcome: 'TIMEOUT' } }, 'so are latecomers');
  },
);

void t.test('shutdown: a signal ends the drain of a stop that was asked for otherwise', async (t) => {
  const { shutdown, signal, scheduler, notes } = open(
    ({ signal: ending }) =>
      new Promise((_resolve, reject) => {
        ending?.addEventListener('abort', () => reject(new HeadraceError('CLOSED', 'it was given up')));
      }),
  );
  const report = shutdown.stop({ drainTimeoutMs: 5 * SECOND_MS }, () => undefined);
  await shutdown.asked;
  const draining = shutdown.drain();
  signal.abort();
  await scheduler.complete(draining);
  t.same(await report, {});
  t.match(notes.at(-1), 'given up');
});
