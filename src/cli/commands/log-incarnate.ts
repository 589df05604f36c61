/** `headrace log incarnate`: behind a restore of FoundationDB, before the first start. */
import type { Command } from 'commander';
import { CliFailure, type CliContext } from '../context.js';
import { examples, Invocation } from '../invocation.js';

export function addIncarnateCommand(log: Command, context: CliContext): void {
  log
    .command('incarnate')
    .description(
      'after a restore of FoundationDB, before the start: make this data directory and the restored log a history of their own',
    )
    .addHelpText('after', examples('log incarnate --data-dir /nvme/headrace'))
    .action(async (_options: object, command: Command) => {
      const { settings, printer } = new Invocation(context, command);
      if (context.incarnateLog === undefined)
        throw new CliFailure('NOT_SUPPORTED', 'there is no access to a data directory from here');
      const incarnated = await context.incarnateLog(settings);
      if (printer.json) return printer.value(incarnated);
      await printer.note(
        `the log below ${incarnated.keyPrefix} is incarnation ${incarnated.incarnation} now, and so is ${settings.dataDirectory}: start its server`,
      );
    });
}
