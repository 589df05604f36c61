/** `headrace start` */
import type { Command } from 'commander';
import type { CliContext } from '../context.js';
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
      const { settings, printer } = new Invocation(context, command);
      for (const warning of settings.warnings) await printer.note(`warning: ${warning}`);
      await context.startServer(settings);
    });
}
