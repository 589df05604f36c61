/** When uploads begin: in batches, and fewer of them while clients need the thread. */
import t from 'tap';
import { Scheduler } from '../../simulations/scheduler.js';
import { SimClock } from '../../simulations/sim-clock.js';
import type { Clock } from '../../src/core/ports.js';
import { PersistTempo } from '../../src/engine/persist-tempo.js';

/** A persister with an endless backlog, on a thread that is as busy as it is told. */
function openTempo({ countsBusyTime = true } = {}) {
  const scheduler = new Scheduler();
  const sim = new SimClock(scheduler);
  const state = { busyShare: 0, busyMs: 0, atMs: 0, isStrained: false, begun: 0, hasWork: false };
  const batches: number[] = [];
  const clock: Clock = {
    wallTimeMs: () => sim.wallTimeMs(),
    monotonicTimeMs: () => sim.monotonicTimeMs(),
    schedule: (delayMs, callback) => sim.schedule(delayMs, callback),
    sleep: (delayMs, signal) => sim.sleep(delayMs, signal),
    nextTurn: (callback) => sim.nextTurn(callback),
    ...(countsBusyTime ? { busyTimeMs } : {}),
  };
  function busyTimeMs(): number {
    const nowMs = sim.monotonicTimeMs();
    state.busyMs += (nowMs - state.atMs) * state.busyShare;
    state.atMs = nowMs;
    return state.busyMs;
  }
  const tempo: PersistTempo = new PersistTempo({
    clock,
    isStrained: () => state.isStrained,
    fill: () => {
      batches.push(sim.monotonicTimeMs());
      if (!state.hasWork) return tempo.began();
      for (let i = 0; i < 16; i++) {
        const { delayMs } = tempo;
        if (delayMs > 0) return tempo.after(delayMs);
        state.begun++;
        tempo.began();
      }
      tempo.after(1);
    },
  });
  const run = (durationMs: number): Promise<void> => scheduler.run(scheduler.nowMs + durationMs);
  /** Clients write every 10 ms; how many uploads began per second. */
  const load = async (durationMs: number, writes = true): Promise<number> => {
    busyTimeMs();
    const before = state.begun;
    for (let ms = 0; ms < durationMs; ms += 10) {
      if (writes) tempo.wrote();
      else tempo.gather();
      await run(10);
      busyTimeMs();
    }
    return ((state.begun - before) * 1000) / durationMs;
  };
  return { tempo, state, batches, run, load };
}

void t.test(
  'persist tempo: what is written alone begins at once, what follows begins together',
  async (t) => {
    const { tempo, batches, run } = openTempo();
    await run(100);
    tempo.wrote();
    await run(0.5);
    t.same(batches, [100]);
    for (let i = 0; i < 4; i++) {
      tempo.wrote();
      await run(1);
    }
    t.equal(batches.length, 1, 'they wait for each other');
    await run(25);
    t.same(batches, [100, 110]);
  },
);

void t.test('persist tempo: what is urgent waits for no batch', async (t) => {
  const { tempo, batches, run } = openTempo();
  tempo.wrote();
  await run(1);
  tempo.wrote();
  tempo.now();
  await run(0.5);
  t.same(batches, [0, 1]);
  await run(50);
  t.equal(batches.length, 2, 'what was to begin later began with it');
  tempo.after(10);
  tempo.after(5);
  tempo.after(20);
  await run(50);
  t.same(batches, [0, 1, 56.5], 'the first of several times counts');
  tempo.after(1);
  tempo.stop();
  tempo.now();
  await run(50);
  t.equal(batches.length, 3, 'nothing begins after the stop');
});

void t.test(
  'persist tempo: uploads give way to writes down to a floor, and have it all when there is time',
  async (t) => {
    const { tempo, state, load } = openTempo();
    state.hasWork = true;
    state.busyShare = 0.5;
    const free = await load(500);
    t.ok(free > 10_000, `${free} a second while there is time`);
    state.busyShare = 0.95;
    await load(2000);
    const floor = await load(1000);
    t.ok(floor >= 1900 && floor <= 2100, `${floor} a second while there is none`);
    t.equal(tempo.perS, 2000);
    state.isStrained = true;
    await load(100);
    t.equal(tempo.perS, undefined, 'space is scarcer than time');
    state.isStrained = false;
    await load(2000);
    t.equal(tempo.perS, 2000);
    state.busyShare = 0.5;
    await load(2000);
    t.equal(tempo.perS, undefined, 'there is time again');
    state.busyShare = 1;
    await load(2000);
    t.equal(tempo.perS, 2000);
    await load(500, false);
    t.equal(tempo.perS, undefined, 'clients rest: the thread is busy with uploads alone');
  },
);

void t.test('persist tempo: without a clock that counts busy time there is no limit', async (t) => {
  const { tempo, state, load } = openTempo({ countsBusyTime: false });
  state.hasWork = true;
  state.busyShare = 1;
  t.ok((await load(1000)) > 10_000);
  t.equal(tempo.perS, undefined);
});
