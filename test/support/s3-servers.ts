/**
 * A real S3 server that nobody here wrote, on a free port of this machine: `moto`, in Python. Tests that need it are skipped,
 * visibly, where it is not installed.
 */
import { type ChildProcess, spawn } from 'node:child_process';
import { createInterface } from 'node:readline';

export interface S3Server {
  readonly endpoint: string;
  readonly accessKeyId: string;
  readonly secretAccessKey: string;
  close(): Promise<void>;
}

const INSTALL = 'python3 -m pip install "moto[server]"';
const START_TIMEOUT_MS = 60_000;
/** What the server says when it listens: it was asked for any free port. */
const LISTENING = /Running on (http:\/\/127\.0\.0\.1:\d+)/;

/** Resolves when the server listens, or with why there is none and how to install it. */
export async function startS3Server(): Promise<S3Server | { readonly skip: string }> {
  const child = spawn('python3', ['-m', 'moto.server', '-H', '127.0.0.1', '-p', '0'], {
    stdio: ['ignore', 'pipe', 'pipe'],
    env: { ...process.env, PYTHONUNBUFFERED: '1' },
  });
  const endpoint = await endpointOf(child);
  if (endpoint === undefined) return { skip: `no S3 server to test against; install one: ${INSTALL}` };
  return {
    endpoint,
    // The server takes any.
    accessKeyId: 'test-access-key',
    secretAccessKey: 'test-secret-key',
    close: () => stop(child),
  };
}

/** Where the server listens; undefined when it ended before it did. */
function endpointOf(child: ChildProcess): Promise<string | undefined> {
  return new Promise((resolve) => {
    const settle = (endpoint: string | undefined): void => {
      clearTimeout(timer);
      if (endpoint === undefined) child.kill('SIGKILL');
      resolve(endpoint);
    };
    const timer = setTimeout(() => settle(undefined), START_TIMEOUT_MS);
    child.once('error', () => settle(undefined));
    child.once('exit', () => settle(undefined));
    for (const stream of [child.stdout, child.stderr]) {
      // Read on to the end: a full pipe would stop the server.
      if (stream !== null) {
        createInterface({ input: stream }).on('line', (line) => {
          const endpoint = LISTENING.exec(line)?.[1];
          if (endpoint !== undefined) settle(endpoint);
        });
      }
    }
  });
}

function stop(child: ChildProcess): Promise<void> {
  return new Promise((resolve) => {
    if (child.exitCode !== null || child.signalCode !== null) return resolve();
    child.once('exit', () => resolve());
    child.kill('SIGKILL');
  });
}
