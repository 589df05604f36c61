/** `headrace sim run`: many seeds side by side, and what all of them did together. */
import type { SimSession } from './sim-session.js';
import { CliFailure } from '../context.js';
import { createProgressBar } from '../progress-bar.js';
import type { PreparedScenario, RunReport } from '../simulator.js';
import { describeFaults } from './sim-report.js';

export interface RunPlan {
  readonly seeds: readonly string[];
  /** Each is played twice. */
  readonly meta: boolean;
  readonly keepsTrace: boolean;
  readonly keepGoing: boolean;
  /** Rare branches that all runs together have to reach. */
  readonly requiredProbes: readonly string[];
}

interface Totals {
  runs: number;
  steps: number;
  /** As `steps`, with those of runs that were played a second time. */
  playedSteps: number;
  clockMs: number;
  readonly counts: Map<string, Map<string, number>>;
}

export async function runSeeds(
  session: SimSession,
  scenario: PreparedScenario,
  plan: RunPlan,
): Promise<void> {
  const { context, simulator, report } = session;
  const { printer } = report;
  const totals: Totals = { runs: 0, steps: 0, playedSteps: 0, clockMs: 0, counts: new Map() };
  const bar = createProgressBar(context, { unit: 'runs' });
  const beganMs = context.wallTimeMs();
  const beganCpuMs = simulator.cpuMs;
  let stopped = false;
  const play = async (seed: string): Promise<void> => {
    const [run, again] = await Promise.all([
      scenario.run(seed, { keepsTrace: plan.keepsTrace }),
      plan.meta ? scenario.run(seed) : undefined,
    ]);
    add(totals, run);
    totals.playedSteps += run.steps + (again?.steps ?? 0);
    bar.update(totals.runs, plan.seeds.length);
    const faults = describeFaults(run.faults);
    if (run.trace !== undefined && !printer.json) for (const line of run.trace) await printer.text(line);
    if (plan.seeds.length === 1 && !printer.json) {
      await printer.text(`faults: ${faults}`);
      if (run.drainedMs !== undefined)
        await printer.text(
          run.drainedMs === 0
            ? 'everything was uploaded before the faults had stopped'
            : `everything was uploaded ${(run.drainedMs / 1000).toFixed(1)} s after the faults had stopped`,
        );
    }
    const { violation = again === undefined ? undefined : differenceOf(run, again) } = run;
    if (violation === undefined) return;
    bar.stop();
    await report.violation(seed, violation, '', faults);
    stopped ||= !plan.keepGoing;
  };
  const seeds = plan.seeds.values();
  const lanes = Array.from({ length: simulator.concurrency }, async () => {
    for (const seed of seeds) {
      if (stopped) return;
      await play(seed);
    }
  });
  try {
    await Promise.all(lanes);
  } finally {
    bar.stop();
  }
  await summarise(session, scenario, totals, {
    elapsedS: (context.wallTimeMs() - beganMs) / 1000,
    cpuS: (simulator.cpuMs - beganCpuMs) / 1000,
  });
  report.conclude();
  await requireProbes(session, totals, plan.requiredProbes);
}

/** Ends the command with exit code 1 when a rare branch was not reached. */
async function requireProbes(
  { report: { printer } }: SimSession,
  { runs, counts }: Totals,
  required: readonly string[],
): Promise<void> {
  const reached = counts.get('probes');
  const missing = required.filter((name) => (reached?.get(name) ?? 0) === 0);
  if (missing.length === 0) {
    if (required.length > 0 && !printer.json)
      await printer.text(`all ${required.length} required probes were reached`);
    return;
  }
  if (!printer.json) for (const name of missing) await printer.text(`NOT REACHED ${name}`);
  throw new CliFailure(
    'COVERAGE',
    `${missing.length} of ${required.length} probes were not reached in ${runs} runs: ${missing.join(', ')}`,
  );
}

/** What must be the same and is not. */
function differenceOf(run: RunReport, again: RunReport): RunReport['violation'] {
  const differences = (['traceHash', 'nextRandom', 'clockMs', 'steps'] as const)
    .filter((name) => run[name] !== again[name])
    .map((name) => `${name} ${run[name]} and ${again[name]}`);
  if (differences.length === 0) return undefined;
  return { invariant: 'deterministic', message: differences.join('; '), key: undefined, window: [] };
}

function add(totals: Totals, { steps, clockMs, counts }: RunReport): void {
  totals.runs++;
  totals.steps += steps;
  totals.clockMs += clockMs;
  for (const [group, names] of Object.entries(counts)) {
    const sums = totals.counts.get(group) ?? new Map<string, number>();
    totals.counts.set(group, sums);
    for (const [name, count] of Object.entries(names)) sums.set(name, (sums.get(name) ?? 0) + count);
  }
}

async function summarise(
  { report }: SimSession,
  { name }: PreparedScenario,
  { runs, steps, playedSteps, clockMs, counts }: Totals,
  { elapsedS, cpuS }: { readonly elapsedS: number; readonly cpuS: number },
): Promise<void> {
  const { printer } = report;
  const groups = Object.fromEntries(
    Array.from(counts, ([group, names]) => [group, Object.fromEntries([...names].sort(byName))]),
  );
  if (printer.json)
    return printer.jsonLine({
      scenario: name,
      runs,
      steps,
      clockMs,
      elapsedS,
      cpuS,
      ...groups,
      violations: report.violations,
    });
  const perS = (seconds: number): number => (seconds > 0 ? Math.round(playedSteps / seconds) : playedSteps);
  await printer.text(
    `${runs} runs of ${name}: ${steps} steps in ${Math.round(clockMs / 1000)} s of virtual time, ${elapsedS.toFixed(1)} s of real time (${perS(elapsedS)} steps/s), ${cpuS.toFixed(1)} s of processor time (${perS(cpuS)} steps/s per core)`,
  );
  for (const [group, names] of Object.entries(groups)) {
    const said = Object.entries(names).map(([what, count]) => `${what} ${count}`);
    if (said.length > 0) await printer.text(`${group}: ${said.join(', ')}`);
  }
}

function byName([a]: readonly [string, number], [b]: readonly [string, number]): number {
  return a < b ? -1 : 1;
}
