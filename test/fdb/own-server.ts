/**
 * A FoundationDB server of the suite's own, for what cannot be asked of the one that is tested: to be killed. Needs the programs
 * `fdbserver` and `fdbcli` (packages foundationdb-server and foundationdb-clients), which are looked for where those put them.
 *
 * It listens on 127.0.0.1, keeps its files in a temporary directory, and is gone with the suite.
 */
import { execFile, spawn, type ChildProcess } from 'node:child_process';
import { once } from 'node:events';
import { accessSync, constants } from 'node:fs';
import { mkdir, mkdtemp, rm, writeFile } from 'node:fs/promises';
import { createServer, type AddressInfo } from 'node:net';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { promisify } from 'node:util';
import { SECOND_MS } from '../../src/core/units.js';

const DIRECTORIES = ['/usr/sbin', '/usr/local/sbin', '/usr/bin', '/usr/local/bin', '/usr/local/libexec'];
const CONFIGURE_TIMEOUT_S = 60;

export class OwnServer {
  readonly clusterFile: string;
  readonly #program: string;
  readonly #directory: string;
  readonly #address: string;
  #process: ChildProcess | undefined;

  private constructor(program: string, directory: string, address: string) {
    this.#program = program;
    this.#directory = directory;
    this.#address = address;
    this.clusterFile = path.join(directory, 'fdb.cluster');
  }

  /** A fresh database; or why there is none. */
  static async start(): Promise<OwnServer | string> {
    const [program, cli] = [find('fdbserver'), find('fdbcli')];
    if (program === undefined || cli === undefined)
      return 'there are no fdbserver and fdbcli on this machine';
    const directory = await mkdtemp(path.join(tmpdir(), 'headrace-fdb-'));
    const server = new OwnServer(program, directory, `127.0.0.1:${await freePort()}`);
    try {
      for (const name of ['data', 'log']) await mkdir(path.join(directory, name));
      await writeFile(server.clusterFile, `headrace:test@${server.#address}\n`);
      server.#spawn();
      const command = ['-C', server.clusterFile, '--timeout', String(CONFIGURE_TIMEOUT_S)];
      await promisify(execFile)(cli, [...command, '--exec', 'configure new single memory'], {
        timeout: 2 * CONFIGURE_TIMEOUT_S * SECOND_MS,
      });
      return server;
    } catch (error) {
      await server.stop();
      return `a server of the suite's own did not come up: ${String(error)}`;
    }
  }

  /** Killed without warning, and started on the same files. */
  async restart(): Promise<void> {
    await this.#kill();
    this.#spawn();
  }

  async stop(): Promise<void> {
    await this.#kill();
    await rm(this.#directory, { recursive: true, force: true });
  }

  #spawn(): void {
    const at = (name: string): string => path.join(this.#directory, name);
    const files = ['-C', this.clusterFile, '-d', at('data'), '-L', at('log')];
    const child = spawn(this.#program, ['-p', this.#address, ...files], { stdio: 'ignore' });
    // One that cannot be started is noticed by who waits for it to answer.
    child.on('error', () => undefined);
    // Also when the suite is ended from outside.
    process.once('exit', () => child.kill('SIGKILL'));
    this.#process = child;
  }

  async #kill(): Promise<void> {
    const child = this.#process;
    this.#process = undefined;
    if (child?.pid === undefined || child.exitCode !== null || child.signalCode !== null) return;
    child.kill('SIGKILL');
    await once(child, 'exit');
  }
}

function find(name: string): string | undefined {
  const directories = [...(process.env['PATH'] ?? '').split(':'), ...DIRECTORIES];
  return directories.map((directory) => path.resolve(directory, name)).find(isExecutable);
}

function isExecutable(file: string): boolean {
  try {
    accessSync(file, constants.X_OK);
    return true;
  } catch {
    return false;
  }
}

async function freePort(): Promise<number> {
  const server = createServer().listen(0, '127.0.0.1');
  await once(server, 'listening');
  const { port } = server.address() as AddressInfo;
  server.close();
  await once(server, 'close');
  return port;
}
