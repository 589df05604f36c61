/** What `headrace log replay` prints: the whole of a state, a part of it, or what changed. */
import type { ExportDescription } from '../../engine/inspection/export-format.js';
import type { ReplayedPartition, ReplaySnapshot } from '../../engine/inspection/replay.js';
import {
  changesBetween,
  countsOf,
  objectView,
  orphansView,
  pinnedView,
  uploadsView,
  type ReplayChange,
} from '../../engine/inspection/replay-views.js';
import { ObjectStory } from '../../engine/inspection/object-story.js';
import type { DataEvent } from '../../../log/events.js';
import { CliFailure } from '../context.js';
import { formatBytes, formatTime, printable, type Printer } from '../printer.js';

export const SHOWN = ['pinned', 'orphans', 'uploads', 'object'] as const;
export type Shown = (typeof SHOWN)[number];

/** What was folded, wherever it came from. */
export interface Replayed {
  /** Absent when it was a data directory. */
  readonly description?: ExportDescription;
  readonly dataDirectory?: string;
  readonly replayed: ReplayedPartition;
  readonly snapshots: readonly ReplaySnapshot[];
}

/** An event that was folded between two stops. */
export interface Step {
  readonly event: DataEvent;
  readonly offset: number;
}

export async function printSummary(result: Replayed, last: ReplaySnapshot, printer: Printer): Promise<void> {
  const { replayed, description, dataDirectory } = result;
  const counts = countsOf(last);
  if (printer.json)
    return printer.value({
      ...(description === undefined ? { dataDirectory } : { description }),
      replayed,
      counts,
    });
  await printer.table([
    description === undefined
      ? ['data directory', printable(dataDirectory ?? '')]
      : ['export', scopeOf(description)],
    ['partition', `${replayed.partition}, from ${startOf(result)}`],
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

function startOf({ description, replayed: { from } }: Replayed): string {
  if (description !== undefined) return `offset ${from}`;
  return from === 0 ? 'the beginning of the log' : `the checkpoint at offset ${from}`;
}

function wholeState({ stateHash, partHash }: ReplayedPartition, description?: ExportDescription): string {
  if (stateHash !== undefined) return `whole, hash ${stateHash}`;
  if (description === undefined || partHash === undefined) return 'whole';
  const what = description.hashed && description.selected !== true ? 'with other names' : 'of these objects';
  return `whole, ${what}: hash ${partHash}, which is no checkpoint's, because those are of all objects with their names`;
}

export async function printPart(
  part: Shown,
  snapshot: ReplaySnapshot,
  object: { bucket: string; key: string } | undefined,
  isHashed: boolean,
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
          `at offset ${snapshot.offset} the cache neither holds s3://${bucket}/${key} nor has a delete of it to make: ${
            isHashed
              ? 'names in this export are hashes, as --show pinned and uploads print them'
              : 'log history tells what became of it'
          }`,
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

export async function printChanges(
  before: ReplaySnapshot,
  after: ReplaySnapshot,
  printer: Printer,
): Promise<void> {
  const changes = changesBetween(before, after);
  if (printer.json) return printer.value({ from: before.offset, to: after.offset, changes });
  if (changes.length === 0)
    return printer.text(`nothing changed between offsets ${before.offset} and ${after.offset}`);
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
export async function printSteps(
  { snapshots, replayed: { partition } }: Replayed,
  steps: readonly Step[],
  printer: Printer,
): Promise<void> {
  const stories = new Map<string, ObjectStory>();
  for (const [at, after] of snapshots.entries()) {
    const before = snapshots[at - 1];
    if (before === undefined) continue;
    const changes = changesBetween(before, after);
    const step = steps.find(({ offset }) => offset === before.offset);
    if (step === undefined) {
      if (!printer.json) await printer.text(`${partition}:${before.offset}  was left out of the export`);
      continue;
    }
    const { event, offset } = step;
    const name = `s3://${event.bucket}/${event.key}`;
    const story = stories.get(name) ?? new ObjectStory();
    stories.set(name, story);
    const words = story.tell(event, offset);
    if (printer.json) {
      const { atMs, type, bucket, key } = event;
      await printer.jsonLine({ partition, offset, atMs, type, bucket, key, words, changes });
      continue;
    }
    await printer.text(printable(`${partition}:${offset}  ${formatTime(event.atMs)}  ${name}: ${words}`));
    for (const change of changes) await printChange(change, printer, '  ');
  }
}
