/** `headrace sim crash-points`: a power failure at every call by which a short run changes its disk, in turn. */
import type { SimSession } from './sim-session.js';
import { createProgressBar } from '../progress-bar.js';
import type { PreparedScenario } from '../simulator.js';

export async function crashPoints(
  { context, simulator, report }: SimSession,
  scenario: PreparedScenario,
  seed: string,
): Promise<void> {
  const { printer } = report;
  const { calls, violation } = await scenario.countCrashPoints(seed);
  if (violation !== undefined) await report.violation(seed, violation, ' without a crash');
  const bar = createProgressBar(context, { unit: 'crash points' });
  const points = Array.from({ length: calls }, (_, at) => at + 1).values();
  let done = 0;
  let runs = 0;
  const lanes = Array.from({ length: simulator.concurrency }, async () => {
    for (const call of points) {
      const played = await scenario.crashPoint(seed, call);
      runs += played.runs;
      bar.update(++done, calls);
      for (const failure of played.failures) {
        bar.stop();
        const again = failure.againAtCall === undefined ? '' : ` and ${failure.againAtCall} of the recovery`;
        await report.violation(seed, failure.violation, `, power cut at call ${call}${again}`);
      }
    }
  });
  try {
    await Promise.all(lanes);
  } finally {
    bar.stop();
  }
  if (printer.json) await printer.jsonLine({ seed, crashPoints: calls, runs, violations: report.violations });
  else
    await printer.text(`${calls} crash points, ${runs} runs, each crashed at its call and in its recovery`);
  report.conclude();
}
