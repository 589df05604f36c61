/** What one run of a command has at hand: its options, the effective settings, the server to talk to, the printer. */
import { InvalidArgumentError, Option, type Command } from 'commander';
import { loadSettings, type Settings } from '../settings/settings.js';
import type { FlagSetting } from '../settings/sources.js';
import { isErrorCode } from '../core/errors.js';
import { parseDuration } from '../core/quantities.js';
import { SETTING_NAMES, SETTINGS } from '../settings/table.js';
import { AdminClient } from './admin-client.js';
import { CliFailure, EXIT_USAGE, type CliContext, type LogReader, type OfflineLog } from './context.js';
import { authorizationOf, authorized, type CredentialOptions } from './credentials.js';
import { Printer } from './printer.js';

interface GlobalOptions extends CredentialOptions {
  readonly config?: string;
  readonly endpoint?: string;
  readonly json?: boolean;
  readonly set?: readonly FlagSetting[];
}

/** Options that every command has. */
export function addGlobalOptions(program: Command): void {
  program
    .option(
      '--config <file>',
      'settings file (default: $HEADRACE_CONFIG, else ./headrace.yaml when it is there)',
    )
    .option('--set <key=value>', 'any setting, may be repeated; see `headrace conf list`', collectSetting)
    .option('--endpoint <url>', 'admin API of the server (default: from the settings)')
    .option('--access-key-id <id>', 'access key of a user with admin:* (default: $HEADRACE_ACCESS_KEY_ID)')
    .option(
      '--secret-access-key <secret>',
      'its secret; better $HEADRACE_SECRET_ACCESS_KEY, which other users do not see',
    )
    .option('--json', 'print JSON; errors too, on standard error');
  for (const { option } of settingOptions()) program.addOption(option);
}

/** The settings that have a flag of their own. */
function settingOptions(): { option: Option; key: string }[] {
  return SETTING_NAMES.flatMap((name) => {
    const { flag, key, description, defaultText } = SETTINGS[name];
    if (flag === undefined) return [];
    return [{ option: new Option(`${flag} <value>`, `${description} (default: ${defaultText})`), key }];
  });
}

/** What `--timeout` was parsed to: a class, so that a command's own option of that name is told from it. */
class RequestTimeout {
  readonly timeoutMs: number;

  constructor(timeoutMs: number) {
    this.timeoutMs = timeoutMs;
  }
}

/**
 * Gives every command below `program` the option `--timeout`, unless it has one of its own. Not a global option, because those are
 * taken from the command line before the options of commands.
 */
export function addTimeoutOptions(program: Command): void {
  for (const command of program.commands) {
    addTimeoutOptions(command);
    const own = command.options.some((option) => option.long === '--timeout');
    if (command.commands.length > 0 || own) continue;
    command.option(
      '--timeout <duration>',
      'give up when it is not done by then, as in 30s or 5min',
      (text) => new RequestTimeout(durationOption(text)),
    );
  }
}

function collectSetting(text: string, previous: readonly FlagSetting[] = []): FlagSetting[] {
  const at = text.indexOf('=');
  if (at < 1) throw new InvalidArgumentError('Write --set KEY=VALUE.');
  return [...previous, { key: text.slice(0, at).trim(), text: text.slice(at + 1), flag: '--set' }];
}

export class Invocation {
  readonly context: CliContext;
  readonly printer: Printer;
  readonly #options: GlobalOptions;
  readonly #flags: readonly FlagSetting[];
  readonly #deadline: AbortSignal | undefined;
  #settings: Settings | undefined;

  constructor(context: CliContext, command: Command) {
    const options = command.optsWithGlobals<GlobalOptions & Record<string, unknown>>();
    this.context = context;
    this.#options = options;
    this.printer = new Printer(context, options.json ?? false);
    const own = settingOptions().flatMap(({ option, key }) => {
      const text = options[option.attributeName()];
      return typeof text === 'string' ? [{ key, text, flag: option.long ?? '' }] : [];
    });
    this.#flags = [...(options.set ?? []), ...own];
    const timeout: unknown = command.opts()['timeout'];
    if (timeout instanceof RequestTimeout) this.#deadline = context.abortAfter?.(timeout.timeoutMs);
  }

  /** Read when first asked for. Throws `INVALID_SETTING`. */
  get settings(): Settings {
    this.#settings ??= loadSettings({
      env: this.context.env,
      flags: this.#flags,
      configPath: this.#options.config,
      readText: this.context.readText,
    });
    return this.#settings;
  }

  get client(): AdminClient {
    return this.clientUntil(this.context.signal);
  }

  /** A client whose requests all end when the signal aborts. */
  clientUntil(signal: AbortSignal | undefined): AdminClient {
    const endpoint = this.#endpoint();
    const authorization = authorizationOf(
      this.context,
      this.#options,
      endpoint,
      () => this.settings.dataDirectory,
    );
    const fetch = authorized(this.context.fetch, authorization);
    return new AdminClient(endpoint, fetch, { stop: signal, deadline: this.#deadline });
  }

  /**
   * Reads the log through the server, or from the data directory: when none runs and none was named, or when `--data-dir` names
   * one, which may be a copy of the server's.
   */
  async withLog(use: (log: LogReader) => Promise<void>): Promise<void> {
    const { client, context } = this;
    const named = this.#flags.some(({ flag }) => flag === SETTINGS.dataDirectory.flag);
    if (named && this.#options.endpoint === undefined && context.openOffline !== undefined)
      return this.#withOfflineLog(context.openOffline, use);
    try {
      await client.logHead();
    } catch (error) {
      const noServer = error instanceof CliFailure && error.code === 'NO_SERVER';
      if (!noServer || this.#options.endpoint !== undefined || context.openOffline === undefined) throw error;
      await this.printer.note(
        `no server at ${client.endpoint}: reading ${this.settings.dataDirectory} itself`,
      );
      return this.#withOfflineLog(context.openOffline, use);
    }
    return use(client);
  }

  /**
   * Asks for a state that is past: the server that was named, or else the data directory, with a server that runs on it or without; where
   * there is no data directory, the server of the settings.
   */
  async withPast(
    directory: (log: OfflineLog) => Promise<void>,
    server: (client: AdminClient) => Promise<void>,
  ): Promise<void> {
    const { openOffline } = this.context;
    if (openOffline === undefined || this.#options.endpoint !== undefined) return server(this.client);
    const named = this.#flags.some(({ flag }) => flag === SETTINGS.dataDirectory.flag);
    let offline: OfflineLog;
    try {
      offline = await openOffline(this.settings);
    } catch (error) {
      if (named || !isErrorCode(error, 'DATA_DIRECTORY_UNUSABLE')) throw error;
      const { client } = this;
      // Without a server either, what is wrong with the directory says more.
      await client.logHead().catch((failure: unknown) => {
        throw failure instanceof CliFailure && failure.code === 'NO_SERVER' ? error : failure;
      });
      await this.printer.note(
        `no log in ${this.settings.dataDirectory}: asking the server at ${client.endpoint}`,
      );
      return server(client);
    }
    try {
      await directory(offline);
    } finally {
      await offline.close();
    }
  }

  async #withOfflineLog(
    open: NonNullable<CliContext['openOffline']>,
    use: (log: OfflineLog) => Promise<void>,
  ): Promise<void> {
    const offline = await open(this.settings);
    try {
      await use(offline);
    } finally {
      await offline.close();
    }
  }

  #endpoint(): string {
    const { endpoint } = this.#options;
    if (endpoint === undefined) return endpointOf(this.settings);
    if (!/^https?:\/\//.test(endpoint) || !URL.canParse(endpoint))
      throw new CliFailure(
        'INVALID_ARGUMENT',
        `--endpoint ${endpoint} is not a URL: write it as http://127.0.0.1:19999`,
        EXIT_USAGE,
      );
    return endpoint.replace(/\/+$/, '');
  }
}

/** Where a server with these settings is reached from the same machine. */
export function endpointOf({ adminHost, adminPort }: Settings): string {
  const host = adminHost === '0.0.0.0' ? '127.0.0.1' : adminHost === '::' ? '::1' : adminHost;
  return `http://${host.includes(':') ? `[${host}]` : host}:${adminPort}`;
}

/** A parser of options that take an integer. */
export function integerOption(least: number): (text: string) => number {
  return (text) => {
    const value = /^-?\d{1,15}$/.test(text) ? Number(text) : Number.NaN;
    if (value >= least) return value;
    throw new InvalidArgumentError(`It must be an integer, at least ${least}.`);
  };
}

/** A parser of options that take a duration; whole milliseconds. */
export function durationOption(text: string): number {
  const durationMs = parseDuration(text);
  if (durationMs !== undefined && durationMs > 0) return durationMs;
  throw new InvalidArgumentError('It must be a time with a unit, such as 500ms, 30s or 5min.');
}

/** `/bucket/key`, or the same as `s3://bucket/key`. */
export function pathArgument(text: string): string {
  if (text.startsWith('s3://')) return text.slice('s3:/'.length);
  if (text.startsWith('/')) return text;
  throw new InvalidArgumentError('Write it as /<bucket>/<key> or s3://<bucket>/<key>.');
}

/** `/bucket/key` taken apart; for commands about one object. */
export function objectArgument(text: string): { bucket: string; key: string } {
  const match = /^\/([^/]+)\/(.+)$/s.exec(pathArgument(text));
  if (match === null)
    throw new InvalidArgumentError('It must name an object: /<bucket>/<key> or s3://<bucket>/<key>.');
  return { bucket: match[1] ?? '', key: match[2] ?? '' };
}

/** Text behind a command's help. */
export function examples(...lines: readonly string[]): string {
  return `\nExamples:\n${lines.map((line) => `  $ headrace ${line}`).join('\n')}`;
}
