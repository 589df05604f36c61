/** `headrace mount add|list|remove`: which part of the name space is kept in which UFS. */
import { InvalidArgumentError, Option, type Command } from 'commander';
import type { MountRemoval } from '../../engine/admin-service.js';
import { CliFailure, EXIT_USAGE, type CliContext } from '../context.js';
import { durationOption, examples, Invocation, pathArgument } from '../invocation.js';
import { formatBytes } from '../printer.js';
import { createProgressBar } from '../progress-bar.js';

export function addMountCommand(program: Command, context: CliContext): void {
  const mount = program.command('mount').description('map buckets and prefixes to under-stores');
  addAdd(mount, context);
  addList(mount, context);
  addRemove(mount, context);
}

function addAdd(mount: Command, context: CliContext): void {
  mount
    .command('add')
    .description('keep a bucket or a prefix in a UFS of its own')
    .argument('<path>', '/<bucket> or /<bucket>/<prefix>', pathArgument)
    .argument('<ufs>', 'a directory, s3://<bucket>[/<prefix>] or hdfs://<namenode>:<port>/<directory>')
    .addOption(
      new Option(
        '--safe-persist <mode>',
        'conditional: what somebody else changed in the UFS is not overwritten (default: overwrite)',
      ).choices(['overwrite', 'conditional']),
    )
    .option('--option <name=value>', 'option of the UFS, may be repeated', collectOption)
    .addHelpText(
      'after',
      examples(
        'mount add /archive s3://company-archive --option region=eu-west-1',
        'mount add /training/old /mnt/old --safe-persist conditional',
      ),
    )
    .action(
      async (
        path: string,
        ufs: string,
        { option = {}, safePersist }: { option?: Record<string, string>; safePersist?: string },
        command: Command,
      ) => {
        const { client, printer } = new Invocation(context, command);
        const options = safePersist === undefined ? option : { ...option, 'safe.persist': safePersist };
        await client.addMount({ path, ufs, options });
        if (printer.json) return printer.value({ path, ufs });
        await printer.table([[`mounted ${ufs} at ${path}`]]);
      },
    );
}

function addList(mount: Command, context: CliContext): void {
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
}

function addRemove(mount: Command, context: CliContext): void {
  mount
    .command('remove')
    .description('undo a mount; what is in the UFS stays there')
    .argument('<path>', 'as it was added', pathArgument)
    .option('--drain', 'first wait until everything below it is persisted')
    .option('--timeout <duration>', 'with --drain: give up when it is not done by then', durationOption)
    .option('--force', 'give up what is not persisted, and say what was lost')
    .addHelpText(
      'after',
      examples(
        'mount remove /archive',
        'mount remove /archive --drain --timeout 10min',
        'mount remove /archive --force',
      ),
    )
    .action(async (path: string, options: RemoveOptions, command: Command) => {
      const { client, printer } = new Invocation(context, command);
      const { drain = false, force = false, timeout } = options;
      if (timeout !== undefined && !drain)
        throw new CliFailure('INVALID_ARGUMENT', '--timeout is for --drain: give both', EXIT_USAGE);
      const bar = createProgressBar(context, { unit: 'objects' });
      let removed: MountRemoval;
      try {
        const request = { path, drain, force, ...(timeout === undefined ? {} : { timeoutMs: timeout }) };
        removed = await client.removeMount(request, ({ objects, persistedObjects }) =>
          bar.update(persistedObjects, persistedObjects + objects),
        );
      } finally {
        bar.stop();
      }
      if (printer.json) return printer.value(removed);
      await printer.table([[`removed the mount at ${removed.path}`]]);
      const { lostObjects, lostBytes, lostDeletes } = removed;
      if (lostObjects + lostDeletes > 0)
        await printer.text(
          `lost: ${lostObjects} objects (${formatBytes(lostBytes)}) and ${lostDeletes} deletes that the UFS had yet to learn`,
        );
    });
}

interface RemoveOptions {
  readonly drain?: boolean;
  readonly force?: boolean;
  readonly timeout?: number;
}

function collectOption(text: string, previous: Record<string, string> = {}): Record<string, string> {
  const at = text.indexOf('=');
  if (at < 1) throw new InvalidArgumentError('Write --option NAME=VALUE.');
  return { ...previous, [text.slice(0, at)]: text.slice(at + 1) };
}
