/** Programs that nobody here wrote, for tests and benches that run beside them: where they are, and whether they listen. */
import { type ChildProcess } from 'node:child_process';
import { once } from 'node:events';
import { existsSync } from 'node:fs';
import { createConnection } from 'node:net';
import { homedir } from 'node:os';
import { delimiter, join } from 'node:path';
import { setTimeout as delay } from 'node:timers/promises';

const START_MS_MAX = 30_000;
const POLL_MS = 20;

/** The program's file: where the environment variable says, on the path, or in Go's bin directory; undefined when nowhere. */
export function findProgram(name: string, variable: string): string | undefined {
  const given = process.env[variable];
  if (given !== undefined && given !== '') return given;
  const { PATH = '', GOBIN = '', GOPATH = join(homedir(), 'go') } = process.env;
  return [...PATH.split(delimiter), GOBIN, join(GOPATH, 'bin')]
    .filter((directory) => directory !== '')
    .map((directory) => join(directory, name))
    .find((file) => existsSync(file));
}

/** Whether the process takes connections at the port of this machine, now or soon. */
export async function listens(child: ChildProcess, port: number): Promise<boolean> {
  let failed = false;
  child.once('error', () => (failed = true));
  const deadlineMs = performance.now() + START_MS_MAX;
  while (!failed && child.exitCode === null && performance.now() < deadlineMs) {
    if (await connects(port)) return true;
    await delay(POLL_MS);
  }
  return false;
}

/** kill -9, and waits until it is gone. */
export async function stop(child: ChildProcess): Promise<void> {
  if (child.pid === undefined || child.exitCode !== null || child.signalCode !== null) return;
  const exited = once(child, 'exit');
  child.kill('SIGKILL');
  await exited;
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
