/** `headrace async-persist retry|discard|export`: what an operator does with what does not reach the UFS. */
import { createHash } from 'node:crypto';
import { Option, type Command } from 'commander';
import type { PersistEntry, PersistPhase } from '../../engine/admin-service.js';
import type { DiscardedPersist } from '../../engine/persist-service.js';
import { CliFailure, EXIT_USAGE, type CliContext } from '../context.js';
import { examples, integerOption, Invocation, pathArgument } from '../invocation.js';
import { formatBytes, formatTime, printable, type Printer } from '../printer.js';

const OBJECT_PATH = '/<bucket>/<key> or s3://<bucket>/<key>';
const PREFIX_PATH = '/<bucket>/<prefix> or s3://<bucket>/<prefix>';
/** What can fail, and so be tried again. */
const FAILED_PHASES: readonly PersistPhase[] = ['WAITING', 'QUARANTINED'];
/** Longest file name, in characters that take one byte each. */
const FILE_NAME_CHARACTERS_MAX = 200;
const DIGEST_CHARACTERS = 16;

interface RetryOptions {
  readonly path?: string;
  readonly prefix?: string;
  readonly all?: boolean;
  readonly state?: PersistPhase;
  readonly cause?: string;
}

export function addRetryCommand(persist: Command, context: CliContext): void {
  persist
    .command('retry')
    .description('try at once what failed or is quarantined, as if it had never failed')
    .option('--path <path>', `one object, ${OBJECT_PATH}`, pathArgument)
    .option('--prefix <path>', `everything below ${PREFIX_PATH}`, pathArgument)
    .option('--all', 'everything')
    .addOption(new Option('--state <phase>', 'of a prefix or of all: only these').choices(FAILED_PHASES))
    .option('--cause <code>', 'of a prefix or of all: only what failed so, as UFS_DENIED')
    .addHelpText(
      'after',
      examples(
        'async-persist retry --path s3://bucket/model.pt',
        'async-persist retry --all --state QUARANTINED',
        'async-persist retry --prefix s3://bucket/ --cause UFS_DENIED',
      ),
    )
    .action(async (options: RetryOptions, command: Command) => {
      const { client, printer } = new Invocation(context, command);
      const { path, prefix, all, state, cause } = options;
      if ([path, prefix, all].filter((given) => given !== undefined).length !== 1)
        throw new CliFailure('INVALID_ARGUMENT', 'say what: one of --path, --prefix and --all', EXIT_USAGE);
      const result = await client.retryPersists({
        path: path ?? prefix ?? '/',
        ...(path === undefined ? {} : { exact: true }),
        ...(state === undefined ? {} : { state }),
        ...(cause === undefined ? {} : { cause }),
      });
      if (printer.json) return printer.value(result);
      await printer.text(
        result.retried === 1 ? '1 object is tried again' : `${result.retried} objects are tried again`,
      );
    });
}

interface DiscardOptions {
  readonly path: string;
  readonly objectVersion?: number;
  readonly reason: string;
  readonly yes?: boolean;
}

export function addDiscardCommand(persist: Command, context: CliContext): void {
  persist
    .command('discard')
    .description('give up what is not persisted of one object: its bytes are lost for good')
    .requiredOption('--path <path>', OBJECT_PATH, pathArgument)
    .requiredOption('--reason <text>', 'why: it is kept in the log')
    .option(
      '--object-version <number>',
      'only if this is still the version, as `list --json` tells it',
      integerOption(0),
    )
    .option('--yes', 'do it; without it you are told what would be lost')
    .addHelpText(
      'after',
      examples(
        'async-persist discard --path s3://bucket/old.pt --reason "superseded by run 18"',
        'async-persist discard --path s3://bucket/old.pt --reason "superseded by run 18" --yes',
      ),
    )
    .action(async (options: DiscardOptions, command: Command) => {
      const { client, printer } = new Invocation(context, command);
      const { path, reason, objectVersion, yes } = options;
      if (yes !== true) {
        const entry = (await client.objectStat(path)).persist;
        if (entry === undefined)
          throw new CliFailure('NO_SUCH_KEY', `${path} has nothing that waits to be persisted`);
        throw new CliFailure('NOT_CONFIRMED', `${wouldLose(path, entry)}: add --yes to do it`, EXIT_USAGE);
      }
      const version = objectVersion === undefined ? {} : { version: objectVersion };
      const lost = await client.discardPersist({ path, reason, confirm: true, ...version });
      if (printer.json) return printer.value(lost);
      await printer.text(printable(describeLoss(path, lost)));
    });
}

function wouldLose(path: string, { kind, size, version, sinceMs }: PersistEntry): string {
  const since = `${formatTime(sinceMs)} UTC`;
  return kind === 'delete'
    ? `the delete of ${path} (version ${version}, ${since}) would be given up, and the object in the UFS would be back`
    : `version ${version} of ${path} (${formatBytes(size)}, written ${since}) would be lost for good; ` +
        'the UFS does not have it (`async-persist export` saves the bytes)';
}

function describeLoss(path: string, lost: DiscardedPersist): string {
  const what =
    lost.kind === 'delete'
      ? `gave up the delete of ${path} (version ${lost.version})`
      : `gave up version ${lost.version} of ${path}: ${formatBytes(lost.size)}, ETag ${lost.etag}, ` +
        `written ${formatTime(lost.lastModifiedMs)} UTC`;
  if (lost.ufs === 'ABSENT') return `${what}; there is no such object any more`;
  if (lost.ufs === 'UNKNOWN') return `${what}; the UFS does not answer, so what readers get now is not known`;
  return `${what}; readers get what the UFS holds: ${formatBytes(lost.ufs.size)}, ETag ${lost.ufs.etag}`;
}

interface ExportOptions {
  readonly path?: string;
  readonly prefix?: string;
  readonly state?: PersistPhase;
  readonly to: string;
  readonly force?: boolean;
}

/** One line of the manifest beside exported files. */
interface Exported {
  readonly file: string;
  readonly bucket: string;
  readonly key: string;
  readonly [name: string]: unknown;
}

export function addExportCommand(persist: Command, context: CliContext): void {
  persist
    .command('export')
    .description('save un-persisted bytes to local files')
    .option('--path <path>', `one object, ${OBJECT_PATH}, to a file`, pathArgument)
    .option('--prefix <path>', `everything below ${PREFIX_PATH}, to a directory`, pathArgument)
    .addOption(new Option('--state <phase>', 'of a prefix: only these').choices(FAILED_PHASES))
    .requiredOption('--to <place>', 'the file; or the directory, which gets a file each and a manifest.jsonl')
    .option('--force', 'replace files that are there')
    .addHelpText(
      'after',
      examples(
        'async-persist export --path s3://bucket/model.pt --to ./model.pt',
        'async-persist export --prefix / --state QUARANTINED --to ./rescued',
      ),
    )
    .action(async (options: ExportOptions, command: Command) => {
      const invocation = new Invocation(context, command);
      const { path, prefix } = options;
      if ((path === undefined) === (prefix === undefined))
        throw new CliFailure('INVALID_ARGUMENT', 'say what: either --path or --prefix', EXIT_USAGE);
      const rescue = new Rescue(invocation, options.force ?? false);
      if (path !== undefined) return rescue.one(path, options.to);
      await rescue.all({ path: prefix, state: options.state }, options.to);
    });
}

class Rescue {
  readonly #invocation: Invocation;
  readonly #printer: Printer;
  readonly #replace: boolean;

  constructor(invocation: Invocation, replace: boolean) {
    this.#invocation = invocation;
    this.#printer = invocation.printer;
    this.#replace = replace;
  }

  async one(path: string, file: string): Promise<void> {
    const saved = await this.#save(path, file);
    if (this.#printer.json) return this.#printer.value(saved);
    await this.#printer.text(printable(`saved ${path} to ${file}`));
  }

  /** Goes on behind what cannot be saved, and fails in the end. */
  async all(
    filter: { readonly path: string | undefined; readonly state: PersistPhase | undefined },
    directory: string,
  ): Promise<void> {
    const saved: Exported[] = [];
    const failed: string[] = [];
    for await (const page of this.#invocation.client.persistPages(filter)) {
      for (const { bucket, key, kind } of page) {
        if (kind === 'delete') continue;
        const path = `/${bucket}/${key}`;
        try {
          saved.push(await this.#save(path, `${directory}/${fileNameOf(bucket, key)}`));
          await this.#printer.progress(`${saved.length} saved, ${failed.length} failed`);
        } catch (error) {
          // Persisted or overwritten meanwhile: there is nothing to rescue any more.
          if (error instanceof CliFailure && error.code === 'NO_SUCH_KEY') continue;
          failed.push(path);
          await this.#printer.note(`${path}: ${error instanceof Error ? error.message : String(error)}`);
        }
      }
    }
    await this.#printer.progress('');
    const lines = saved.map((one) => `${JSON.stringify(one)}\n`).join('');
    await this.#write(`${directory}/manifest.jsonl`, [Buffer.from(lines)], true);
    if (this.#printer.json) await this.#printer.value({ saved: saved.length, failed });
    else await this.#printer.text(printable(`saved ${saved.length} objects to ${directory}`));
    if (failed.length > 0)
      throw new CliFailure('EXPORT_INCOMPLETE', `${failed.length} objects could not be saved`);
  }

  async #save(path: string, file: string): Promise<Exported> {
    const { object, bytes } = await this.#invocation.client.exportPersist(path);
    const sizeBytes = await this.#write(file, bytes, this.#replace);
    if (sizeBytes !== object.size)
      throw new CliFailure('INCOMPLETE_BODY', `${file} has ${sizeBytes} of ${object.size} bytes`);
    return { file, ...object };
  }

  #write(
    file: string,
    pieces: AsyncIterable<Uint8Array> | Iterable<Uint8Array>,
    replace: boolean,
  ): Promise<number> {
    const { writeBytes } = this.#invocation.context;
    if (writeBytes === undefined) throw new CliFailure('NOT_SUPPORTED', 'files cannot be written here');
    return writeBytes(file, asyncOf(pieces), { replace });
  }
}

async function* asyncOf(
  pieces: AsyncIterable<Uint8Array> | Iterable<Uint8Array>,
): AsyncGenerator<Uint8Array, void, undefined> {
  yield* pieces;
}

/** One flat, portable name per object; a long one is cut and told apart by a digest. The manifest has the keys. */
function fileNameOf(bucket: string, key: string): string {
  const name = encodeURIComponent(`${bucket}/${key}`).replace(/^\./, '%2E').replaceAll('*', '%2A');
  if (name.length <= FILE_NAME_CHARACTERS_MAX) return name;
  const digest = createHash('sha256').update(`${bucket}/${key}`).digest('hex').slice(0, DIGEST_CHARACTERS);
  return `${name.slice(0, FILE_NAME_CHARACTERS_MAX - DIGEST_CHARACTERS - 1)}~${digest}`;
}
