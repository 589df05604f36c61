/** What the commands of `headrace sim` share: a simulator for as long as they run, and the scenario that was asked for. */
import { InvalidArgumentError, type Command } from 'commander';
import { CliFailure, EXIT_USAGE, type CliContext } from '../context.js';
import { Invocation } from '../invocation.js';
import type { PreparedScenario, ScenarioSource, Simulator } from '../simulator.js';
import { SimReport } from './sim-report.js';

export interface SimSession {
  readonly context: CliContext;
  readonly simulator: Simulator;
  readonly report: SimReport;
}

export interface ScenarioOptions {
  readonly seed: string;
  readonly scenario: string;
  readonly pathconfig?: string;
}

export const SCENARIO_HELP = 'built-in scenario (`sim list` shows them) or a YAML file';

export async function inSession(
  context: CliContext,
  command: Command,
  line: string,
  seed: string,
  work: (session: SimSession) => Promise<void>,
): Promise<void> {
  const { printer } = new Invocation(context, command);
  const simulator = await open(context);
  context.signal?.addEventListener('abort', () => simulator.close(), { once: true });
  const report = new SimReport(printer, simulator.commit, line);
  try {
    await report.begin(seed);
    await work({ context, simulator, report });
  } catch (error) {
    if (context.signal?.aborted === true) throw new CliFailure('STOPPED', 'stopped');
    throw error;
  } finally {
    simulator.close();
    await report.end();
  }
}

export function open({ openSimulator }: CliContext): Promise<Simulator> {
  if (openSimulator === undefined) throw new CliFailure('INTERNAL', 'there is no simulator here');
  return openSimulator();
}

export function prepare(
  { context, simulator }: SimSession,
  options: ScenarioOptions,
  command: Command,
): PreparedScenario {
  return simulator.prepare(sourceOf(context, options, command));
}

/** What was asked for, with the texts of its files. */
export function sourceOf(
  context: CliContext,
  { scenario, pathconfig }: ScenarioOptions,
  command: Command,
): ScenarioSource {
  const isFile = /[/.]/.test(scenario);
  return {
    name: scenario,
    ...(isFile ? { document: { path: scenario, text: textOf(context, '--scenario', scenario) } } : {}),
    ...(pathconfig === undefined
      ? {}
      : { pathConfig: { path: pathconfig, text: textOf(context, '--pathconfig', pathconfig) } }),
    ...(configOf(command) === undefined ? {} : { settings: new Invocation(context, command).settings }),
  };
}

/** Only a file that was named: a `headrace.yaml` that happens to be there is none that somebody asked to simulate. */
export function configOf(command: Command): string | undefined {
  const { config } = command.optsWithGlobals<{ config?: string }>();
  return config;
}

function textOf({ readText }: CliContext, option: string, path: string): string {
  let why = 'there is no such file';
  try {
    const text = readText(path);
    if (text !== undefined) return text;
  } catch (error) {
    why = `it cannot be read: ${error instanceof Error ? error.message : String(error)}`;
  }
  throw new CliFailure('INVALID_ARGUMENT', `${option} ${path}: ${why}`, EXIT_USAGE);
}

export function seedOption(text: string): string {
  if (/^[\w.-]{1,64}$/.test(text)) return text;
  throw new InvalidArgumentError('It must have 1 to 64 letters, digits, dots, hyphens or underscores.');
}
