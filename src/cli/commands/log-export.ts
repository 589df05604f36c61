/** `headrace log export`: a slice of the log in a file, to be replayed elsewhere. */
import type { Command } from 'commander';
import type { ExportRequest } from '../../engine/inspection/log-inspection.js';
import { CliFailure, EXIT_USAGE, type CliContext } from '../context.js';
import { examples, integerOption, Invocation } from '../invocation.js';
import { formatBytes, printable, type Printer } from '../printer.js';

const SALT_BYTES = 16;

interface ExportOptions {
  readonly output: string;
  readonly from?: number;
  readonly to?: number;
  readonly bucket?: string;
  readonly prefix?: string;
  readonly hashKeys?: boolean;
  readonly salt?: string;
  readonly force?: boolean;
}

export function addExportCommand(log: Command, context: CliContext): void {
  log
    .command('export')
    .description('write a slice of the log to a file, without the bytes of objects, for log replay')
    .requiredOption('-o, --output <file>', 'the file to write')
    .option('--from <offset>', 'the first event (default: the oldest that is kept)', integerOption(0))
    .option('--to <offset>', 'the first event that is left out (default: the end)', integerOption(0))
    .option('--bucket <bucket>', 'only objects of this bucket')
    .option('--prefix <prefix>', 'only keys that start so; needs --bucket')
    .option('--hash-keys', 'hashes in the place of bucket and key names; no metadata, tags and documents')
    .option('--salt <hex>', 'what names are hashed with (default: random, and printed)')
    .option('--force', 'replace the file when it is there')
    .addHelpText(
      'after',
      examples(
        'log export -o incident.hrlog',
        'log export --from 4711 --to 9000 --bucket checkpoints -o incident.hrlog',
        'log export --hash-keys -o for-a-bug-report.hrlog',
      ),
    )
    .action(async (options: ExportOptions, command: Command) => {
      const invocation = new Invocation(context, command);
      const { output, force = false } = options;
      const request = requestOf(options, context);
      await invocation.withLog(async ({ inspection }) => {
        const { printer } = invocation;
        const pieces = counted(inspection.exportLog(request), printer);
        const { writeBytes } = context;
        if (writeBytes === undefined) throw new CliFailure('INTERNAL', 'no files can be written here');
        const sizeBytes = await writeBytes(output, pieces, { replace: force });
        await printer.progress('');
        const { salt } = request;
        if (printer.json)
          return printer.value({ file: output, sizeBytes, ...(salt === undefined ? {} : { salt }) });
        await printer.text(printable(`wrote ${formatBytes(sizeBytes)} to ${output}`));
        if (salt !== undefined) await printer.note(`names are hashed with the salt ${salt}`);
      });
    });
}

function requestOf(options: ExportOptions, context: CliContext): ExportRequest {
  const { from, to, bucket, prefix, hashKeys = false, salt } = options;
  if (prefix !== undefined && bucket === undefined)
    throw new CliFailure('INVALID_ARGUMENT', '--prefix needs --bucket', EXIT_USAGE);
  if (salt !== undefined && !hashKeys)
    throw new CliFailure('INVALID_ARGUMENT', '--salt is for --hash-keys: give both or none', EXIT_USAGE);
  if (salt !== undefined && !/^[0-9a-f]{8,128}$/.test(salt))
    throw new CliFailure(
      'INVALID_ARGUMENT',
      `--salt ${salt}: write 8 to 128 digits of 0-9 and a-f`,
      EXIT_USAGE,
    );
  const hashedWith = hashKeys ? (salt ?? randomSalt(context)) : undefined;
  return { from, to, bucket, prefix, salt: hashedWith };
}

function randomSalt({ randomBytes }: CliContext): string {
  if (randomBytes === undefined)
    throw new CliFailure('INTERNAL', 'there is no source of random numbers here');
  return Buffer.from(randomBytes(SALT_BYTES)).toString('hex');
}

/** How far it has come: its end is not known before. */
async function* counted(
  pieces: AsyncIterable<Uint8Array>,
  printer: Printer,
): AsyncGenerator<Uint8Array, void, undefined> {
  let bytes = 0;
  for await (const piece of pieces) {
    bytes += piece.length;
    void printer.progress(`${formatBytes(bytes)} written`);
    yield piece;
  }
}
