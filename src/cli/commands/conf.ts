/** `headrace conf get|list`: the settings as this command line, environment and file give them. */
import type { Command } from 'commander';
import { describeSetting } from '../../settings/settings.js';
import { settingsDocument } from '../../settings/settings-document.js';
import { CliFailure, EXIT_USAGE, type CliContext } from '../context.js';
import { examples, Invocation } from '../invocation.js';

interface ListOptions {
  readonly running?: boolean;
  readonly markdown?: boolean;
}

export function addConfCommand(program: Command, context: CliContext): void {
  const conf = program.command('conf').description('show settings');
  conf
    .command('get')
    .argument('<key>', 'a key, also with `alluxio.` in front')
    .description('print the value of one setting')
    .addHelpText('after', examples('conf get write.cache.enabled', 'conf get s3.port --json'))
    .action(async (key: string, _options: object, command: Command) => {
      const { settings, printer } = new Invocation(context, command);
      const description = describeSetting(settings, key);
      if (printer.json) return printer.value(description);
      await printer.table([[description.value]]);
    });
  conf
    .command('list')
    .description('print every setting with its value, default and source')
    .option('--running', 'those of the running server instead')
    .option('--markdown', 'print the documentation of all settings (docs/settings.md)')
    .addHelpText(
      'after',
      examples('conf list', 'conf list --config headrace.yaml --json', 'conf list --running'),
    )
    .action(async (options: ListOptions, command: Command) => {
      const { settings, client, printer } = new Invocation(context, command);
      if (options.markdown === true && options.running === true)
        throw new CliFailure(
          'INVALID_ARGUMENT',
          '--markdown is the same for every server: leave --running out',
          EXIT_USAGE,
        );
      if (options.markdown === true) return printer.text(settingsDocument().trimEnd());
      for (const warning of settings.warnings) await printer.note(`warning: ${warning}`);
      const descriptions = options.running === true ? await client.settings() : settings.describe();
      if (printer.json) return printer.value(descriptions);
      await printer.table(
        descriptions.map((setting) => [setting.key, setting.value, setting.default, setting.source]),
        ['KEY', 'VALUE', 'DEFAULT', 'SOURCE'],
      );
    });
}
