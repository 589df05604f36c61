/** A real Headrace server for a test: in a directory of its own, gone with the test. */
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdir, mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as delay } from 'node:timers/promises';
import type { Test } from 'tap';
import { environmentWithoutHeadrace, HEADRACE_ENTRY, HeadraceProcess } from '../../bench/headrace-process.js';

export interface TestServerOptions {
  /** Environment over the defaults: settings by their `HEADRACE_` names. */
  readonly environment?: Readonly<Record<string, string>>;
  /** The under-store; a directory beside the data when absent. */
  readonly ufs?: string;
}

/** Between two looks at another process. */
const POLL_MS = 20;

/** A server that can be killed and started again on the same data and ports. */
export class TestServer {
  readonly directory: string;
  #process: HeadraceProcess;

  private constructor(directory: string, process: HeadraceProcess) {
    this.directory = directory;
    this.#process = process;
  }

  /** Starts a server and waits until it is ready. */
  static async start(t: Test, options: TestServerOptions = {}): Promise<TestServer> {
    const server = await TestServer.spawn(t, options);
    await server.process.ready();
    return server;
  }

  /** Starts a server and returns at once. */
  static async spawn(t: Test, options: TestServerOptions = {}): Promise<TestServer> {
    const directory = await mkdtemp(join(tmpdir(), 'headrace-test-'));
    let server: TestServer | undefined;
    t.teardown(async () => {
      await server?.process.kill();
      await rm(directory, { recursive: true, force: true });
    });
    await mkdir(join(directory, 'ufs'));
    const spawned = await HeadraceProcess.spawn({
      dataDirectory: join(directory, 'data'),
      ufs: options.ufs ?? join(directory, 'ufs'),
      environment: { HEADRACE_LOG_LEVEL: 'warn', ...options.environment },
    });
    server = new TestServer(directory, spawned);
    return server;
  }

  /** The process of now: another one after each restart. */
  get process(): HeadraceProcess {
    return this.#process;
  }

  get ufsDirectory(): string {
    return join(this.directory, 'ufs');
  }

  get dataDirectory(): string {
    return join(this.directory, 'data');
  }

  get endpoint(): string {
    return `http://127.0.0.1:${this.#process.s3Port}`;
  }

  /** Starts it again after it was stopped or killed, and waits until it is ready. */
  async restart(): Promise<void> {
    this.#process = await this.#process.respawn();
    await this.#process.ready();
  }

  /** The engine's status, as the admin API gives it. */
  async status(): Promise<TestStatus> {
    const response = await this.#process.admin('GET', '/api/v1/status');
    if (response.status !== 200) throw new Error(`GET /api/v1/status: ${response.status} ${response.text}`);
    return JSON.parse(response.text) as TestStatus;
  }

  cli(...commandArguments: string[]): Promise<CliResult> {
    return runCli(commandArguments, {
      HEADRACE_DATA_DIR: this.dataDirectory,
      HEADRACE_S3_PORT: String(this.#process.s3Port),
      HEADRACE_ADMIN_PORT: String(this.#process.adminPort),
    });
  }
}

/** The fields of the status that tests look at (src/engine/admin-service.ts). */
export interface TestStatus {
  readonly usedBytes: number;
  readonly pinnedBytes: number;
  readonly pendingObjects: number;
  readonly quarantinedObjects: number;
  /** When the oldest of them was written; absent when nothing waits. */
  readonly oldestPendingMs?: number;
  readonly openWrites: number;
  readonly objects: number;
}

export interface CliResult {
  readonly code: number;
  readonly stdout: string;
  readonly stderr: string;
}

/** Runs any command to its end. Rejects only when it cannot be started. */
export async function runCommand(
  command: string,
  commandArguments: readonly string[],
  environment: Readonly<Record<string, string | undefined>> = {},
): Promise<CliResult> {
  const child = spawn(command, commandArguments, {
    env: { ...environmentWithoutHeadrace(), ...environment },
    stdio: ['ignore', 'pipe', 'pipe'],
  });
  let stdout = '';
  let stderr = '';
  child.stdout.setEncoding('utf8').on('data', (text: string) => (stdout += text));
  child.stderr.setEncoding('utf8').on('data', (text: string) => (stderr += text));
  await once(child, 'close');
  return { code: child.exitCode ?? -1, stdout, stderr };
}

/** Runs the `headrace` command to its end. */
export function runCli(
  commandArguments: readonly string[],
  environment: Readonly<Record<string, string>>,
): Promise<CliResult> {
  return runCommand(process.execPath, [HEADRACE_ENTRY, ...commandArguments], environment);
}

/** Asks again and again until the answer is true; rejects with what `describe` says when that takes too long. */
export async function eventually(
  check: () => Promise<boolean>,
  describe: () => Promise<string> | string,
  timeoutMs = 60_000,
): Promise<void> {
  const deadlineMs = performance.now() + timeoutMs;
  while (!(await check())) {
    if (performance.now() > deadlineMs) throw new Error(`not within ${timeoutMs} ms: ${await describe()}`);
    await delay(POLL_MS);
  }
}
