/** What `headrace log replay` prints: the whole of a state, a part of it, or what changed. */
import type { ExportDescription } from '../../engine/inspection/export-format.js';
import type { ReplayedPartition } from '../../engine/inspection/replay.js';
import {
  stopsOf,
  type ReplayAnswer,
  type ReplayQuestion,
  type StepView,
} from '../../engine/inspection/replay-answer.js';
import type { ReplayChange } from '../../engine/inspection/replay-views.js';
import { CliFailure } from '../context.js';
import { formatBytes, formatTime, printable, type Printer } from '../printer.js';

export const SHOWN = ['pinned', 'orphans', 'uploads', 'object'] as const;
export type Shown = (typeof SHOWN)[number];

/** What is asked for, once the command line was understood. */
export interface Wanted extends ReplayQuestion {
  readonly file: string | undefined;
}

/** Where an answer comes from: one of these. */
export interface Origin {
  readonly description?: ExportDescription;
  readonly dataDirectory?: string;
  readonly endpoint?: string;
}

export async function printAnswer(
  wanted: Wanted,
  answer: ReplayAnswer,
  origin: Origin,
  printer: Printer,
): Promise<void> {
  const { changes, steps, omitted = 0 } = answer;
  if (changes !== undefined) await printChanges(wanted, answer, changes, printer);
  else if (steps !== undefined) await printSteps(wanted, answer.replayed, steps, printer);
  else if (wanted.show !== undefined) await printPart(wanted, answer, origin, printer);
  else await printSummary(answer, origin, printer);
  if (omitted > 0)
    await printer.note(
      `${omitted} more are left out, which a server does not tell at once: log export takes a file that has them all`,
    );
}

async function printSummary(
  { replayed, counts = {} }: ReplayAnswer,
  origin: Origin,
  printer: Printer,
): Promise<void> {
  const { description } = origin;
  if (printer.json) return printer.value({ ...(description ?? origin), replayed, counts });
  await printer.table([
    originRow(origin),
    ['partition', `${replayed.partition}, from ${startOf(replayed, description)}`],
    [
      'folded',
      `${replayed.events} events, to offset ${replayed.offset}${replayed.atMs === undefined ? '' : ` (${formatTime(replayed.atMs)} UTC)`}`,
    ],
    [
      'state',
      replayed.complete
        ? wholeState(replayed, description)
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

function originRow({ description, dataDirectory, endpoint }: Origin): string[] {
  if (description !== undefined) return ['export', scopeOf(description)];
  return endpoint === undefined
    ? ['data directory', printable(dataDirectory ?? '')]
    : ['server', printable(endpoint)];
}

function scopeOf(description: ExportDescription): string {
  const { hashed, createdMs, headrace } = description;
  const names = hashed ? ', with hashed names' : '';
  return printable(
    `${objectsOf(description)}${names}, made ${formatTime(createdMs)} UTC by version ${headrace}`,
  );
}

function objectsOf({ bucket, prefix = '', selected = false }: ExportDescription): string {
  if (bucket !== undefined) return `s3://${bucket}/${prefix}`;
  return selected ? 'a part of the objects' : 'all buckets';
}

function startOf({ from }: ReplayedPartition, description: ExportDescription | undefined): string {
  if (description !== undefined) return `offset ${from}`;
  return from === 0 ? 'the beginning of the log' : `the checkpoint at offset ${from}`;
}

function wholeState({ stateHash, partHash }: ReplayedPartition, description?: ExportDescription): string {
  if (stateHash !== undefined) return `whole, hash ${stateHash}`;
  if (description === undefined || partHash === undefined) return 'whole';
  const what = description.hashed && description.selected !== true ? 'with other names' : 'of these objects';
  return `whole, ${what}: hash ${partHash}, which is no checkpoint's, because those are of all objects with their names`;
}

async function printPart(
  { show, object: name }: Wanted,
  { pinned = [], uploads = [], orphans = [], object, replayed }: ReplayAnswer,
  { description }: Origin,
  printer: Printer,
): Promise<void> {
  switch (show) {
    case 'pinned':
      return printRows(
        pinned,
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
        uploads,
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
        orphans,
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
    default: {
      if (object !== undefined && object !== null) return printer.value(object);
      const { bucket = '', key = '' } = name ?? {};
      throw new CliFailure(
        'NO_SUCH_KEY',
        `at offset ${replayed.offset} the cache neither holds s3://${bucket}/${key} nor has a delete of it to make: ${whyNot(description, bucket, key)}`,
      );
    }
  }
}

function whyNot(description: ExportDescription | undefined, bucket: string, key: string): string {
  if (description?.hashed === true)
    return 'names in this export are hashes, as --show pinned and uploads print them';
  const isOutside =
    description?.bucket !== undefined &&
    (bucket !== description.bucket || !key.startsWith(description.prefix ?? ''));
  return isOutside ? `this export has only ${objectsOf(description)}` : 'log history tells what became of it';
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

async function printChanges(
  { diff: [from, to] = [0, 0] }: Wanted,
  { omitted }: ReplayAnswer,
  changes: readonly ReplayChange[],
  printer: Printer,
): Promise<void> {
  if (printer.json)
    return printer.value({ from, to, changes, ...(omitted === undefined ? {} : { omitted }) });
  if (changes.length === 0) return printer.text(`nothing changed between offsets ${from} and ${to}`);
  for (const change of changes) await printChange(change, printer);
}

async function printChange(
  { what, before: from, after: to }: ReplayChange,
  printer: Printer,
  indent = '',
): Promise<void> {
  const sign = from === undefined ? '+' : to === undefined ? '-' : '~';
  const values = [from, to].filter((value) => value !== undefined).join(' → ');
  const colour = sign === '+' ? 'green' : sign === '-' ? 'red' : 'yellow';
  await printer.text(printer.paint(printable(`${indent}${sign} ${what}: ${values}`), colour));
}

/** Each event between the first stop and the last, in words, with what it changed. */
async function printSteps(
  wanted: Wanted,
  { partition }: ReplayedPartition,
  steps: readonly StepView[],
  printer: Printer,
): Promise<void> {
  const byOffset = new Map(steps.map((step) => [step.offset, step]));
  for (const at of stopsOf(wanted)?.slice(0, -1) ?? []) {
    const step = byOffset.get(at);
    if (step === undefined) {
      if (!printer.json) await printer.text(`${partition}:${at}  was left out of the export`);
      continue;
    }
    if (printer.json) {
      await printer.jsonLine(step);
      continue;
    }
    const { offset, atMs, bucket, key, words, changes } = step;
    await printer.text(
      printable(`${partition}:${offset}  ${formatTime(atMs)}  s3://${bucket}/${key}: ${words}`),
    );
    for (const change of changes) await printChange(change, printer, '  ');
  }
}
