/** `headrace job free` */
import type { Command } from 'commander';
import type { FreeResult } from '../../engine/admin-service.js';
import type { CliContext } from '../context.js';
import { examples, Invocation, pathArgument } from '../invocation.js';
import { formatBytes } from '../printer.js';

export function addJobCommand(program: Command, context: CliContext): void {
  const job = program.command('job').description('run jobs on the server');
  job
    .command('free')
    .description('free persisted data and abandoned writes at once; never what the UFS does not have')
    .option('--path <path>', 'only below /<bucket>/<prefix>', pathArgument)
    .addHelpText('after', examples('job free', 'job free --path /bucket/old/'))
    .action(async ({ path }: { path?: string }, command: Command) => {
      const { client, printer } = new Invocation(context, command);
      let shown = false;
      const freed = await client.free(path, (progress) => {
        shown = true;
        void printer.progress(describe(progress));
      });
      if (shown) await printer.progress('');
      if (printer.json) return printer.value(freed);
      await printer.text(describe(freed));
    });
}

function describe({ objects, bytes, abandonedWrites }: FreeResult): string {
  return `freed ${formatBytes(bytes)} of ${objects} persisted objects, and ${abandonedWrites} abandoned writes`;
}
