/**
 * `headrace log replay`: an export folded offline, or a data directory from its nearest checkpoint on, to the state at any
 * offset; or a server that is asked to do the latter, with less at a time.
 */
import { InvalidArgumentError, Option, type Command } from 'commander';
import { readExport } from '../../engine/inspection/export-reader.js';
import { replayExport, type ReplaySnapshot } from '../../engine/inspection/replay.js';
import {
  STEPS_MAX as SERVER_STEPS_MAX,
  stepViews,
  stopsOf,
  type ReplayAnswer,
} from '../../engine/inspection/replay-answer.js';
import {
  changesBetween,
  countsOf,
  objectView,
  orphansView,
  pinnedView,
  uploadsView,
} from '../../engine/inspection/replay-views.js';
import type { DataEvent } from '../../../log/events.js';
import type { AdminClient } from '../admin-client.js';
import { CliFailure, EXIT_USAGE, type CliContext, type OfflineLog } from '../context.js';
import { examples, integerOption, Invocation, objectArgument } from '../invocation.js';
import type { Printer } from '../printer.js';
import { printAnswer, SHOWN, type Origin, type Shown, type Wanted } from './log-replay-print.js';

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

/** What was folded here. */
interface Folded {
  readonly replayed: ReplayAnswer['replayed'];
  readonly snapshots: readonly ReplaySnapshot[];
}

/** Events by their offsets. */
type Steps = Map<number, DataEvent>;

export function addReplayCommand(log: Command, context: CliContext): void {
  log
    .command('replay')
    .description(
      'fold an export, or without one the log itself, and show the state at any offset; 1 when it differs from a checkpoint',
    )
    .argument(
      '[file]',
      'what log export wrote (default: the log itself, from its nearest checkpoint: of --data-dir, or of the server at --endpoint)',
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
        'log replay --endpoint http://10.0.0.7:19999 --until 4711 --show pinned',
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
        const { printer } = invocation;
        if (file !== undefined) return replayFile(context, printer, file, wanted);
        return invocation.withPast(
          (offline) => replayDirectory(invocation, offline, wanted),
          (client) => askServer(client, printer, wanted),
        );
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
  const [from, to] = diff?.toSorted((a, b) => a - b) ?? [];
  const offsets = from === undefined || to === undefined ? undefined : ([from, to] as const);
  return {
    file,
    object: name === undefined ? undefined : namedObject(name),
    partition: options.partition,
    until,
    show,
    diff: offsets,
    steps,
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

async function replayDirectory(invocation: Invocation, offline: OfflineLog, wanted: Wanted): Promise<void> {
  const { printer, settings } = invocation;
  const steps: Steps = new Map();
  const travelled = await offline.travelTo({
    partition: wanted.partition,
    object: wanted.object,
    stops: stopsOf(wanted),
    onProgress: (events) => void printer.progress(`${events} events folded`),
    ...stepsTo(steps, wanted),
  });
  try {
    await printer.progress('');
    const origin = { dataDirectory: settings.dataDirectory };
    await printAnswer(wanted, answerOf(wanted, travelled, steps), origin, printer);
  } finally {
    await travelled.close();
  }
}

async function askServer(client: AdminClient, printer: Printer, wanted: Wanted): Promise<void> {
  if (Math.abs(wanted.steps ?? 0) > SERVER_STEPS_MAX)
    throw new CliFailure(
      'INVALID_ARGUMENT',
      `--steps ${wanted.steps}: a server tells at most ${SERVER_STEPS_MAX} at a time; a file of log export has no such limit`,
      EXIT_USAGE,
    );
  const answer = await client.inspection.replay(wanted);
  await printAnswer(wanted, answer, { endpoint: client.endpoint }, printer);
}

/** Events are kept only where they are printed. */
function stepsTo(kept: Steps, { steps }: Wanted): { onStep?: (event: DataEvent, offset: number) => void } {
  return steps === undefined ? {} : { onStep: (event, offset) => void kept.set(offset, event) };
}

async function replayFile(
  context: CliContext,
  printer: Printer,
  file: string,
  wanted: Wanted,
): Promise<void> {
  const steps: Steps = new Map();
  const { description, ...folded } = await foldFile(context, printer, file, wanted, steps);
  await printAnswer(wanted, answerOf(wanted, folded, steps), { description }, printer);
  refuseDifference(folded);
}

async function foldFile(
  context: CliContext,
  printer: Printer,
  file: string,
  wanted: Wanted,
  steps: Steps,
): Promise<Folded & Required<Pick<Origin, 'description'>>> {
  const { readBytes } = context;
  if (readBytes === undefined) throw new CliFailure('INTERNAL', 'no files can be read here');
  const stops = stopsOf(wanted);
  try {
    return await replayExport(readExport(readBytes(file)), {
      partition: wanted.partition,
      ...(stops === undefined ? {} : { stops }),
      onProgress: (events) => void printer.progress(`${events} events folded`),
      ...stepsTo(steps, wanted),
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

/** As a server answers, with all rows. */
function answerOf(
  { show, diff, steps: wantsSteps, object }: Wanted,
  { replayed, snapshots }: Folded,
  steps: Steps,
): ReplayAnswer {
  const [first] = snapshots;
  const last = snapshots.at(-1);
  if (first === undefined || last === undefined)
    throw new CliFailure('INTERNAL', 'the replay reached none of its offsets');
  if (diff !== undefined) return { replayed, changes: changesBetween(first, last) };
  if (wantsSteps !== undefined)
    return { replayed, steps: [...stepViews(snapshots, replayed.partition, (offset) => steps.get(offset))] };
  switch (show) {
    case 'pinned':
      return { replayed, pinned: pinnedView(last) };
    case 'uploads':
      return { replayed, uploads: uploadsView(last) };
    case 'orphans':
      return { replayed, orphans: orphansView(last) };
    case 'object':
      return { replayed, object: objectView(last, object?.bucket ?? '', object?.key ?? '') ?? null };
    case undefined:
      return { replayed, counts: countsOf(last) };
  }
}

function refuseDifference({ replayed: { checkpoints } }: Folded): void {
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
