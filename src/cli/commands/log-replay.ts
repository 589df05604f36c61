/** `headrace log replay`: an export folded offline, to the state at any of its offsets. */
import { InvalidArgumentError, Option, type Command } from 'commander';
import { readExport } from '../../engine/inspection/export-reader.js';
import { replayExport, type ReplayResult, type ReplaySnapshot } from '../../engine/inspection/replay.js';
import {
  changesBetween,
  countsOf,
  objectView,
  orphansView,
  pinnedView,
  uploadsView,
} from '../../engine/inspection/replay-views.js';
import { CliFailure, EXIT_USAGE, type CliContext } from '../context.js';
import { examples, integerOption, Invocation, objectArgument } from '../invocation.js';
import { formatBytes, formatTime, printable, type Printer } from '../printer.js';

const SHOWN = ['pinned', 'orphans', 'uploads', 'object'] as const;

interface ReplayCommandOptions {
  readonly until?: number;
  readonly partition?: number;
  readonly show?: (typeof SHOWN)[number];
  readonly diff?: readonly number[];
}

export function addReplayCommand(log: Command, context: CliContext): void {
  log
    .command('replay')
    .description(
      'fold an export offline, and show the state at any of its offsets; 1 when it differs from a checkpoint',
    )
    .argument('<file>', 'what log export wrote')
    .argument('[object]', 'with --show object: /<bucket>/<key> or s3://<bucket>/<key>', objectArgument)
    .option('--until <offset>', 'the state before this event (default: at the end)', integerOption(0))
    .option('--partition <number>', 'which data partition, when there are several', integerOption(1))
    .addOption(new Option('--show <part>', 'a part of the state').choices(SHOWN))
    .option('--diff <offsets...>', 'two offsets: what changed between them; FILE comes first', collectOffset)
    .addHelpText(
      'after',
      examples(
        'log replay incident.hrlog',
        'log replay incident.hrlog --until 4711 --show pinned',
        'log replay incident.hrlog s3://bucket/key --show object --json',
        'log replay incident.hrlog --diff 4711 9000',
      ),
    )
    .action(
      async (
        file: string,
        object: { bucket: string; key: string } | undefined,
        options: ReplayCommandOptions,
        command: Command,
      ) => {
        refuseContradictions(object, options);
        const { printer } = new Invocation(context, command);
        const result = await replay(context, printer, file, options);
        const last = result.snapshots.at(-1);
        const first = options.diff === undefined ? undefined : result.snapshots[0];
        if (last === undefined) throw new CliFailure('INTERNAL', 'the replay reached none of its offsets');
        if (first !== undefined) await printChanges(first, last, printer);
        else if (options.show === undefined) await printSummary(result, last, printer);
        else await printPart(options.show, last, object, printer);
        refuseDifference(result);
      },
    );
}

function refuseContradictions(object: object | undefined, { show, diff, until }: ReplayCommandOptions): void {
  const wrong =
    (object !== undefined) !== (show === 'object')
      ? '--show object and the name of an object belong together'
      : diff !== undefined && diff.length !== 2
        ? `--diff takes two offsets, not ${diff.length}`
        : diff !== undefined && (show !== undefined || until !== undefined)
          ? '--diff goes with neither --show nor --until'
          : undefined;
  if (wrong !== undefined) throw new CliFailure('INVALID_ARGUMENT', wrong, EXIT_USAGE);
}

async function replay(
  context: CliContext,
  printer: Printer,
  file: string,
  { until, diff, partition }: ReplayCommandOptions,
): Promise<ReplayResult> {
  const stops = diff?.toSorted((a, b) => a - b) ?? (until === undefined ? undefined : [until]);
  const { readBytes } = context;
  if (readBytes === undefined) throw new CliFailure('INTERNAL', 'no files can be read here');
  try {
    return await replayExport(readExport(readBytes(file)), {
      partition,
      ...(stops === undefined ? {} : { stops }),
      onProgress: (events) => void printer.progress(`${events} events folded`),
    });
  } catch (error) {
    if (!(error instanceof Error && 'code' in error)) throw error;
    if (error.code === 'ENOENT') throw new CliFailure('NO_SUCH_FILE', `there is no file ${file}`);
    if (error.code === 'EISDIR')
      throw new CliFailure('NO_SUCH_FILE', `${file} is a directory: name an export`);
    throw error;
  } finally {
    await printer.progress('');
  }
}

async function printSummary(result: ReplayResult, last: ReplaySnapshot, printer: Printer): Promise<void> {
  const { replayed, description } = result;
  const counts = countsOf(last);
  if (printer.json) return printer.value({ description, replayed, counts });
  const scope = [
    description.bucket === undefined
      ? 'all buckets'
      : `s3://${description.bucket}/${description.prefix ?? ''}`,
    ...(description.hashed ? ['with hashed names'] : []),
  ].join(', ');
  await printer.table([
    ['export', `${scope}, made ${formatTime(description.createdMs)} UTC by version ${description.headrace}`],
    ['partition', `${replayed.partition}, from offset ${replayed.from}`],
    [
      'folded',
      `${replayed.events} events, to offset ${replayed.offset}${replayed.atMs === undefined ? '' : ` (${formatTime(replayed.atMs)} UTC)`}`,
    ],
    [
      'state',
      replayed.complete
        ? `whole, hash ${replayed.stateHash}`
        : 'only what the events tell: no state before them is kept',
    ],
    ...replayed.checkpoints.map(({ offset, recorded, replayed: came }) => [
      'checkpoint',
      `at ${offset}: ${recorded === came ? `equal to what the engine recorded (${recorded})` : `${came}, but the engine recorded ${recorded}`}`,
    ]),
    ...Object.entries(counts).map(([name, value]) => [
      name,
      name.endsWith('bytes') ? `${formatBytes(value)} (${value})` : String(value),
    ]),
  ]);
}

async function printPart(
  part: (typeof SHOWN)[number],
  snapshot: ReplaySnapshot,
  object: { bucket: string; key: string } | undefined,
  printer: Printer,
): Promise<void> {
  switch (part) {
    case 'pinned':
      return printRows(
        pinnedView(snapshot),
        ['BYTES', 'STATE', 'SINCE (UTC)', 'OBJECT'],
        ({ bytes, state, sinceMs, bucket, key }) => [
          formatBytes(bytes),
          state,
          formatTime(sinceMs),
          `/${bucket}/${key}`,
        ],
        printer,
      );
    case 'uploads':
      return printRows(
        uploadsView(snapshot),
        ['VERSION', 'KIND', 'BYTES', 'SINCE (UTC)', 'ATTEMPT', 'OBJECT', 'LAST ERROR'],
        ({ version, action, size, sinceMs, attempt, bucket, key, quarantined, cause = '' }) => [
          String(version),
          action,
          formatBytes(size),
          formatTime(sinceMs),
          String(attempt),
          `/${bucket}/${key}`,
          `${quarantined ? 'QUARANTINED ' : ''}${cause}`,
        ],
        printer,
      );
    case 'orphans':
      return printRows(
        orphansView(snapshot),
        ['KIND', 'BYTES', 'OPENED (UTC)', 'LAST DATA (UTC)', 'OBJECT'],
        ({ kind, bytes, openedMs, lastDataMs, bucket, key }) => [
          kind,
          formatBytes(bytes),
          formatTime(openedMs),
          formatTime(lastDataMs),
          `/${bucket}/${key}`,
        ],
        printer,
      );
    case 'object': {
      const { bucket = '', key = '' } = object ?? {};
      const view = objectView(snapshot, bucket, key);
      if (view === undefined)
        throw new CliFailure(
          'NO_SUCH_KEY',
          `at offset ${snapshot.offset} nothing is known of s3://${bucket}/${key}`,
        );
      return printer.value(view);
    }
  }
}

async function printRows<Row>(
  rows: readonly Row[],
  head: readonly string[],
  cells: (row: Row) => string[],
  printer: Printer,
): Promise<void> {
  if (printer.json) for (const row of rows) await printer.jsonLine(row);
  else if (rows.length === 0) await printer.text('there are none');
  else await printer.table(rows.map(cells), head);
}

async function printChanges(before: ReplaySnapshot, after: ReplaySnapshot, printer: Printer): Promise<void> {
  const changes = changesBetween(before, after);
  if (printer.json) return printer.value({ from: before.offset, to: after.offset, changes });
  if (changes.length === 0)
    return printer.text(`nothing changed between offsets ${before.offset} and ${after.offset}`);
  for (const { what, before: from, after: to } of changes) {
    const sign = from === undefined ? '+' : to === undefined ? '-' : '~';
    const values = [from, to].filter((value) => value !== undefined).join(' → ');
    const colour = sign === '+' ? 'green' : sign === '-' ? 'red' : 'yellow';
    await printer.text(printer.paint(printable(`${sign} ${what}: ${values}`), colour));
  }
}

function refuseDifference({ replayed: { checkpoints } }: ReplayResult): void {
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
