/** Runs command lines against a real admin server over loopback, with everything they print kept. */
import { createServer } from 'node:net';
import type { Test } from 'tap';
import { CliFailure, type CliContext, type ExitCode, type OfflineLog } from '../../src/cli/context.js';
import { runProgram } from '../../src/cli/program.js';
import { SILENT_LOGGER } from '../../src/core/logger.js';
import { createAdminServer } from '../../src/http/admin/admin-server.js';
import { loadSettings, type Settings } from '../../src/settings/settings.js';
import { MemoryAdminService, START_MS } from '../support/memory-admin-service.js';

export interface Run {
  readonly exitCode: ExitCode;
  readonly stdout: string;
  readonly stderr: string;
}

export interface RunOptions {
  readonly files?: Readonly<Record<string, string>>;
  /** Files of bytes: those that commands read, and what they wrote. */
  readonly binaries?: Map<string, Buffer>;
  readonly input?: string;
  readonly env?: Readonly<Record<string, string>>;
  readonly terminal?: boolean;
  readonly edit?: (text: string) => string | Promise<string>;
  readonly offline?: OfflineLog;
  /** In its place, for what goes wrong. */
  readonly openOffline?: NonNullable<CliContext['openOffline']>;
  readonly signal?: AbortSignal;
  readonly pause?: NonNullable<CliContext['pause']>;
  readonly onKey?: NonNullable<CliContext['onKey']>;
  /** Called with each piece of standard output. */
  readonly onOutput?: (text: string) => void;
  readonly startServer?: (settings: Settings) => Promise<void>;
  readonly openSimulator?: NonNullable<CliContext['openSimulator']>;
  readonly incarnateLog?: NonNullable<CliContext['incarnateLog']>;
}

/** An endpoint where nothing listens: a free port that was given back. */
export async function endpointWithoutServer(): Promise<string> {
  const server = createServer();
  await new Promise<void>((resolve) => void server.listen(0, '127.0.0.1', resolve));
  const address = server.address();
  await new Promise((resolve) => server.close(resolve));
  return `http://127.0.0.1:${typeof address === 'object' ? address?.port : ''}`;
}

export class CliFixture {
  readonly admin: MemoryAdminService;
  /** Stops the server. */
  readonly close: () => Promise<void>;
  readonly endpoint: string;
  /** Temporary files of the editor that were removed. */
  readonly discarded: string[] = [];
  readonly #port: string;

  private constructor(admin: MemoryAdminService, endpoint: string, close: () => Promise<void>) {
    this.admin = admin;
    this.close = close;
    this.endpoint = endpoint;
    this.#port = new URL(endpoint).port;
  }

  static async open(t: Test, options: { metrics?: () => string } = {}): Promise<CliFixture> {
    const admin = new MemoryAdminService();
    const settings = loadSettings({ env: {}, flags: [], readText: () => undefined });
    const text = options.metrics;
    const server = createAdminServer({
      admin,
      settings,
      logger: SILENT_LOGGER,
      ...(text === undefined ? {} : { metrics: { contentType: 'text/plain', metrics: async () => text() } }),
    });
    t.teardown(() => server.close());
    return new CliFixture(admin, await server.listen({ host: '127.0.0.1', port: 0 }), () => server.close());
  }

  /** Runs a command against the server, found through the settings. */
  async run(args: readonly string[], options: RunOptions = {}): Promise<Run> {
    return runCli(
      args,
      { ...options, env: { HEADRACE_ADMIN_PORT: this.#port, ...options.env } },
      this.discarded,
    );
  }
}

export async function runCli(
  args: readonly string[],
  options: RunOptions = {},
  discarded: string[] = [],
): Promise<Run> {
  const { context, printed } = createCliContext(options, discarded);
  const exitCode = await runProgram(context, args);
  return { exitCode, ...printed };
}

/** A world for commands, and what they print into it. */
export function createCliContext(
  options: RunOptions = {},
  discarded: string[] = [],
): { context: CliContext; printed: { stdout: string; stderr: string } } {
  const printed = { stdout: '', stderr: '' };
  const isTerminal = options.terminal ?? false;
  const context: CliContext = {
    version: '1.2.3',
    env: options.env ?? {},
    stdout: {
      isTerminal,
      write: (text) => {
        printed.stdout += text;
        options.onOutput?.(text);
      },
    },
    stderr: { isTerminal, write: (text) => void (printed.stderr += text) },
    fetch: globalThis.fetch,
    wallTimeMs: () => START_MS + 90_000,
    readText: (path) => options.files?.[path],
    ...filesOf(options.binaries ?? new Map<string, Buffer>()),
    randomBytes: (count) => new Uint8Array(count).fill(7),
    readInput: async () => options.input ?? '',
    editText: async (text) => ({
      text: (await options.edit?.(text)) ?? text,
      path: '/tmp/edit/pathconfig.json',
      discard: async () => void discarded.push('/tmp/edit/pathconfig.json'),
    }),
    startServer: options.startServer ?? (async () => {}),
    ...(options.openSimulator === undefined ? {} : { openSimulator: options.openSimulator }),
    ...(options.incarnateLog === undefined ? {} : { incarnateLog: options.incarnateLog }),
    abortAfter: (delayMs) => AbortSignal.timeout(delayMs),
    ...(options.offline === undefined ? {} : { openOffline: async () => options.offline as OfflineLog }),
    ...(options.openOffline === undefined ? {} : { openOffline: options.openOffline }),
    ...(options.pause === undefined ? {} : { pause: options.pause }),
    ...(options.onKey === undefined ? {} : { onKey: options.onKey }),
    ...(options.signal === undefined ? {} : { signal: options.signal }),
  };
  return { context, printed };
}

function filesOf(binaries: Map<string, Buffer>): Pick<CliContext, 'readBytes' | 'writeBytes'> {
  return {
    readBytes: async function* (path) {
      const bytes = binaries.get(path);
      if (bytes === undefined) throw Object.assign(new Error(`ENOENT: ${path}`), { code: 'ENOENT' });
      yield bytes;
    },
    writeBytes: async (path, pieces, { replace }) => {
      if (!replace && binaries.has(path))
        throw new CliFailure('FILE_EXISTS', `${path} is there already: use --force`);
      const written: Uint8Array[] = [];
      for await (const piece of pieces) written.push(piece);
      binaries.set(path, Buffer.concat(written));
      return Buffer.concat(written).length;
    },
  };
}
