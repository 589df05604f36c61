/** `headrace async-persist list|stat`: what still has to reach the UFS, and why it has not. */
import { Option, type Command } from 'commander';
import type { PersistEntry, PersistPhase } from '../../engine/admin-service.js';
import type { CliContext } from '../context.js';
import { examples, integerOption, Invocation, pathArgument } from '../invocation.js';
import { formatBytes, formatTime, type Printer } from '../printer.js';
import { statRows } from './fs.js';

interface ListOptions {
  readonly state?: PersistPhase;
  readonly limit?: number;
}

const PHASES: readonly PersistPhase[] = ['PENDING', 'UPLOADING', 'WAITING', 'QUARANTINED'];
const HEAD = ['PHASE', 'KIND', 'SIZE', 'AGE', 'ATTEMPT', 'NEXT ATTEMPT (UTC)', 'OBJECT', 'LAST ERROR'];

export function addAsyncPersistCommand(program: Command, context: CliContext): void {
  const persist = program.command('async-persist').description('look at what is on its way to the UFS');
  persist
    .command('list')
    .description('list everything pending or in progress, the oldest first')
    .addOption(new Option('--state <phase>', 'only these').choices(PHASES))
    .option('--limit <count>', 'stop after so many', integerOption(1))
    .addHelpText('after', examples('async-persist list', 'async-persist list --state QUARANTINED --json'))
    .action(async (options: ListOptions, command: Command) => {
      const { client, printer } = new Invocation(context, command);
      let left = options.limit ?? Number.POSITIVE_INFINITY;
      let head: string[] | undefined = HEAD;
      for await (const page of client.persistPages(options.state)) {
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
    });
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
}

function row(entry: PersistEntry, printer: Printer): string[] {
  return [
    entry.phase,
    entry.kind,
    entry.kind === 'delete' ? '-' : formatBytes(entry.size),
    printer.age(entry.sinceMs),
    `${entry.attempt}`,
    entry.nextAttemptAtMs === undefined ? '-' : formatTime(entry.nextAttemptAtMs),
    `/${entry.bucket}/${entry.key}`,
    entry.message ?? '',
  ];
}
