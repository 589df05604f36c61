/** `headrace flush`: waits until what was written is in the UFS. */
import type { Command } from 'commander';
import type { FlushProgress, FlushResult } from '../../engine/admin-service.js';
import type { FlushRequest } from '../../engine/persist-barrier.js';
import { CliFailure, type CliContext } from '../context.js';
import { durationOption, examples, Invocation, pathArgument } from '../invocation.js';
import { formatBytes, formatTime, type Printer } from '../printer.js';

interface FlushOptions {
  readonly key?: boolean;
  readonly upToOffset?: string;
  readonly timeout?: number;
}

export function addFlushCommand(program: Command, context: CliContext): void {
  program
    .command('flush')
    .description('wait until everything that is written by now, or what is named, is in the UFS')
    .argument(
      '[path]',
      '/<bucket>[/<prefix>] or s3://<bucket>[/<prefix>]; everything unless given',
      pathArgument,
    )
    .option('--key', 'the path is one key, not a prefix')
    .option(
      '--up-to-offset <offset>',
      'wait for what stands in the log up to here: the x-headrace-offset of a write, <partition>:<offset>',
    )
    .option('--timeout <duration>', 'give up when it is not done by then, as in 30s or 5min', durationOption)
    .addHelpText(
      'after',
      `${examples(
        'flush',
        'flush s3://bucket/checkpoints/epoch-7/ --timeout 10min',
        'flush s3://bucket/model.pt --key --json',
        'flush --up-to-offset 1:184467',
      )}\n\nExit codes: 0 all is in the UFS; 4 time is up; 5 the UFS refused some of it for good (they are named).`,
    )
    .action(async (path: string | undefined, options: FlushOptions, command: Command) => {
      const { client, printer } = new Invocation(context, command);
      const result = await client.flush(requestOf(path ?? '/', options), (progress) => {
        void printer.progress(describe(progress, printer));
      });
      await printer.progress('');
      if (printer.json) await printer.value(result);
      else await printResult(path ?? '/', options, result, printer);
      refuseUnlessPersisted(result);
    });
}

function requestOf(path: string, { key, upToOffset, timeout }: FlushOptions): FlushRequest {
  return {
    path,
    ...(key === undefined ? {} : { exact: key }),
    ...(upToOffset === undefined ? {} : { upToOffset }),
    ...(timeout === undefined ? {} : { timeoutMs: timeout }),
  };
}

async function printResult(
  path: string,
  { key }: FlushOptions,
  result: FlushResult,
  printer: Printer,
): Promise<void> {
  if (result.isEmpty === true)
    await printer.text(
      `nothing to wait for: ${key === true ? 'there is no object' : 'there are no objects below'} s3:/${path}`,
    );
  else if (result.outcome === 'PERSISTED') {
    const { persistedObjects, persistedBytes, elapsedMs } = result;
    await printer.text(
      `everything is in the UFS: ${persistedObjects} objects (${formatBytes(persistedBytes)}) since the call, in ${seconds(elapsedMs)}`,
    );
  }
  await printer.table(
    result.blocked.map(({ bucket, key, cause, message }) => [`/${bucket}/${key}`, cause, message]),
    result.blocked.length === 0 ? undefined : ['BLOCKED', 'CAUSE', 'LAST ERROR'],
  );
}

/** The exit code is the point of a barrier in a script. */
function refuseUnlessPersisted(result: FlushResult): void {
  const { objects, bytes, blockedObjects, elapsedMs, oldest } = result;
  if (result.outcome === 'TIMEOUT') {
    const reason = oldest === undefined ? '' : `; the oldest is /${oldest.bucket}/${oldest.key}`;
    const cause = oldest?.message === undefined ? '' : `, whose last error is: ${oldest.message}`;
    throw new CliFailure(
      'TIMEOUT',
      `after ${seconds(elapsedMs)} ${objects} objects (${formatBytes(bytes)}) are not in the UFS yet${reason}${cause}`,
    );
  }
  if (result.outcome === 'BLOCKED')
    throw new CliFailure(
      'BLOCKED',
      `the UFS refused ${blockedObjects} objects for good; everything else is there: see \`headrace async-persist list\``,
    );
}

function describe(progress: FlushProgress, printer: Printer): string {
  const { objects, bytes, blockedObjects, counting, oldest } = progress;
  const parts = [`${objects}${counting ? '+' : ''} objects left (${formatBytes(bytes)})`];
  if (oldest !== undefined) parts.push(`the oldest for ${printer.age(oldest.sinceMs)}`);
  if (blockedObjects > 0) parts.push(`${blockedObjects} blocked`);
  if (oldest?.cause !== undefined) {
    const next =
      oldest.nextAttemptAtMs === undefined ? '' : `, next try ${formatTime(oldest.nextAttemptAtMs)}`;
    parts.push(`${oldest.cause}${next}`);
  }
  return parts.join(', ');
}

function seconds(durationMs: number): string {
  return `${(durationMs / 1000).toFixed(1)} s`;
}
