/** `headrace sim crash-points`: a power failure at every call by which short runs change their disk, in turn. */
import type { SimSession } from './sim-session.js';
import { createProgressBar } from '../progress-bar.js';
import type { PreparedScenario } from '../simulator.js';

interface Totals {
  /** Seeds whose crash points are all known. */
  seeds: number;
  points: number;
  done: number;
  runs: number;
}

/** Plays the crash points of all seeds side by side, so that the last ones of a seed leave no core idle. */
export async function crashPoints(
  { context, simulator, report }: SimSession,
  scenario: PreparedScenario,
  { seeds, again }: { readonly seeds: readonly string[]; readonly again: number },
): Promise<void> {
  const { printer } = report;
  const bar = createProgressBar(context, { unit: 'crash points' });
  const totals: Totals = { seeds: 0, points: 0, done: 0, runs: 0 };
  const unread = seeds.values();
  const open: { readonly seed: string; readonly call: number }[] = [];

  const count = async (seed: string): Promise<void> => {
    const { calls, violation } = await scenario.countCrashPoints(seed);
    for (let call = 1; call <= calls; call++) open.push({ seed, call });
    totals.seeds++;
    totals.points += calls;
    totals.runs++;
    if (violation === undefined) return;
    bar.stop();
    await report.violation(seed, violation, ' without a crash');
  };
  const play = async (seed: string, call: number): Promise<void> => {
    const played = await scenario.crashPoint(seed, call, again);
    totals.runs += played.runs;
    bar.update(++totals.done, estimate(totals, seeds.length));
    for (const failure of played.failures) {
      bar.stop();
      const { againAtCall, violation } = failure;
      const twice = againAtCall === undefined ? '' : ` and ${againAtCall} of the recovery`;
      await report.violation(seed, violation, `, power cut at call ${call}${twice}`);
    }
  };
  const lanes = Array.from({ length: simulator.concurrency }, async () => {
    for (;;) {
      const point = open.shift();
      if (point !== undefined) {
        await play(point.seed, point.call);
        continue;
      }
      const { done, value } = unread.next();
      if (done === true) return;
      await count(value);
    }
  });
  try {
    await Promise.all(lanes);
  } finally {
    bar.stop();
  }
  const { points, runs } = totals;
  if (printer.json)
    await printer.jsonLine({
      seed: seeds[0],
      seeds: seeds.length,
      crashPoints: points,
      runs,
      cpuS: simulator.cpuMs / 1000,
      violations: report.violations,
    });
  else
    await printer.text(
      `${points} crash points of ${seeds.length} ${seeds.length === 1 ? 'seed' : 'seeds'}, ${runs} runs, each crashed at its call and in its recovery, ${(simulator.cpuMs / 1000).toFixed(1)} s of processor time`,
    );
  report.conclude();
}

/** How many crash points there are in all, as far as can be told from the seeds that were looked at. */
function estimate({ seeds, points }: Totals, seedCount: number): number {
  return Math.round((points / Math.max(1, seeds)) * seedCount);
}
