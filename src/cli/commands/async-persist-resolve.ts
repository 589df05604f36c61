/** `headrace async-persist resolve`: whose version of an object stays when somebody else changed it in the UFS. */
import { Option, type Command } from 'commander';
import type { CliContext } from '../context.js';
import { examples, Invocation, pathArgument } from '../invocation.js';
import { printable } from '../printer.js';

export function addResolveCommand(persist: Command, context: CliContext): void {
  persist
    .command('resolve')
    .description('decide a CONFLICT: whose version of an object stays')
    .requiredOption('--path <path>', '/<bucket>/<key> or s3://<bucket>/<key>', pathArgument)
    .addOption(
      new Option(
        '--keep <whose>',
        'ours: it takes the place of what the UFS has now; theirs: ours is lost, unless it was exported',
      )
        .choices(['ours', 'theirs'])
        .makeOptionMandatory(),
    )
    .addHelpText(
      'after',
      examples(
        'async-persist resolve --path s3://bucket/key --keep ours',
        'async-persist resolve --path s3://bucket/key --keep theirs',
      ),
    )
    .action(async ({ path, keep }: { path: string; keep: 'ours' | 'theirs' }, command: Command) => {
      const { client, printer } = new Invocation(context, command);
      const result = await client.resolvePersist(path, keep);
      if (printer.json) return printer.value(result);
      await printer.text(
        keep === 'ours'
          ? `ours of ${printable(path)} is written over what the UFS has now`
          : `theirs of ${printable(path)} is kept; ours was given up`,
      );
    });
}
