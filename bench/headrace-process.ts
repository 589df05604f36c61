/**
 * Starts, watches and kills a real Headrace server in a process of its own. Used by the bench and by the end-to-end tests.
 */
import { spawn, type ChildProcess } from 'node:child_process';
import { once } from 'node:events';
import { existsSync } from 'node:fs';
import { readFile } from 'node:fs/promises';
import { setTimeout as delay } from 'node:timers/promises';
import { fileURLToPath } from 'node:url';
import { freePort } from './free-port.js';
import { processTree } from './process-usage.js';

/** How long a start may take before it counts as failed. */
const READY_MS_MAX = 60_000;
/** How long an orderly stop may take before it counts as failed. */
const STOP_MS_MAX = 30_000;
/** How much of each output stream is kept. */
const OUTPUT_CHARACTERS_MAX = 1024 * 1024;

export interface HeadraceOptions {
  /** The server's default (in its working directory) when absent. */
  readonly dataDirectory?: string;
  readonly workingDirectory?: string;
  /** A directory, or `s3://…`; the server's default when absent. */
  readonly ufs?: string;
  /** More environment, over the inherited one without any `HEADRACE_` variable. */
  readonly environment?: Readonly<Record<string, string>>;
  /** More arguments behind `start`. */
  readonly flags?: readonly string[];
}

/** The compiled entry point that belongs to this build. */
export const HEADRACE_ENTRY = fileURLToPath(new URL('../src/main.js', import.meta.url));

export function headraceExists(): boolean {
  return existsSync(HEADRACE_ENTRY);
}

/**
 * As `npm start` has them. Objects that live until the next checkpoint die in a young generation with 24 MiB halves instead of
 * moving to the old one. The old one is collected when it has grown to three times what lives: bodies count for it while they come
 * and go, and with V8's own, lower limit behind an idle time it was collected all the time. The program's own code is on large pages.
 * Together a sixth less processor time per PUT.
 */
export const NODE_FLAGS: readonly string[] = [
  '--max-semi-space-size=24',
  '--heap-growing-percent=200',
  '--use-largepages=silent',
];

/** Servers that are still running: none outlives the process that started it. */
const RUNNING = new Set<ChildProcess>();
process.on('exit', () => {
  for (const child of RUNNING) child.kill('SIGKILL');
});

export class HeadraceProcess {
  readonly options: HeadraceOptions;
  readonly s3Port: number;
  readonly adminPort: number;
  readonly #process: ChildProcess;
  readonly #exited: Promise<void>;
  stdout = '';
  stderr = '';

  private constructor(options: HeadraceOptions, s3Port: number, adminPort: number) {
    this.options = options;
    this.s3Port = s3Port;
    this.adminPort = adminPort;
    this.#process = spawn(
      process.execPath,
      [...NODE_FLAGS, HEADRACE_ENTRY, 'start', ...(options.flags ?? [])],
      {
        env: {
          ...environmentWithoutHeadrace(),
          HEADRACE_S3_PORT: String(s3Port),
          HEADRACE_ADMIN_PORT: String(adminPort),
          ...(options.dataDirectory === undefined ? {} : { HEADRACE_DATA_DIR: options.dataDirectory }),
          ...(options.ufs === undefined ? {} : { HEADRACE_UFS: options.ufs }),
          ...options.environment,
        },
        stdio: ['ignore', 'pipe', 'pipe'],
        ...(options.workingDirectory === undefined ? {} : { cwd: options.workingDirectory }),
      },
    );
    RUNNING.add(this.#process);
    this.#exited = once(this.#process, 'exit').then(() => void RUNNING.delete(this.#process));
    this.#process.stdout?.setEncoding('utf8').on('data', (text: string) => {
      this.stdout = (this.stdout + text).slice(-OUTPUT_CHARACTERS_MAX);
    });
    this.#process.stderr?.setEncoding('utf8').on('data', (text: string) => {
      this.stderr = (this.stderr + text).slice(-OUTPUT_CHARACTERS_MAX);
    });
  }

  /** Spawns a server on free ports (or on those of `like`) and returns at once. */
  static async spawn(options: HeadraceOptions, like?: HeadraceProcess): Promise<HeadraceProcess> {
    const s3Port = like?.s3Port ?? (await freePort());
    const adminPort = like?.adminPort ?? (await freePort());
    return new HeadraceProcess(options, s3Port, adminPort);
  }

  /** Spawns a server and waits until it is ready. */
  static async start(options: HeadraceOptions): Promise<HeadraceProcess> {
    const server = await HeadraceProcess.spawn(options);
    await server.ready();
    return server;
  }

  get pid(): number {
    return this.#process.pid ?? 0;
  }

  get running(): boolean {
    return this.#process.exitCode === null && this.#process.signalCode === null;
  }

  /** Resolves with the exit code (or undefined after a signal) once the process is gone. */
  async exited(): Promise<number | undefined> {
    await this.#exited;
    return this.#process.exitCode ?? undefined;
  }

  /** Resolves when `GET /readyz` answers 200; rejects, with what the server printed, when it ends or takes too long. */
  async ready(): Promise<void> {
    const deadlineMs = performance.now() + READY_MS_MAX;
    while (this.running && performance.now() < deadlineMs) {
      const response = await this.admin('GET', '/readyz').catch(() => undefined);
      if (response?.status === 200) return;
      await delay(10);
    }
    const what = this.running
      ? `was not ready after ${READY_MS_MAX} ms`
      : `ended with ${this.#process.exitCode}`;
    if (this.running) await this.kill();
    throw new Error(`the server ${what}\n${this.stdout}\n${this.stderr}`);
  }

  /** One call of the admin API, as somebody who can read the data directory. */
  async admin(method: string, path: string, body?: unknown): Promise<AdminResponse> {
    const headers: Record<string, string> = body === undefined ? {} : { 'content-type': 'application/json' };
    const token = await this.#token();
    if (token !== undefined) headers['authorization'] = `Bearer ${token}`;
    const response = await fetch(`http://127.0.0.1:${this.adminPort}${path}`, {
      method,
      headers,
      ...(body === undefined ? {} : { body: JSON.stringify(body) }),
    });
    return { status: response.status, text: await response.text() };
  }

  async #token(): Promise<string | undefined> {
    const { dataDirectory } = this.options;
    if (dataDirectory === undefined) return undefined;
    return readFile(`${dataDirectory}/admin.token`, 'utf8').then(
      (text) => text.trim(),
      () => undefined,
    );
  }

  /** One small S3 call without a signature; throws unless it answers 2xx. */
  async s3(method: string, target: string, body?: string): Promise<string> {
    const response = await fetch(`http://127.0.0.1:${this.s3Port}${target}`, {
      method,
      ...(body === undefined ? {} : { body }),
    });
    const text = await response.text();
    if (!response.ok) throw new Error(`${method} ${target}: ${response.status} ${text}`);
    return text;
  }

  /** Sets one policy for everything, and others for path patterns. */
  async setPolicies(defaultMode: string, paths: Readonly<Record<string, string>> = {}): Promise<void> {
    const document = {
      apiVersion: 'v1.0',
      defaultRule: { policyMode: defaultMode },
      pathRules: Object.entries(paths).map(([path, policyMode]) => ({ path, policyMode })),
    };
    const response = await this.admin('PUT', '/api/v1/conf', document);
    if (response.status !== 200) throw new Error(`PUT /api/v1/conf: ${response.status} ${response.text}`);
  }

  /** Orderly stop with SIGTERM. */
  async stop(): Promise<void> {
    if (!this.running) return;
    this.#process.kill('SIGTERM');
    const timer = setTimeout(() => void this.kill(), STOP_MS_MAX);
    await this.#exited;
    clearTimeout(timer);
    if (this.#process.signalCode === 'SIGKILL')
      throw new Error(`the server did not stop within ${STOP_MS_MAX} ms\n${this.stderr}`);
  }

  /** kill -9, for it and its descendants, and waits until it is gone. */
  async kill(): Promise<void> {
    if (!this.running) return;
    for (const pid of processTree(this.pid)) process.kill(pid, 'SIGKILL');
    await this.#exited;
  }

  /** Spawns a server with the same options and ports; this one must be gone. */
  respawn(): Promise<HeadraceProcess> {
    return HeadraceProcess.spawn(this.options, this);
  }
}

export interface AdminResponse {
  readonly status: number;
  readonly text: string;
}

/** What a server or command is started with: nothing of the caller's own Headrace settings. */
export function environmentWithoutHeadrace(): NodeJS.ProcessEnv {
  return Object.fromEntries(Object.entries(process.env).filter(([name]) => !name.startsWith('HEADRACE_')));
}
