/**
 * `headrace async-persist list|stat`: what still has to reach the UFS, and why it has not. The rest is in
 * `async-persist-repair.ts`.
 */
import { Option, type Command } from 'commander';
import type { PersistEntry, PersistPhase } from '../../engine/admin-service.js';
import { addResolveCommand } from './async-persist-resolve.js';
import type { CliContext } from '../context.js';
import { examples, integerOption, Invocation, pathArgument } from '../invocation.js';
import { formatBytes, formatTime, type Printer } from '../printer.js';
import { addDiscardCommand, addExportCommand, addRetryCommand } from './async-persist-repair.js';
import { statRows } from './fs.js';

interface ListOptions {
  readonly state?: PersistPhase;
  readonly limit?: number;
  readonly prefix?: string;
  readonly bucket?: string;
  readonly cause?: string;
}

export const PHASES: readonly PersistPhase[] = ['PENDING', 'UPLOADING', 'WAITING', 'QUARANTINED', 'CONFLICT'];
const HEAD = ['PHASE', 'KIND', 'SIZE', 'AGE', 'ATTEMPT', 'NEXT ATTEMPT (UTC)', 'OBJECT', 'LAST ERROR'];
const PERCENT = 100;

export function addAsyncPersistCommand(program: Command, context: CliContext): void {
  const persist = program
    .command('async-persist')
    .description('look at what is on its way to the UFS, and decide about what does not get there');
  persist
    .command('list')
    .description('list everything pending, in progress or quarantined, the oldest first')
    .addOption(new Option('--state <phase>', 'only these').choices(PHASES))
    .option('--bucket <name>', 'only those of this bucket')
    .option('--prefix <path>', 'only those below /<bucket>/<prefix> or s3://<bucket>/<prefix>', pathArgument)
    .option('--cause <code>', 'only those whose last attempt failed so, as UFS_DENIED')
    .option('--limit <count>', 'stop after so many', integerOption(1))
    .addHelpText(
      'after',
      examples(
        'async-persist list',
        'async-persist list --state QUARANTINED --json',
        'async-persist list --prefix s3://bucket/checkpoints/ --cause UFS_DENIED',
      ),
    )
    .action((options: ListOptions, command: Command) => list(new Invocation(context, command), options));
  persist
    .command('stat')
    .description('show the persist state and the attempts of one object')
    .requiredOption('--path <path>', '/<bucket>/<key> or s3://<bucket>/<key>', pathArgument)
    .addHelpText('after', examples('async-persist stat --path /checkpoints/epoch-1/model.pt'))
    .action(async ({ path }: { path: string }, command: Command) => {
      const { client, printer } = new Invocation(context, command);
      const stat = await client.objectStat(path);
      if (printer.json) return printer.value(stat);
      await printer.table(statRows({ ...stat, extents: [] }, printer));
    });
  addRetryCommand(persist, context);
  addResolveCommand(persist, context);
  addDiscardCommand(persist, context);
  addExportCommand(persist, context);
}

async function list({ client, printer }: Invocation, options: ListOptions): Promise<void> {
  const { state, cause, bucket, prefix, limit = Number.POSITIVE_INFINITY } = options;
  const path = prefix ?? (bucket === undefined ? undefined : `/${bucket}/`);
  let left = limit;
  let head: string[] | undefined = HEAD;
  for await (const page of client.persistPages({ state, cause, path })) {
    const entries = page.slice(0, left);
    if (printer.json) for (const entry of entries) await printer.jsonLine(entry);
    else if (entries.length > 0)
      await printer.table(
        entries.map((entry) => row(entry, printer)),
        head,
      );
    else if (head !== undefined) await printer.text('nothing is pending');
    head = undefined;
    left -= page.length;
    if (left <= 0) return;
  }
}

function row(entry: PersistEntry, printer: Printer): string[] {
  const { uploadedBytes = 0, size } = entry;
  const share = uploadedBytes > 0 ? ` (${Math.floor((uploadedBytes * PERCENT) / size)} % sent)` : '';
  return [
    entry.phase,
    entry.kind,
    entry.kind === 'delete' ? '-' : `${formatBytes(size)}${share}`,
    printer.age(entry.sinceMs),
    `${entry.attempt}`,
    entry.nextAttemptAtMs === undefined ? '-' : formatTime(entry.nextAttemptAtMs),
    `/${entry.bucket}/${entry.key}`,
    entry.message ?? '',
  ];
}
