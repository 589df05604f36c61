#!/usr/bin/env node
/**
 * The composition root: the one place that reads the environment and hands the world to the program.
 */
import { spawn } from 'node:child_process';
import { randomBytes } from 'node:crypto';
import fs from 'node:fs';
import os from 'node:os';
import path from 'node:path';
import { text } from 'node:stream/consumers';
import { setTimeout as delay } from 'node:timers/promises';
import { createProcessLog } from './adapters/process-log.js';
import { CliFailure, type CliContext, type CliOutput, type EditedText } from './cli/context.js';
import { runProgram } from './cli/program.js';
import { incarnateLog } from './composition/incarnate-log.js';
import { openOffline } from './composition/open-offline.js';
import { runServer } from './composition/run-server.js';
import type { Logger } from './core/logger.js';
import type { Settings } from './settings/settings.js';

const EXIT_GRACE_MS = 500;
const READ_BYTES = 1024 * 1024;
// The AWS SDK announces on standard error which Node it will need in years to come; operators of a cache cannot act on it.
process.env['AWS_SDK_JS_NODE_VERSION_SUPPORT_WARNING_DISABLED'] ??= 'true';

const stop = new AbortController();
for (const signal of ['SIGINT', 'SIGTERM'] as const) {
  process.on(signal, () => {
    // The second one is from somebody who does not want to wait; what was acknowledged is durable.
    if (stop.signal.aborted) process.exit(130);
    stop.abort();
  });
}
// A reader that went away (`headrace log cat | head`) is no failure.
process.stdout.on('error', (error: NodeJS.ErrnoException) => {
  process.exit(error.code === 'EPIPE' ? 0 : 1);
});

const version = readVersion();
const context: CliContext = {
  version,
  env: process.env,
  stdout: outputTo(process.stdout),
  stderr: outputTo(process.stderr),
  fetch: globalThis.fetch,
  wallTimeMs: () => Date.now(),
  readText,
  readBytes: (file) => fs.createReadStream(file, { highWaterMark: READ_BYTES }),
  writeBytes,
  randomBytes,
  readInput: () => text(process.stdin),
  editText,
  startServer: async (settings) => {
    try {
      await runServer(settings, {
        version,
        logger: createLogger(settings),
        print: (line) => void process.stdout.write(line),
        note: (line) => void process.stderr.write(line),
        stop: stop.signal,
      });
    } finally {
      exitSoon();
    }
  },
  openOffline: async (settings) => {
    try {
      return await openOffline(settings, {
        version,
        logger: createLogger({ ...settings, logLevel: 'warn' }),
      });
    } catch (error) {
      exitSoon();
      throw error;
    }
  },
  incarnateLog: (settings) =>
    incarnateLog(settings, { logger: createLogger({ ...settings, logLevel: 'warn' }) }).finally(exitSoon),
  openSimulator: async () => (await import('./composition/simulator.js')).openSimulator(version),
  signal: stop.signal,
  abortAfter: (delayMs) => AbortSignal.timeout(delayMs),
  pause: (delayMs, signal) => delay(delayMs, undefined, { signal }).catch(() => undefined),
  ...(process.stdin.isTTY ? { onKey } : {}),
};

process.exitCode = await runProgram(context, process.argv.slice(2));

/** Everything is closed by now, but a connection to a UFS or a FoundationDB that hangs would keep the process. */
function exitSoon(): void {
  setTimeout(() => process.exit(), EXIT_GRACE_MS).unref();
}

/** On standard error, so that standard output stays readable. */
function createLogger({ logLevel, logFormat }: Settings): Logger {
  const isTerminal = process.stderr.isTTY === true;
  return createProcessLog({
    level: logLevel,
    format: logFormat === 'auto' ? (isTerminal ? 'text' : 'json') : logFormat,
    writeText: (line) => void process.stderr.write(line),
  });
}

/** From the package this file was built in. */
function readVersion(): string {
  const file = new URL('../../package.json', import.meta.url);
  const parsed = JSON.parse(fs.readFileSync(file, 'utf8')) as { version: string };
  return parsed.version;
}

function readText(file: string): string | undefined {
  try {
    return fs.readFileSync(file, 'utf8');
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'ENOENT') return undefined;
    throw error;
  }
}

function outputTo(stream: NodeJS.WriteStream): CliOutput {
  return {
    isTerminal: stream.isTTY === true,
    ...(stream.isTTY ? { size: () => ({ rows: stream.rows, columns: stream.columns }) } : {}),
    write: (line) => {
      if (stream.write(line)) return;
      return new Promise((resolve) => stream.once('drain', resolve));
    },
  };
}

/** Under another name until it is whole and durable. */
async function writeBytes(
  file: string,
  pieces: AsyncIterable<Uint8Array>,
  { replace }: { readonly replace: boolean },
): Promise<number> {
  if (!replace && fs.existsSync(file))
    throw new CliFailure('FILE_EXISTS', `${file} is there already: use --force`);
  const draft = `${file}.${process.pid}.tmp`;
  await fs.promises.mkdir(path.dirname(file), { recursive: true });
  const handle = await fs.promises.open(draft, 'wx', 0o600);
  let sizeBytes = 0;
  try {
    for await (const piece of pieces) {
      await handle.write(piece);
      sizeBytes += piece.length;
    }
    await handle.sync();
    await handle.close();
    await fs.promises.rename(draft, file);
    return sizeBytes;
  } catch (error) {
    await handle.close().catch(() => undefined);
    await fs.promises.rm(draft, { force: true });
    throw error;
  }
}

/** Keys as they are pressed: the terminal neither shows them nor makes signals of them meanwhile. */
function onKey(listener: (key: string) => void): () => void {
  const { stdin } = process;
  const onData = (bytes: Buffer): void => listener(bytes.toString('utf8'));
  stdin.setRawMode(true).on('data', onData).resume();
  return () => void stdin.off('data', onData).setRawMode(false).pause();
}

/** Runs `$VISUAL`, `$EDITOR` or vi over a temporary file. */
async function editText(content: string, fileName: string): Promise<EditedText> {
  const directory = await fs.promises.mkdtemp(path.join(os.tmpdir(), 'headrace-'));
  const file = path.join(directory, fileName);
  await fs.promises.writeFile(file, content, { mode: 0o600 });
  const editor = process.env['VISUAL'] ?? process.env['EDITOR'] ?? 'vi';
  await new Promise<void>((resolve, reject) => {
    const child = spawn('/bin/sh', ['-c', `${editor} "$1"`, 'sh', file], { stdio: 'inherit' });
    child.on('error', reject);
    child.on('exit', (code) => {
      if (code === 0) resolve();
      else reject(new Error(`the editor "${editor}" ended with exit code ${code}: nothing was changed`));
    });
  });
  return {
    text: await fs.promises.readFile(file, 'utf8'),
    path: file,
    discard: () => fs.promises.rm(directory, { recursive: true, force: true }),
  };
}
