/**
 * Other S3 servers, as this machine has them: each is started with what its own documentation calls a plain single-disk
 * server, on a directory beside ours. Nothing is installed here; what is absent is not measured.
 */
import { CreateBucketCommand, S3Client } from '@aws-sdk/client-s3';
import { spawn } from 'node:child_process';
import { mkdirSync, rmSync } from 'node:fs';
import { resolve } from 'node:path';
import { BUCKET, type BenchContext, type Cleanup } from './context.js';
import { findProgram, listens, stop } from './foreign-server.js';
import { freePort } from './free-port.js';

export interface RivalKey {
  readonly accessKeyId: string;
  readonly secretAccessKey: string;
}

export interface Rival {
  readonly name: string;
  /** Whether what it acknowledged survives a power cut; seen with strace. */
  readonly syncs: boolean;
  readonly pid: number;
  readonly port: number;
  readonly key: RivalKey;
}

interface RivalKind {
  readonly name: string;
  readonly syncs: boolean;
  readonly program: string;
  readonly variable: string;
  readonly install: string;
  arguments(port: number, directory: string, key: RivalKey): readonly string[];
  environment(key: RivalKey): Readonly<Record<string, string>>;
}

/** How much of what a server complains of is kept. */
const SAID_CHARACTERS_MAX = 4096;
const KEY: RivalKey = { accessKeyId: 'bench-access-key', secretAccessKey: 'bench-secret-key' };

const KINDS: readonly RivalKind[] = [
  {
    name: 'MinIO',
    syncs: true,
    program: 'minio',
    variable: 'HEADRACE_BENCH_MINIO',
    install: 'go install github.com/minio/minio@latest',
    arguments: (port, directory) => ['server', '--quiet', '--address', `127.0.0.1:${port}`, directory],
    environment: ({ accessKeyId, secretAccessKey }) => ({
      MINIO_ROOT_USER: accessKeyId,
      MINIO_ROOT_PASSWORD: secretAccessKey,
      MINIO_BROWSER: 'off',
      MINIO_UPDATE: 'off',
      MINIO_CALLHOME_ENABLE: 'off',
    }),
  },
  {
    name: 'Versity S3 Gateway',
    syncs: false,
    program: 'versitygw',
    variable: 'HEADRACE_BENCH_VERSITYGW',
    install: 'go install github.com/versity/versitygw/cmd/versitygw@v1.8.0',
    arguments: (port, directory, { accessKeyId, secretAccessKey }) => [
      ...[
        '--port',
        `127.0.0.1:${port}`,
        '--access',
        accessKeyId,
        '--secret',
        secretAccessKey,
        '--quiet',
        '--keep-alive',
      ],
      ...['posix', directory],
    ],
    environment: () => ({}),
  },
];

/** How to get those that are not here, one line each. */
export function absentRivals(): string[] {
  return KINDS.filter(({ program, variable }) => findProgram(program, variable) === undefined).map(
    ({ name, install }) => `${name}: ${install}`,
  );
}

/** Starts each that is here, with the bucket of the bench. Throws when one is here and does not start. */
export async function startRivals(context: BenchContext, cleanup: Cleanup): Promise<Rival[]> {
  const rivals: Rival[] = [];
  for (const kind of KINDS) {
    const file = findProgram(kind.program, kind.variable);
    if (file !== undefined) rivals.push(await startRival(kind, file, context, cleanup));
  }
  return rivals;
}

async function startRival(
  kind: RivalKind,
  file: string,
  context: BenchContext,
  cleanup: Cleanup,
): Promise<Rival> {
  const directory = resolve(context.directory, kind.program);
  mkdirSync(directory, { recursive: true });
  cleanup.add(async () => rmSync(directory, { recursive: true, force: true }));
  const port = await freePort();
  const child = spawn(file, kind.arguments(port, directory, KEY), {
    stdio: ['ignore', 'ignore', 'pipe'],
    env: { ...process.env, ...kind.environment(KEY) },
  });
  let said = '';
  child.stderr.setEncoding('utf8').on('data', (text: string) => {
    said = (said + text).slice(-SAID_CHARACTERS_MAX);
  });
  cleanup.add(() => stop(child));
  process.on('exit', () => child.kill('SIGKILL'));
  if (!(await listens(child, port))) throw new Error(`${file} does not listen on port ${port}: ${said}`);
  const client = new S3Client({
    endpoint: `http://127.0.0.1:${port}`,
    region: 'us-east-1',
    forcePathStyle: true,
    credentials: KEY,
    // A server that listens may still be about to look at its disk.
    maxAttempts: 10,
  });
  try {
    await client.send(new CreateBucketCommand({ Bucket: BUCKET }));
  } finally {
    client.destroy();
  }
  return { name: kind.name, syncs: kind.syncs, pid: child.pid ?? 0, port, key: KEY };
}
