/** `headrace start` */
import type { Command } from 'commander';
import { CliFailure, EXIT_USAGE, type CliContext } from '../context.js';
import { examples, Invocation } from '../invocation.js';

export function addStartCommand(program: Command, context: CliContext): void {
  program
    .command('start')
    .description('run the server in the foreground until it is stopped')
    .addHelpText(
      'after',
      examples(
        'start',
        'start --data-dir /nvme/headrace --ufs s3://',
        'start --config alluxio-site.properties',
      ),
    )
    .action(async (_options: object, command: Command) => {
      refuseEndpoint(command);
      const { settings, printer } = new Invocation(context, command);
      for (const warning of settings.warnings) await printer.note(`warning: ${warning}`);
      await context.startServer(settings);
    });
}

/** Who gives it means where the server listens, or the store behind it: to go on without would be neither. */
function refuseEndpoint(command: Command): void {
  const { endpoint } = command.optsWithGlobals<{ endpoint?: string }>();
  if (endpoint === undefined) return;
  throw new CliFailure(
    'INVALID_ARGUMENT',
    `--endpoint ${endpoint} has no meaning for start: it names the server that other commands talk to. This one listens ` +
      'where --set admin.host=HOST, --admin-port and --s3-port say; the S3 store behind it is --set ufs.s3.endpoint=URL',
    EXIT_USAGE,
  );
}
