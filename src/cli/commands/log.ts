/** `headrace log …`: the log is the truth, and this is how to read it. */
import type { Command } from 'commander';
import type { LoggedEvent, LogHead, VerifyReport } from '../../engine/admin-service.js';
import type { AdminClient } from '../admin-client.js';
import { CliFailure, EXIT_USAGE, type CliContext, type LogReader } from '../context.js';
import { examples, integerOption, Invocation } from '../invocation.js';
import { formatBytes, formatTime, printable, type Printer } from '../printer.js';
import { createProgressBar } from '../progress-bar.js';
import { addExportCommand } from './log-export.js';
import { addIncarnateCommand } from './log-incarnate.js';
import { addObjectCommands } from './log-object.js';
import { addReplayCommand } from './log-replay.js';

interface RangeOptions {
  readonly partition?: number;
  readonly from?: number;
  readonly limit?: number;
}

const PAGE_EVENTS = 1000;

export function addLogCommand(program: Command, context: CliContext): void {
  const log = program
    .command('log')
    .description('read and check the log; all but tail also without a server');
  log
    .command('head')
    .description('show where each partition of the log stands')
    .addHelpText('after', examples('log head', 'log head --json'))
    .action(async (_options: object, command: Command) => {
      const invocation = new Invocation(context, command);
      const { printer } = invocation;
      await invocation.withLog(async (reader) => {
        const heads = await reader.logHead();
        if (printer.json) return printer.value(heads);
        await printer.table(heads.map(headRow), ['PARTITION', 'EPOCH', 'OLDEST', 'CHECKPOINT', 'DURABLE']);
      });
    });
  addCat(log, context);
  addTail(log, context);
  addVerify(log, context);
  addObjectCommands(log, context);
  addExportCommand(log, context);
  addReplayCommand(log, context);
  addIncarnateCommand(log, context);
}

function addCat(log: Command, context: CliContext): void {
  log
    .command('cat')
    .description('print the events of the log, one a line')
    .option(
      '--partition <number>',
      'only this one (0 carries buckets, mounts and configuration)',
      integerOption(0),
    )
    .option(
      '--from <offset>',
      'start here; needs --partition (default: the oldest that is kept)',
      integerOption(0),
    )
    .option('--limit <count>', 'stop after so many', integerOption(1))
    .addHelpText('after', examples('log cat --limit 100', 'log cat --partition 1 --from 4711 --json'))
    .action(async (options: RangeOptions, command: Command) => {
      const invocation = new Invocation(context, command);
      refuseLoneOffset(options);
      await invocation.withLog(async (reader) => {
        let left = options.limit ?? Number.POSITIVE_INFINITY;
        for (const head of await chosenHeads(reader, options.partition)) {
          left -= await printEvents(
            reader,
            head,
            options.from ?? head.oldestOffset,
            left,
            invocation.printer,
          );
          if (left <= 0) return;
        }
      });
    });
}

/** Prints what was durable when the head was read; returns how many. */
async function printEvents(
  reader: LogReader,
  head: LogHead,
  from: number,
  limit: number,
  printer: Printer,
): Promise<number> {
  let printed = 0;
  for (let next = from; next < head.durableOffset && printed < limit;) {
    const wanted = Math.min(PAGE_EVENTS, limit - printed, head.durableOffset - next);
    const events = await reader.logRead({ partition: head.partition, from: next, limit: wanted });
    for (const event of events) await printEvent(event, printer);
    const last = events.at(-1);
    if (last === undefined) break;
    printed += events.length;
    next = last.offset + 1;
  }
  return printed;
}

function addTail(log: Command, context: CliContext): void {
  log
    .command('tail')
    .description('print events as they become durable, until stopped')
    .option('--partition <number>', 'only this one', integerOption(0))
    .option('--from <offset>', 'start here; needs --partition (default: now)', integerOption(0))
    .addHelpText('after', examples('log tail', 'log tail --partition 1 --from 4711 --json'))
    .action(async (options: RangeOptions, command: Command) => {
      const invocation = new Invocation(context, command);
      refuseLoneOffset(options);
      const failed = new AbortController();
      const signals = context.signal === undefined ? [failed.signal] : [failed.signal, context.signal];
      const client = invocation.clientUntil(AbortSignal.any(signals));
      try {
        const tails = (await chosenHeads(client, options.partition)).map((head) =>
          printTail(client, head.partition, options.from ?? head.durableOffset, invocation.printer),
        );
        await Promise.all(tails);
      } finally {
        // One tail that fails takes the others along.
        failed.abort();
      }
    });
}

async function printTail(
  client: AdminClient,
  partition: number,
  from: number,
  printer: Printer,
): Promise<void> {
  for await (const event of client.logTail(partition, from)) await printEvent(event, printer);
}

function addVerify(log: Command, context: CliContext): void {
  log
    .command('verify')
    .description(
      're-read every frame, fold the log again and compare with the live state; 1 when they differ',
    )
    .option('--data', 'also re-read all cached bytes and check their checksums')
    .addHelpText('after', examples('log verify', 'log verify --data --json'))
    .action(async ({ data }: { data?: boolean }, command: Command) => {
      const invocation = new Invocation(context, command);
      const { printer } = invocation;
      await invocation.withLog(async (reader) => {
        const bar = createProgressBar(context, { unit: 'checked' });
        const report = await reader
          .verify({ data: data ?? false, onProgress: (done, total) => bar.update(done, total) })
          .finally(() => bar.stop());
        if (printer.json) await printer.value(report);
        else await printer.table(reportRows(report));
        if (!report.ok)
          throw new CliFailure(
            'VERIFY_FAILED',
            `the log does not verify: ${report.problems.length} problem${report.problems.length === 1 ? '' : 's'}`,
          );
      });
    });
}

function reportRows(report: VerifyReport): string[][] {
  const extents =
    report.extents === 0 ? [] : [['extents', `${report.extents}, ${formatBytes(report.extentBytes)}`]];
  return [
    ['verdict', report.ok ? 'ok' : 'NOT OK'],
    [
      'events',
      `${report.events} in ${report.frames} frames, offsets ${report.fromOffset} to ${report.toOffset}`,
    ],
    ['live state', report.stateHash],
    ['folded again', report.refoldedHash],
    ...extents,
    ...report.problems.map((problem) => ['problem', problem]),
  ];
}

function headRow({ partition, epoch, oldestOffset, checkpointOffset, durableOffset }: LogHead): string[] {
  return [partition, epoch, oldestOffset, checkpointOffset, durableOffset].map(String);
}

async function chosenHeads(
  reader: Pick<LogReader, 'logHead'>,
  partition: number | undefined,
): Promise<LogHead[]> {
  const heads = await reader.logHead();
  const chosen = heads.filter((head) => partition === undefined || head.partition === partition);
  if (chosen.length > 0) return chosen;
  const known = heads.map((head) => head.partition).join(', ');
  throw new CliFailure(
    'INVALID_ARGUMENT',
    `there is no partition ${partition}: there are ${known}`,
    EXIT_USAGE,
  );
}

function refuseLoneOffset({ from, partition }: RangeOptions): void {
  if (from !== undefined && partition === undefined)
    throw new CliFailure(
      'INVALID_ARGUMENT',
      '--from needs --partition: each partition counts by itself',
      EXIT_USAGE,
    );
}

/** `<partition>:<offset>  <time>  <type>  <path>  <the rest>` */
async function printEvent(logged: LoggedEvent, printer: Printer): Promise<void> {
  if (printer.json) return printer.jsonLine(logged);
  const { type, atMs, bucket, key, ...rest } = logged.event;
  const time = typeof atMs === 'number' ? formatTime(atMs) : '-';
  const path = [bucket, key].filter((part) => typeof part === 'string').join('/');
  const cells = [
    `${logged.partition}:${logged.offset}`.padEnd(10),
    time.padEnd(19),
    String(type).padEnd(16),
    path === '' ? '' : `/${path}`,
    JSON.stringify(rest),
  ];
  await printer.text(printable(cells.filter((cell) => cell !== '').join('  ')));
}
