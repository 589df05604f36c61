/** `headrace sim run|capacity|crash-points|mutants|list`: the production engine in a simulated world, under a seed. */
import type { Command } from 'commander';
import { CliFailure, EXIT_USAGE, type CliContext } from '../context.js';
import { examples, integerOption, Invocation } from '../invocation.js';
import { crashPoints } from './sim-crash-points.js';
import { huntMutants } from './sim-mutants.js';
import type { PreparedScenario } from '../simulator.js';
import { addCapacityCommand } from './sim-capacity.js';
import { prepareIncident } from './sim-incident.js';
import { runSeeds } from './sim-run.js';
import {
  configOf,
  inSession,
  open,
  prepare,
  SCENARIO_HELP,
  seedOption,
  sourceOf,
  type ScenarioOptions,
  type SimSession,
} from './sim-session.js';

interface CrashPointOptions extends ScenarioOptions {
  readonly runs: number;
  readonly again: number;
}

interface RunOptions extends ScenarioOptions {
  readonly runs: number;
  readonly meta?: boolean;
  readonly trace?: boolean;
  readonly keepGoing?: boolean;
  readonly from?: string;
  readonly requireCoverage?: string | true;
}

export function addSimCommand(program: Command, context: CliContext): void {
  const sim = program
    .command('sim')
    .description('simulate the engine under faults, from a seed; no server is needed');
  addRunCommand(sim, context);
  addCapacityCommand(sim, context);
  sim
    .command('crash-points')
    .description(
      'cut the power at every call by which a short run changes its disk, and again in each recovery',
    )
    .option('--seed <seed>', 'the first seed', seedOption, '1')
    .option('--runs <count>', 'all crash points of so many seeds, from --seed on', integerOption(1), 1)
    .option('--scenario <scenario>', SCENARIO_HELP, 'crash-points')
    .option('--pathconfig <file>', 'path configuration in the place of the scenario’s')
    .option('--again <count>', 'for each, at so many calls of its recovery', integerOption(0), 1)
    .addHelpText(
      'after',
      examples('sim crash-points --seed 7', 'sim crash-points --runs 20', 'sim crash-points --again 1000'),
    )
    .action((options: CrashPointOptions, command: Command) =>
      inSession(context, command, `sim crash-points --seed ${options.seed}`, options.seed, async (session) =>
        crashPoints(session, prepare(session, options, command), {
          seeds: seedsFrom(options.seed, options.runs),
          again: options.again,
        }),
      ),
    );
  sim
    .command('mutants')
    .description('show that the simulator finds known mistakes: the engine with one of them at a time')
    .option('--seeds <count>', 'give a mutant up after so many seeds', integerOption(1), 30)
    .option('--only <name>', 'one mutant')
    .option('--repeats <count>', 'hunts for each, from other seeds, for the median', integerOption(1), 1)
    .addHelpText('after', examples('sim mutants', 'sim mutants --only evict-at-upload-start --repeats 5'))
    .action((options: { seeds: number; only?: string; repeats: number }, command: Command) =>
      inSession(context, command, 'sim mutants', '1', (session) => huntMutants(session, options)),
    );
  sim
    .command('list')
    .description('list the built-in scenarios, the invariants, the probes and the mutants')
    .addHelpText('after', examples('sim list', 'sim list --json'))
    .action(async (_options: object, command: Command) => {
      const { printer } = new Invocation(context, command);
      const simulator = await open(context);
      const { scenarios, invariants, probes, mutants } = simulator;
      simulator.close();
      const names = scenarios.map(({ name, description }) => ({ name, description }));
      const known = mutants.map(({ name, description, caughtBy }) => ({ name, description, caughtBy }));
      if (printer.json) return printer.value({ scenarios: names, invariants, probes, mutants: known });
      await printer.table(
        names.map(({ name, description }) => [name, description]),
        ['SCENARIO', ''],
      );
      await printer.text('');
      await printer.table(Object.entries(invariants), ['INVARIANT', '']);
      await printer.text('');
      await printer.table(Object.entries(probes), ['PROBE', '']);
      await printer.text('');
      await printer.table(
        known.map(({ name, description }) => [name, description]),
        ['MUTANT', ''],
      );
    });
}

function addRunCommand(sim: Command, context: CliContext): void {
  sim
    .command('run')
    .description('play a scenario under one seed or many, and check every invariant')
    .option('--seed <seed>', 'the first seed', seedOption, '1')
    .option('--runs <count>', 'so many seeds, from --seed on', integerOption(1), 1)
    .option('--scenario <scenario>', SCENARIO_HELP, 'swarm')
    .option('--pathconfig <file>', 'path configuration in the place of the scenario’s')
    .option('--from <export>', 'go on from the state of what log export wrote')
    .option(
      '--meta',
      'play each seed twice, in two processes: trace, next random number and clock must agree',
    )
    .option('--trace', 'print the whole trace of each run')
    .option('--keep-going', 'go on after a violation')
    .option(
      '--require-coverage [probes]',
      'exit code 1 when all runs together leave a probe at zero; of all probes, or of those named, with commas between',
    )
    .addHelpText(
      'after',
      `${examples('sim run --seed 42', 'sim run --runs 1000', 'sim run --scenario ckpt.yaml --runs 200', 'sim run --config headrace.yaml --pathconfig paths.json --runs 100', 'sim run --from incident.hrlog --scenario faults.yaml --runs 20')}

With --from there are neither clients nor faults unless --scenario says so.
With --config the settings of that file are simulated. Exit code 1 on a violation; the line that is printed last repeats it.`,
    )
    .action((options: RunOptions, command: Command) =>
      inSession(context, command, commandLine(options, command), options.seed, async (session) =>
        runSeeds(session, await preparedRun(session, options, command), {
          seeds: seedsFrom(options.seed, options.runs),
          meta: options.meta ?? false,
          keepsTrace: options.trace ?? false,
          keepGoing: options.keepGoing ?? false,
          requiredProbes: requiredProbes(options.requireCoverage, session.simulator.probes),
        }),
      ),
    );
}

async function preparedRun(
  session: SimSession,
  options: RunOptions,
  command: Command,
): Promise<PreparedScenario> {
  const { from } = options;
  if (from === undefined) return prepare(session, options, command);
  const isQuiet = isScenarioLeftOut(command);
  return prepareIncident(session, from, sourceOf(session.context, options, command), isQuiet);
}

function isScenarioLeftOut(command: Command): boolean {
  return command.getOptionValueSource('scenario') === 'default';
}

/** The line that repeats a run. */
function commandLine({ seed, scenario, pathconfig, meta, from }: RunOptions, command: Command): string {
  const config = configOf(command);
  const isQuiet = from !== undefined && isScenarioLeftOut(command);
  return [
    `sim run --seed ${seed}`,
    ...(from === undefined ? [] : [`--from ${from}`]),
    ...(isQuiet ? [] : [`--scenario ${scenario}`]),
    ...(config === undefined ? [] : [`--config ${config}`]),
    ...(pathconfig === undefined ? [] : [`--pathconfig ${pathconfig}`]),
    ...(meta === true ? ['--meta'] : []),
  ].join(' ');
}

function requiredProbes(
  required: string | true | undefined,
  probes: Readonly<Record<string, string>>,
): readonly string[] {
  if (required === undefined) return [];
  const known = Object.keys(probes);
  if (required === true) return known;
  const names = required.split(',').map((name) => name.trim());
  for (const name of names)
    if (!known.includes(name))
      throw new CliFailure(
        'INVALID_ARGUMENT',
        `--require-coverage: there is no probe "${name}": name some of ${known.join(', ')}`,
        EXIT_USAGE,
      );
  return names;
}

/** Numbers that follow each other; text stands alone. */
function seedsFrom(seed: string, runs: number): string[] {
  if (runs === 1) return [seed];
  if (!/^\d{1,15}$/.test(seed))
    throw new CliFailure('INVALID_ARGUMENT', `--runs ${runs} needs a --seed that is a number`, EXIT_USAGE);
  return Array.from({ length: runs }, (_, at) => String(Number(seed) + at));
}
