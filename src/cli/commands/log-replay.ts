/**
 * `headrace log replay`: an export folded offline, or a data directory from its nearest checkpoint on, to the state at any
 * offset.
 */
import { InvalidArgumentError, Option, type Command } from 'commander';
import { readExport } from '../../engine/inspection/export-reader.js';
import { replayExport } from '../../engine/inspection/replay.js';
import type { DataEvent } from '../../../log/events.js';
import { CliFailure, EXIT_USAGE, type CliContext, type OfflineLog } from '../context.js';
import { examples, integerOption, Invocation, objectArgument } from '../invocation.js';
import type { Printer } from '../printer.js';
import {
  printChanges,
  printPart,
  printSteps,
  printSummary,
  SHOWN,
  type Replayed,
  type Shown,
  type Step,
} from './log-replay-print.js';

const STEPS_MAX = 1000;

interface ReplayCommandOptions {
  readonly until?: number;
  readonly partition?: number;
  readonly show?: Shown;
  readonly diff?: readonly number[];
  readonly steps?: number;
}

interface ObjectName {
  readonly bucket: string;
  readonly key: string;
}

/** What is asked for, once the command line was understood. */
interface Wanted {
  readonly file: string | undefined;
  readonly object: ObjectName | undefined;
  /** Offsets, ascending; undefined: the end. */
  readonly stops: readonly number[] | undefined;
  readonly options: ReplayCommandOptions;
}

export function addReplayCommand(log: Command, context: CliContext): void {
  log
    .command('replay')
    .description(
      'fold an export, or without one the data directory, and show the state at any offset; 1 when it differs from a checkpoint',
    )
    .argument(
      '[file]',
      'what log export wrote (default: the log of --data-dir itself, from its nearest checkpoint)',
    )
    .argument('[object]', 'with --show object: /<bucket>/<key> or s3://<bucket>/<key>')
    .option('--until <offset>', 'the state before this event (default: at the end)', integerOption(0))
    .option('--partition <number>', 'which data partition, when there are several', integerOption(1))
    .addOption(new Option('--show <part>', 'a part of the state').choices(SHOWN))
    .option('--diff <offsets...>', 'two offsets: what changed between them; FILE comes first', collectOffset)
    .option(
      '--steps <count>',
      'what each of so many events from --until on changed; of those before it, with a minus',
      stepsOption,
    )
    .addHelpText(
      'after',
      examples(
        'log replay incident.hrlog',
        'log replay incident.hrlog --until 4711 --show pinned',
        'log replay incident.hrlog s3://bucket/key --show object --json',
        'log replay incident.hrlog --diff 4711 9000',
        'log replay incident.hrlog --until 4711 --steps -5',
        'log replay --data-dir /nvme/headrace --until 4711 --show uploads',
      ),
    )
    .action(
      async (
        first: string | undefined,
        second: string | undefined,
        options: ReplayCommandOptions,
        command: Command,
      ) => {
        const wanted = understand(first, second, options);
        const invocation = new Invocation(context, command);
        const { file } = wanted;
        if (file === undefined)
          return invocation.withDataDirectory((offline) => replayDirectory(invocation, offline, wanted));
        const steps: Step[] = [];
        const { printer } = invocation;
        await print(wanted, await replayFile(context, printer, file, wanted, steps), steps, printer);
      },
    );
}

function understand(
  first: string | undefined,
  second: string | undefined,
  options: ReplayCommandOptions,
): Wanted {
  const { show, diff, until, steps } = options;
  // Alone it is the object, and the log that of the data directory.
  const name = show === 'object' ? (second ?? first) : second;
  const file = show === 'object' && second === undefined ? undefined : first;
  const chosen = [show, diff, steps].filter((option) => option !== undefined).length;
  const wrong =
    (name !== undefined) !== (show === 'object') || (file?.startsWith('s3://') ?? false)
      ? '--show object and the name of an object belong together'
      : diff !== undefined && diff.length !== 2
        ? `--diff takes two offsets, not ${diff.length}`
        : chosen > 1
          ? '--show, --diff and --steps answer different questions: give one of them'
          : diff !== undefined && until !== undefined
            ? '--diff names its own offsets: leave --until out'
            : steps !== undefined && until === undefined
              ? '--steps needs --until: the offset to step from'
              : undefined;
  if (wrong !== undefined) throw new CliFailure('INVALID_ARGUMENT', wrong, EXIT_USAGE);
  return {
    file,
    object: name === undefined ? undefined : namedObject(name),
    stops: stopsOf(options),
    options,
  };
}

function namedObject(name: string): ObjectName {
  try {
    return objectArgument(name);
  } catch (error) {
    if (!(error instanceof InvalidArgumentError)) throw error;
    throw new CliFailure('INVALID_ARGUMENT', `${name} names no object. ${error.message}`, EXIT_USAGE);
  }
}

function stopsOf({ diff, until, steps }: ReplayCommandOptions): readonly number[] | undefined {
  if (diff !== undefined) return diff.toSorted((a, b) => a - b);
  if (until === undefined) return undefined;
  if (steps === undefined) return [until];
  const from = Math.max(0, Math.min(until, until + steps));
  const to = Math.max(until, until + steps);
  return Array.from({ length: to - from + 1 }, (_, at) => from + at);
}

async function replayDirectory(invocation: Invocation, offline: OfflineLog, wanted: Wanted): Promise<void> {
  const { printer, settings } = invocation;
  const { object, stops, options } = wanted;
  const steps: Step[] = [];
  const travelled = await offline.travelTo({
    partition: options.partition,
    object,
    stops,
    onProgress: (events) => void printer.progress(`${events} events folded`),
    ...stepsTo(steps, options),
  });
  try {
    await printer.progress('');
    await print(wanted, { ...travelled, dataDirectory: settings.dataDirectory }, steps, printer);
  } finally {
    await travelled.close();
  }
}

/** Events are kept only where they are printed. */
function stepsTo(
  steps: Step[],
  { steps: wanted }: ReplayCommandOptions,
): { onStep?: (event: DataEvent, offset: number) => void } {
  return wanted === undefined ? {} : { onStep: (event, offset) => void steps.push({ event, offset }) };
}

async function replayFile(
  context: CliContext,
  printer: Printer,
  file: string,
  { stops, options }: Wanted,
  steps: Step[],
): Promise<Replayed> {
  const { readBytes } = context;
  if (readBytes === undefined) throw new CliFailure('INTERNAL', 'no files can be read here');
  try {
    return await replayExport(readExport(readBytes(file)), {
      partition: options.partition,
      ...(stops === undefined ? {} : { stops }),
      onProgress: (events) => void printer.progress(`${events} events folded`),
      ...stepsTo(steps, options),
    });
  } catch (error) {
    if (!(error instanceof Error && 'code' in error)) throw error;
    if (error.code === 'ENOENT') throw new CliFailure('NO_SUCH_FILE', `there is no file ${file}`);
    if (error.code === 'EISDIR')
      throw new CliFailure(
        'NO_SUCH_FILE',
        `${file} is a directory: name an export, or a data directory with --data-dir ${file}`,
      );
    throw error;
  } finally {
    await printer.progress('');
  }
}

async function print(
  { object, options: { diff, show, steps } }: Wanted,
  result: Replayed,
  taken: readonly Step[],
  printer: Printer,
): Promise<void> {
  const [first] = result.snapshots;
  const last = result.snapshots.at(-1);
  if (first === undefined || last === undefined)
    throw new CliFailure('INTERNAL', 'the replay reached none of its offsets');
  if (diff !== undefined) await printChanges(first, last, printer);
  else if (steps !== undefined) await printSteps(result, taken, printer);
  else if (show !== undefined)
    await printPart(show, last, object, result.description?.hashed ?? false, printer);
  else await printSummary(result, last, printer);
  refuseDifference(result);
}

function refuseDifference({ replayed: { checkpoints } }: Replayed): void {
  const wrong = checkpoints.find(({ recorded, replayed }) => recorded !== replayed);
  if (wrong !== undefined)
    throw new CliFailure(
      'REPLAY_DIFFERS',
      `at offset ${wrong.offset} the replay comes to ${wrong.replayed}, and the engine recorded ${wrong.recorded}`,
    );
}

function collectOffset(text: string, previous: readonly number[] = []): number[] {
  if (!/^\d{1,15}$/.test(text))
    throw new InvalidArgumentError(`${text} is not an offset. Name the file before --diff.`);
  return [...previous, Number(text)];
}

function stepsOption(text: string): number {
  const count = /^-?\d{1,6}$/.test(text) ? Number(text) : 0;
  if (count === 0 || Math.abs(count) > STEPS_MAX)
    throw new InvalidArgumentError(`It must be from 1 to ${STEPS_MAX}, or as many with a minus.`);
  return count;
}
