/**
 * A second real S3 server that nobody here wrote: the Versity S3 Gateway, in Go, on a directory of its own. It is found as
 * `versitygw` on the path or in Go's bin directory, or where `HEADRACE_TEST_VERSITYGW` says.
 */
import { spawn, type ChildProcess } from 'node:child_process';
import { existsSync } from 'node:fs';
import { mkdtemp, rm } from 'node:fs/promises';
import { createConnection } from 'node:net';
import { homedir, tmpdir } from 'node:os';
import { delimiter, join } from 'node:path';
import { setTimeout as delay } from 'node:timers/promises';
import { freePort } from '../../bench/free-port.js';
import type { S3Server } from './s3-servers.js';

const INSTALL = 'go install github.com/versity/versitygw/cmd/versitygw@v1.0.14';
const START_TIMEOUT_MS = 30_000;
const POLL_MS = 20;

/** Resolves when the server listens, or with why there is none and how to install it. */
export async function startVersityGateway(): Promise<S3Server | { readonly skip: string }> {
  const program = programPath();
  if (program === undefined)
    return { skip: `no Versity S3 Gateway to test against; install one: ${INSTALL}` };
  const directory = await mkdtemp(join(tmpdir(), 'headrace-versitygw-'));
  const port = await freePort();
  const [accessKeyId, secretAccessKey] = ['test-access-key', 'test-secret-key'];
  const flags = [
    '--port',
    `127.0.0.1:${port}`,
    '--access',
    accessKeyId,
    '--secret',
    secretAccessKey,
    '--quiet',
  ];
  // Objects are replaced by renaming, so that none is away for a moment.
  const child = spawn(program, [...flags, 'posix', '--disableotmp', directory], { stdio: 'ignore' });
  const close = async (): Promise<void> => {
    await stop(child);
    await rm(directory, { recursive: true, force: true });
  };
  if (!(await listens(child, port))) {
    await close();
    return { skip: `${program} did not start` };
  }
  return { endpoint: `http://127.0.0.1:${port}`, accessKeyId, secretAccessKey, close };
}

function programPath(): string | undefined {
  const given = process.env['HEADRACE_TEST_VERSITYGW'];
  if (given !== undefined && given !== '') return given;
  const { PATH = '', GOBIN = '', GOPATH = join(homedir(), 'go') } = process.env;
  return [...PATH.split(delimiter), GOBIN, join(GOPATH, 'bin')]
    .filter((directory) => directory !== '')
    .map((directory) => join(directory, 'versitygw'))
    .find((file) => existsSync(file));
}

async function listens(child: ChildProcess, port: number): Promise<boolean> {
  let failed = false;
  child.once('error', () => (failed = true));
  const deadlineMs = performance.now() + START_TIMEOUT_MS;
  while (!failed && child.exitCode === null && performance.now() < deadlineMs) {
    if (await connects(port)) return true;
    await delay(POLL_MS);
  }
  return false;
}

function connects(port: number): Promise<boolean> {
  return new Promise((resolve) => {
    const socket = createConnection({ host: '127.0.0.1', port });
    const settle = (connected: boolean): void => {
      socket.destroy();
      resolve(connected);
    };
    socket.once('connect', () => settle(true));
    socket.once('error', () => settle(false));
  });
}

function stop(child: ChildProcess): Promise<void> {
  return new Promise((resolve) => {
    if (child.pid === undefined || child.exitCode !== null || child.signalCode !== null) return resolve();
    child.once('exit', () => resolve());
    child.kill('SIGKILL');
  });
}
