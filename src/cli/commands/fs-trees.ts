/** `headrace fs du|rm`: whole directories. */
import type { Command } from 'commander';
import type { RemoveProgress, RemoveReport, TreeUsage } from '../../engine/tree-service.js';
import { CliFailure, EXIT_USAGE, type CliContext } from '../context.js';
import { examples, integerOption, Invocation, pathArgument } from '../invocation.js';
import { formatBytes, printable, type Printer } from '../printer.js';

const USAGE_HEAD = ['OBJECTS', 'SIZE', 'CACHED', 'DIRTY', 'PERSISTED', 'PATH'];

interface RemoveOptions {
  readonly recursive?: boolean;
  readonly yes?: boolean;
}

export function addTreeCommands(fs: Command, context: CliContext): void {
  fs.command('du')
    .description('sum up what lies below a path: in all, in the cache, not yet in the UFS, and in the UFS')
    .argument('[path]', '/<bucket>/<prefix> or s3://<bucket>/<prefix>', pathArgument, '/')
    .option('--depth <count>', 'how many names below the path are told apart', integerOption(1), 1)
    .addHelpText(
      'after',
      examples('fs du', 'fs du s3://bucket/checkpoints/ --depth 2', 'fs du /bucket/ --json'),
    )
    .action(async (path: string, { depth }: { depth: number }, command: Command) => {
      const { client, printer } = new Invocation(context, command);
      const report = await client.usage(path, depth, ({ objects, bytes }) => {
        void printer.progress(`${objects} objects, ${formatBytes(bytes)}`);
      });
      await printer.progress('');
      if (printer.json) return printer.value(report);
      await printer.table(
        [...report.entries.map(usageRow), usageRow({ ...report.total, path: 'total' })],
        USAGE_HEAD,
      );
      if (report.truncated) await printer.note('there are more entries; they count in the total');
    });
  fs.command('rm')
    .description('remove an object, or everything below a directory; broken off, the same command goes on')
    .argument('<path>', '/<bucket>/<key> or s3://<bucket>/<key>', pathArgument)
    .option(
      '-R, --recursive',
      'everything below the path, which is a directory or a bucket; the bucket itself stays',
    )
    .option('-y, --yes', 'really: --recursive does nothing without it')
    .addHelpText(
      'after',
      examples(
        'fs rm s3://bucket/key',
        'fs rm --recursive --yes s3://bucket/old/',
        'fs rm -R -y /bucket/old/ --json',
      ),
    )
    .action(async (path: string, options: RemoveOptions, command: Command) => {
      const { client, printer } = new Invocation(context, command);
      const { recursive = false, yes = false } = options;
      if (recursive && !yes)
        throw new CliFailure(
          'INVALID_ARGUMENT',
          `everything below ${path} would be removed, here and in the UFS: add --yes (\`headrace fs du ${path}\` shows what it is)`,
          EXIT_USAGE,
        );
      const report = await client.remove(path, recursive, (progress) => {
        void printer.progress(describe(progress));
      });
      await printer.progress('');
      if (printer.json) await printer.value(report);
      else await printRemoved(report, printer);
      if (report.failed > 0)
        throw new CliFailure(
          'NOT_REMOVED',
          `${report.failed} objects could not be removed: correct the cause and run it again`,
        );
    });
}

function usageRow({ objects, bytes, cachedBytes, dirtyBytes, persistedBytes, path }: TreeUsage): string[] {
  return [String(objects), ...[bytes, cachedBytes, dirtyBytes, persistedBytes].map(formatBytes), path];
}

async function printRemoved(report: RemoveReport, printer: Printer): Promise<void> {
  for (const { path, code, message } of report.failures) await printer.note(`${path}: ${message} (${code})`);
  await printer.text(printable(describe(report)));
}

function describe({ objects, bytes, failed }: RemoveProgress): string {
  const failures = failed === 0 ? '' : `, ${failed} failed`;
  return `removed ${objects} ${objects === 1 ? 'object' : 'objects'} of ${formatBytes(bytes)}${failures}`;
}
