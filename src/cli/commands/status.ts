/** `headrace status` */
import type { Command } from 'commander';
import type { EngineStatus, LatencySummary, LogBackendStatus, LogHead } from '../../engine/admin-service.js';
import type { CliContext } from '../context.js';
import { examples, Invocation } from '../invocation.js';
import { formatBytes, formatTime, type Printer } from '../printer.js';

export function addStatusCommand(program: Command, context: CliContext): void {
  program
    .command('status')
    .description('show what the server holds, what is pending, and where its log stands')
    .addHelpText('after', examples('status', 'status --endpoint http://10.0.0.5:19999 --json'))
    .action(async (_options: object, command: Command) => {
      const { client, printer } = new Invocation(context, command);
      const status = await client.status();
      if (printer.json) return printer.value(status);
      await printer.table(rows(status, printer));
    });
}

function rows(status: EngineStatus, printer: Printer): string[][] {
  const { usedBytes, capacityBytes, pinnedBytes, pinnedLimitBytes, oldestPendingMs } = status;
  const oldest = oldestPendingMs === undefined ? '' : ` (the oldest for ${printer.age(oldestPendingMs)})`;
  return [
    ['version', `${status.version}, started ${formatTime(status.startedMs)} UTC`],
    ['data', status.dataDirectory],
    ['ufs', status.ufs],
    ['used', share(usedBytes, capacityBytes)],
    ['pinned', share(pinnedBytes, pinnedLimitBytes)],
    ...status.budgets.map((budget) => [`  ${budget.rule}`, share(budget.pinnedBytes, budget.limitBytes)]),
    ['objects', `${status.objects}`],
    ['pending', `${status.pendingObjects}${oldest}`],
    ['quarantined', `${status.quarantinedObjects}`],
    ['open writes', `${status.openWrites}`],
    ...status.log.map((head) => ['log', describeHead(head)]),
    ...(status.logBackend === undefined ? [] : describeBackend(status.logBackend)),
  ];
}

function share(partBytes: number, wholeBytes: number): string {
  const percent = wholeBytes === 0 ? 0 : (100 * partBytes) / wholeBytes;
  return `${formatBytes(partBytes)} of ${formatBytes(wholeBytes)} (${percent.toFixed(1)} %)`;
}

function describeHead({ partition, epoch, oldestOffset, durableOffset, checkpointOffset }: LogHead): string {
  return `partition ${partition}: durable to ${durableOffset}, kept from ${oldestOffset}, checkpoint ${checkpointOffset}, epoch ${epoch}`;
}

function describeBackend({ description, reads, commits, errors }: LogBackendStatus): string[][] {
  const failed = Object.entries(errors).map(([code, count]) => `${count} with ${code}`);
  return [
    ['log is in', description],
    ['  reads', describeLatency(reads)],
    ['  commits', describeLatency(commits)],
    ...(failed.length === 0 ? [] : [['  failed', failed.join(', ')]]),
  ];
}

function describeLatency({ count, meanMs, p99Ms }: LatencySummary): string {
  return count === 0 ? 'none' : `${count}, ${meanMs.toFixed(1)} ms on average, 99 % within ${p99Ms} ms`;
}
