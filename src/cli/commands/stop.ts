/** `headrace stop`: ends a server in good order. */
import type { Command } from 'commander';
import type { FlushProgress } from '../../engine/admin-service.js';
import { CliFailure, type CliContext } from '../context.js';
import { durationOption, examples, Invocation } from '../invocation.js';
import { formatBytes } from '../printer.js';

export function addStopCommand(program: Command, context: CliContext): void {
  program
    .command('stop')
    .description('stop the server: it takes no more requests, finishes those in progress, and ends')
    .option(
      '--drain-timeout <duration>',
      'first wait so long for everything to be in the UFS (default: shutdown.drain.timeout)',
      durationOption,
    )
    .addHelpText(
      'after',
      `${examples('stop', 'stop --drain-timeout 10min')}\n\nExit codes: 4 when the drain's time was up, 5 when the UFS refused some objects; the server stops all the same.`,
    )
    .action(async ({ drainTimeout }: { drainTimeout?: number }, command: Command) => {
      const { client, printer } = new Invocation(context, command);
      const report = await client.stop(
        drainTimeout === undefined ? {} : { drainTimeoutMs: drainTimeout },
        (progress) => void printer.progress(describe(progress)),
      );
      await printer.progress('');
      const { drain } = report;
      if (printer.json) await printer.value(report);
      else if (drain?.outcome === 'PERSISTED')
        await printer.text('everything is in the UFS; the server is closing');
      else if (drain === undefined) await printer.text('the server is closing');
      if (drain?.outcome === 'TIMEOUT')
        throw new CliFailure(
          'TIMEOUT',
          `the server is closing with ${drain.objects} objects (${formatBytes(drain.bytes)}) that are not in the UFS: they go on after the next start`,
        );
      if (drain?.outcome === 'BLOCKED')
        throw new CliFailure(
          'BLOCKED',
          `the server is closing with ${drain.blockedObjects} objects that the UFS refused for good; everything else is there`,
        );
    });
}

function describe({ objects, bytes }: FlushProgress): string {
  return `draining: ${objects} objects left (${formatBytes(bytes)})`;
}
