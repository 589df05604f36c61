/** `headrace fs …`: the merged view of cache and UFS, and what the cache knows of one object. */
import type { Command } from 'commander';
import type { ObjectStat } from '../../engine/admin-service.js';
import type { CliContext } from '../context.js';
import { examples, integerOption, Invocation, pathArgument } from '../invocation.js';
import { formatBytes, formatTime, printable, type Printer } from '../printer.js';
import { addTreeCommands } from './fs-trees.js';

interface ListOptions {
  readonly recursive?: boolean;
  readonly limit?: number;
}

export function addFsCommand(program: Command, context: CliContext): void {
  const fs = program.command('fs').description('look at buckets and objects, and remove them');
  fs.command('ls')
    .description('list a directory: state, size, time of the last change (UTC), path')
    .argument('[path]', '/<bucket>/<prefix> or s3://<bucket>/<prefix>', pathArgument, '/')
    .option('-R, --recursive', 'also everything below')
    .option('--limit <count>', 'stop after so many entries', integerOption(1))
    .addHelpText('after', examples('fs ls', 'fs ls /bucket/dir/', 'fs ls -R s3://bucket/ --json'))
    .action(async (path: string, options: ListOptions, command: Command) => {
      const { client, printer } = new Invocation(context, command);
      let left = options.limit ?? Number.POSITIVE_INFINITY;
      for await (const page of client.listPages(path, options.recursive ?? false)) {
        for (const entry of page.slice(0, left)) {
          if (printer.json) await printer.jsonLine(entry);
          else {
            const state = entry.directory ? 'DIRECTORY' : entry.persisted ? 'PERSISTED' : 'NOT_PERSISTED';
            const size = entry.directory ? '-' : formatBytes(entry.size);
            const time = entry.directory ? '-' : formatTime(entry.lastModifiedMs);
            const paddedState =
              entry.persisted || entry.directory ? state.padEnd(13) : printer.paint(state, 'yellow');
            await printer.text(
              `${paddedState}  ${size.padStart(10)}  ${time.padEnd(19)}  ${printable(entry.path)}`,
            );
          }
        }
        left -= page.length;
        if (left <= 0) return;
      }
    });
  fs.command('stat')
    .description('show what the cache holds of an object, and whether the UFS has it')
    .argument('<path>', '/<bucket>/<key> or s3://<bucket>/<key>', pathArgument)
    .addHelpText('after', examples('fs stat s3://bucket/key'))
    .action(async (path: string, _options: object, command: Command) => {
      const { client, printer } = new Invocation(context, command);
      const stat = await client.objectStat(path);
      if (printer.json) return printer.value(stat);
      await printer.table(statRows(stat, printer));
    });
  addTreeCommands(fs, context);
}

/** Also what `async-persist stat` shows. */
export function statRows(stat: ObjectStat, printer: Printer): string[][] {
  const { persist } = stat;
  const rows = [
    ['path', `/${stat.bucket}/${stat.key}`],
    ['state', stat.state],
    ['policy', stat.policy],
    ...(stat.ack === undefined ? [] : [['ack', stat.ack]]),
    ...(stat.offset === undefined ? [] : [['offset', stat.offset]]),
    ['version', `${stat.version}`],
    ['size', `${formatBytes(stat.size)} (${stat.size} bytes)`],
    ['etag', stat.etag],
    ['modified', `${formatTime(stat.lastModifiedMs)} UTC`],
  ];
  if (stat.ufs !== undefined)
    rows.push([
      stat.ufs.present ? 'in the ufs' : 'goes to',
      `${stat.ufs.store}, ${stat.ufs.bucket}/${stat.ufs.key} (mount ${stat.ufs.mount})`,
    ]);
  if (stat.ufsEtag !== undefined) rows.push(['ufs etag', stat.ufsEtag]);
  if (persist !== undefined) {
    rows.push(['persist', `${persist.phase} since ${printer.age(persist.sinceMs)}`]);
    rows.push(['attempts', `${persist.attempt}`]);
    if (persist.nextAttemptAtMs !== undefined)
      rows.push(['next attempt', `${formatTime(persist.nextAttemptAtMs)} UTC`]);
    if (persist.cause !== undefined) rows.push(['cause', persist.cause]);
    if (persist.message !== undefined) rows.push(['last error', persist.message]);
  }
  for (const extent of stat.extents)
    rows.push([
      'extent',
      `segment ${extent.segment} at ${extent.position}, ${extent.size} bytes, ${extent.checksum}`,
    ]);
  return rows;
}
