/** `headrace sim capacity`: how much un-persisted data a scenario pins, and how much it must be allowed to. */
import type { Command } from 'commander';
import { formatDuration } from '../../core/quantities.js';
import { SECOND_MS } from '../../core/units.js';
import { capacityPlot } from '../capacity-plot.js';
import { CliFailure, type CliContext } from '../context.js';
import { examples } from '../invocation.js';
import { formatBytes } from '../printer.js';
import { createProgressBar } from '../progress-bar.js';
import type { CapacityReport, PeakReport, PreparedScenario } from '../simulator.js';
import {
  configOf,
  inSession,
  prepare,
  seedOption,
  type ScenarioOptions,
  type SimSession,
} from './sim-session.js';
import { RATIO_RUNS_MAX, searchRatio, type RatioSearch } from './ratio-search.js';

interface CapacityOptions extends ScenarioOptions {
  readonly output?: string;
  readonly failOnRefusal?: boolean;
}

export function addCapacityCommand(sim: Command, context: CliContext): void {
  sim
    .command('capacity')
    .description(
      'how much a scenario pins, what is refused, and the smallest pinned ratio that refuses nothing',
    )
    .requiredOption('--scenario <scenario>', 'a YAML file, or a built-in scenario (`sim list` shows them)')
    .option('--seed <seed>', 'what decides everything', seedOption, '1')
    .option('--pathconfig <file>', 'path configuration in the place of the scenario’s')
    .option('-o, --output <file>', 'an SVG plot of pinned bytes, queue and refusals over time')
    .option('--fail-on-refusal', 'exit code 1 when a write is refused with the settings as they are')
    .addHelpText(
      'after',
      `${examples('sim capacity --scenario ckpt.yaml', 'sim capacity --scenario ckpt.yaml -o plot.svg', 'sim capacity --scenario ckpt.yaml --config headrace.yaml --fail-on-refusal')}

Plays the scenario once as it is, and at most ${RATIO_RUNS_MAX} times more with other pinned ratios.`,
    )
    .action((options: CapacityOptions, command: Command) =>
      inSession(context, command, commandLine(options, command), options.seed, (session) =>
        capacity(session, prepare(session, options, command), options),
      ),
    );
}

/** The line that repeats the run. */
function commandLine({ seed, scenario, pathconfig }: CapacityOptions, command: Command): string {
  const config = configOf(command);
  return [
    `sim capacity --seed ${seed}`,
    `--scenario ${scenario}`,
    ...(config === undefined ? [] : [`--config ${config}`]),
    ...(pathconfig === undefined ? [] : [`--pathconfig ${pathconfig}`]),
  ].join(' ');
}

async function capacity(
  session: SimSession,
  scenario: PreparedScenario,
  { seed, output, failOnRefusal = false }: CapacityOptions,
): Promise<void> {
  const { report, context } = session;
  const { printer } = report;
  const bar = createProgressBar(context, { unit: 'runs' });
  let run: CapacityReport;
  let search: RatioSearch;
  try {
    bar.update(0, 1 + RATIO_RUNS_MAX);
    run = await scenario.capacity(seed, { stopsAtRefusal: false });
    search = await searchRatio(
      async (pinnedRatio) =>
        (await scenario.capacity(seed, { pinnedRatio, stopsAtRefusal: true })).refusals > 0,
      (runs) => bar.update(1 + runs, 1 + RATIO_RUNS_MAX),
    );
  } finally {
    bar.stop();
  }
  if (output !== undefined) await writePlot(context, output, run);
  if (printer.json)
    await printer.value({ ...run, smallestPinnedRatio: search.smallest ?? null, runs: 1 + search.runs });
  else await print(session, run, search, output);
  if (run.violation !== undefined) await report.violation(seed, run.violation);
  report.conclude();
  if (failOnRefusal && run.refusals > 0)
    throw new CliFailure(
      'REFUSED_WRITES',
      `${run.refusals} of ${run.writes} writes were refused with a pinned ratio of ${run.pinnedRatio}`,
    );
}

async function print(
  { report }: SimSession,
  run: CapacityReport,
  search: RatioSearch,
  output: string | undefined,
): Promise<void> {
  const { printer } = report;
  const { firstRefusal } = run;
  const scale = run.scale === 1 ? '' : `, played at 1:${run.scale}`;
  await printer.table([
    ['scenario', `${run.scenario}: ${duration(run.spanMs)} until everything was uploaded${scale}`],
    [
      'cache',
      `${formatBytes(run.capacityBytes)}; ${formatBytes(run.pinnedLimitBytes)} may be pinned (ratio ${run.pinnedRatio})`,
    ],
    ['peak pinned', `${formatBytes(run.peakPinnedBytes.value)} ${moment(run.peakPinnedBytes)}`],
    [
      'out of space',
      firstRefusal === undefined ? 'never' : `after ${duration(firstRefusal.atMs)}: ${firstRefusal.limit}`,
    ],
    ['oldest dirty age', `${duration(run.oldestDirtyMs.value)} ${moment(run.oldestDirtyMs)}`],
    ['longest queue', `${run.longestQueue.value} objects ${moment(run.longestQueue)}`],
    ['refused writes', `${run.refusals} of ${run.writes}`],
    ['smallest pinned ratio', describeSearch(search)],
    ...(output === undefined ? [] : [['plot', output]]),
  ]);
}

function describeSearch({ smallest, largestRefusing, runs }: RatioSearch): string {
  if (smallest === undefined)
    return `none: writes are refused even when the whole cache may be pinned (${runs} runs)`;
  const below = largestRefusing === undefined ? '' : `; ${largestRefusing} refuses writes`;
  return `${smallest} refuses no write${below} (${runs} runs)`;
}

function moment({ atMs, value }: PeakReport): string {
  return value === 0 ? '' : `after ${duration(atMs)}`;
}

/** To the second, and for less than a minute to the millisecond. */
function duration(durationMs: number): string {
  if (durationMs < 60 * SECOND_MS) return formatDuration(Math.round(durationMs));
  const seconds = Math.round(durationMs / SECOND_MS);
  const parts = [
    [Math.floor(seconds / 3600), 'h'],
    [Math.floor((seconds % 3600) / 60), 'min'],
    [seconds % 60, 's'],
  ] as const;
  return parts.flatMap(([value, unit]) => (value === 0 ? [] : [`${value}${unit}`])).join(' ');
}

async function writePlot({ writeBytes }: CliContext, file: string, run: CapacityReport): Promise<void> {
  if (writeBytes === undefined) throw new CliFailure('INTERNAL', 'no files can be written here');
  await writeBytes(file, one(Buffer.from(capacityPlot(run))), { replace: true });
}

async function* one(bytes: Uint8Array): AsyncGenerator<Uint8Array> {
  yield bytes;
}
