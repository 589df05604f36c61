/** `headrace job free|load|list|cancel` */
import { InvalidArgumentError, type Command } from 'commander';
import type { FreeResult } from '../../engine/admin-service.js';
import type { JobInfo } from '../../engine/job-service.js';
import { CliFailure, type CliContext } from '../context.js';
import { examples, integerOption, Invocation, pathArgument } from '../invocation.js';
import { createProgressBar } from '../progress-bar.js';
import { formatBytes } from '../printer.js';

export function addJobCommand(program: Command, context: CliContext): void {
  const job = program.command('job').description('run jobs on the server');
  job
    .command('free')
    .description('free persisted data and abandoned writes at once; never what the UFS does not have')
    .option('--path <path>', 'only below /<bucket>/<prefix>', pathArgument)
    .addHelpText('after', examples('job free', 'job free --path /bucket/old/'))
    .action(async ({ path }: { path?: string }, command: Command) => {
      const { client, printer } = new Invocation(context, command);
      let shown = false;
      const freed = await client.free(path, (progress) => {
        shown = true;
        void printer.progress(describe(progress));
      });
      if (shown) await printer.progress('');
      if (printer.json) return printer.value(freed);
      await printer.text(describe(freed));
    });
  addLoadCommand(job, context);
  job
    .command('list')
    .description('list the jobs that run, and the newest that have ended')
    .addHelpText('after', examples('job list', 'job list --json'))
    .action(async (_options: object, command: Command) => {
      const { client, printer } = new Invocation(context, command);
      const jobs = await client.jobs();
      if (printer.json) return printer.value(jobs);
      if (jobs.length === 0) return printer.text('there are no jobs');
      await printer.table(
        jobs.map((entry) => [
          entry.id,
          entry.kind,
          entry.state,
          printer.age(entry.startedMs),
          `${entry.objects}`,
          formatBytes(entry.bytes),
          entry.path,
          entry.message ?? '',
        ]),
        ['ID', 'KIND', 'STATE', 'STARTED', 'OBJECTS', 'BYTES', 'PATH', 'MESSAGE'],
      );
    });
  job
    .command('cancel')
    .description('end a job; what it did stays')
    .argument('<id>', 'as `job list` shows it', idArgument)
    .addHelpText('after', examples('job cancel 3'))
    .action(async (id: string, _options: object, command: Command) => {
      const { client, printer } = new Invocation(context, command);
      const ended = await client.cancelJob(id);
      if (printer.json) return printer.value(ended);
      await printer.text(`job ${ended.id} is ${ended.state}: ${describeLoad(ended)}`);
    });
}

function addLoadCommand(job: Command, context: CliContext): void {
  job
    .command('load')
    .description('take what only the UFS holds below a path into the cache; goes on after a restart')
    .argument('<path>', '/<bucket>[/<prefix>] or s3://<bucket>[/<prefix>]', pathArgument)
    .option('--concurrency <count>', 'objects at once (default: job.load.concurrency)', integerOption(1))
    .option('--detach', 'do not wait for its end')
    .addHelpText(
      'after',
      `${examples('job load s3://bucket/train/', 'job load /bucket/train/ --concurrency 32 --detach --json')}

Ctrl-C ends the wait and not the job: \`headrace job cancel ID\` does.`,
    )
    .action(async (path: string, options: { concurrency?: number; detach?: boolean }, command: Command) => {
      const { client, printer } = new Invocation(context, command);
      const { concurrency, detach } = options;
      const started = await client.startJob({
        kind: 'load',
        path,
        ...(concurrency === undefined ? {} : { concurrency }),
      });
      if (detach === true) {
        if (printer.json) return printer.value(started);
        return printer.text(`job ${started.id} runs: \`headrace job list\` shows how far it is`);
      }
      if (!printer.json) await printer.note(`job ${started.id} runs; Ctrl-C ends the wait, not the job`);
      const bar = createProgressBar(context, { unit: 'objects' });
      let ended: JobInfo;
      try {
        ended = await client.followJob(started.id, (progress) => {
          const done = progress.objects + progress.skippedObjects + progress.failedObjects;
          if (progress.totalObjects !== undefined) bar.update(done, progress.totalObjects);
        });
      } finally {
        bar.stop();
      }
      if (printer.json) await printer.value(ended);
      else await printer.text(describeLoad(ended));
      if (ended.state !== 'DONE')
        throw new CliFailure(
          'JOB_FAILED',
          `job ${ended.id} is ${ended.state}: ${ended.message ?? 'it did not end'}`,
        );
    });
}

function describeLoad({ objects, bytes, skippedObjects, failedObjects }: JobInfo): string {
  const failed = failedObjects === 0 ? '' : `; ${failedObjects} failed`;
  return `loaded ${formatBytes(bytes)} of ${objects} objects; ${skippedObjects} were there already${failed}`;
}

function idArgument(text: string): string {
  if (/^[0-9]{1,15}$/.test(text)) return text;
  throw new InvalidArgumentError('It must be the number of a job.');
}

function describe({ objects, bytes, abandonedWrites }: FreeResult): string {
  return `freed ${formatBytes(bytes)} of ${objects} persisted objects, and ${abandonedWrites} abandoned writes`;
}
