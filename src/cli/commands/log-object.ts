/** `headrace log history|explain`: what the log tells of one object. */
import type { Command } from 'commander';
import type {
  Explanation,
  ObjectHistory,
  Situation,
  StoryEntry,
} from '../../engine/inspection/log-inspection.js';
import type { CliContext } from '../context.js';
import { examples, integerOption, Invocation, objectArgument } from '../invocation.js';
import { formatTime, printable, type Colour, type Printer } from '../printer.js';

const EVENTS_DEFAULT = 1000;
const EVENTS_MAX = 10_000;
const OBJECT = '/<bucket>/<key> or s3://<bucket>/<key>';

interface ObjectName {
  readonly bucket: string;
  readonly key: string;
}

export function addObjectCommands(log: Command, context: CliContext): void {
  log
    .command('history')
    .description('tell the whole story of an object: times, offsets, and what happened why')
    .argument('<object>', OBJECT, objectArgument)
    .option(
      '--limit <count>',
      `the newest so many events (at most ${EVENTS_MAX})`,
      integerOption(1),
      EVENTS_DEFAULT,
    )
    .addHelpText(
      'after',
      examples('log history s3://bucket/key', 'log history /bucket/key --data-dir /nvme/headrace --json'),
    )
    .action(async (object: ObjectName, { limit }: { limit: number }, command: Command) => {
      const invocation = new Invocation(context, command);
      await invocation.withLog(async ({ inspection }) => {
        const history = await inspection.history({ ...object, limit: Math.min(limit, EVENTS_MAX) });
        await printHistory(history, invocation.printer);
      });
    });
  log
    .command('explain')
    .description('say in words why an object is not persisted, or that it is')
    .argument('<object>', OBJECT, objectArgument)
    .addHelpText('after', examples('log explain s3://bucket/key', 'log explain /bucket/key --json'))
    .action(async (object: ObjectName, _options: object, command: Command) => {
      const invocation = new Invocation(context, command);
      await invocation.withLog(async ({ inspection }) =>
        printExplanation(await inspection.explain(object), invocation.printer),
      );
    });
}

async function printHistory(history: ObjectHistory, printer: Printer): Promise<void> {
  if (printer.json) return printer.value(history);
  const { entries, omitted, oldestOffset, partition } = history;
  const name = printable(`s3://${history.bucket}/${history.key}`);
  if (oldestOffset > 0)
    await printer.note(`events before offset ${partition}:${oldestOffset} are no longer kept`);
  if (omitted > 0) await printer.note(`${omitted} older events are left out: see --limit`);
  if (entries.length === 0) return printer.text(`the log has no event of ${name}`);
  for (const entry of entries) {
    const place = `${entry.partition}:${entry.offset}`.padEnd(10);
    const line = `${formatTime(entry.atMs)}  ${place}  ${printable(entry.words)}`;
    const colour = colourOf(entry);
    await printer.text(colour === undefined ? line : printer.paint(line, colour));
  }
}

function colourOf({ type }: StoryEntry): Colour | undefined {
  if (type === 'PersistFailed') return 'yellow';
  if (type === 'PersistDiscarded') return 'red';
  return type === 'ObjectPersisted' || type === 'DeletePersisted' ? 'green' : undefined;
}

const COLOURS: Partial<Record<Situation, Colour>> = {
  PERSISTED: 'green',
  EVICTED: 'green',
  UFS_ONLY: 'green',
  UFS_LOST: 'red',
  CONFLICT: 'red',
  QUARANTINED: 'red',
  DISCARDED: 'red',
  WAITING: 'yellow',
};

async function printExplanation(explanation: Explanation, printer: Printer): Promise<void> {
  if (printer.json) return printer.value(explanation);
  const { bucket, key, summary, details, situation } = explanation;
  const line = printable(`s3://${bucket}/${key}: ${summary}`);
  const colour = COLOURS[situation];
  await printer.text(colour === undefined ? line : printer.paint(line, colour));
  for (const detail of details) await printer.text(`  ${printable(detail)}`);
}
