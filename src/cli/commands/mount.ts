/** `headrace mount add|list|remove`: which part of the name space is kept in which UFS. */
import { InvalidArgumentError, type Command } from 'commander';
import type { CliContext } from '../context.js';
import { examples, Invocation, pathArgument } from '../invocation.js';

export function addMountCommand(program: Command, context: CliContext): void {
  const mount = program.command('mount').description('map buckets and prefixes to under-stores');
  mount
    .command('add')
    .description('keep a bucket or a prefix in a UFS of its own')
    .argument('<path>', '/<bucket> or /<bucket>/<prefix>', pathArgument)
    .argument('<ufs>', 'a directory or s3://<bucket>[/<prefix>]')
    .option('--option <name=value>', 'option of the UFS, may be repeated', collectOption)
    .addHelpText('after', examples('mount add /archive s3://company-archive --option region=eu-west-1'))
    .action(
      async (
        path: string,
        ufs: string,
        { option = {} }: { option?: Record<string, string> },
        command: Command,
      ) => {
        const { client, printer } = new Invocation(context, command);
        await client.addMount({ path, ufs, options: option });
        if (printer.json) return printer.value({ path, ufs });
        await printer.table([[`mounted ${ufs} at ${path}`]]);
      },
    );
  mount
    .command('list')
    .description('list all mounts')
    .addHelpText('after', examples('mount list', 'mount list --json'))
    .action(async (_options: object, command: Command) => {
      const { client, printer } = new Invocation(context, command);
      const mounts = await client.mounts();
      if (printer.json) return printer.value(mounts);
      if (mounts.length === 0) return printer.text('nothing is mounted: buckets are in the default UFS');
      const options = (values: Readonly<Record<string, string>>) =>
        Object.entries(values)
          .map(([name, value]) => `${name}=${value}`)
          .join(' ');
      await printer.table(
        mounts.map((entry) => [entry.path, entry.ufs, options(entry.options)]),
        ['PATH', 'UFS', 'OPTIONS'],
      );
    });
  mount
    .command('remove')
    .description('undo a mount; what is in the UFS stays there')
    .argument('<path>', 'as it was added', pathArgument)
    .option('--force', 'also when objects below it are not persisted')
    .addHelpText('after', examples('mount remove /archive'))
    .action(async (path: string, { force }: { force?: boolean }, command: Command) => {
      const { client, printer } = new Invocation(context, command);
      await client.removeMount(path, force ?? false);
      if (printer.json) return printer.value({ path });
      await printer.table([[`removed the mount at ${path}`]]);
    });
}

function collectOption(text: string, previous: Record<string, string> = {}): Record<string, string> {
  const at = text.indexOf('=');
  if (at < 1) throw new InvalidArgumentError('Write --option NAME=VALUE.');
  return { ...previous, [text.slice(0, at)]: text.slice(at + 1) };
}
