/**
 * Clients that nobody here wrote, as they come from the distribution: a directory goes in, is listed, comes out the same,
 * survives kill -9, and stands in the under-store. A client that this machine does not have is skipped, and says how to get it.
 */
import { spawnSync } from 'node:child_process';
import { existsSync, readFileSync } from 'node:fs';
import { mkdir, readdir, readFile, writeFile } from 'node:fs/promises';
import { dirname, join, resolve } from 'node:path';
import t, { type Test } from 'tap';
import { eventually, runCommand, TestServer } from '../support/headrace-process.js';
import { makeBody } from '../support/object-model.js';
import { DUCKDB_PROGRAM, MINIO_PROGRAM, PYARROW_PROGRAM, S3FS_PROGRAM } from '../support/python-programs.js';

/** Sizes on both sides of what each client sends in parts (8 MiB; 15 MiB for s3cmd). */
const FILES: Readonly<Record<string, number>> = {
  'empty.bin': 0,
  'small.txt': 11,
  'with space & plus+.bin': 10_240,
  'deep/er/file.bin': 300_000,
  'large.bin': 17 * 1024 ** 2 + 3,
};

interface StockClient {
  readonly name: string;
  readonly present: () => boolean;
  readonly install: string;
  /** Commands that make a bucket, upload a directory, list it, download it. */
  readonly commands: (server: TestServer, from: string, to: string) => readonly string[][];
}

const has = (command: string, ...commandArguments: string[]) =>
  spawnSync(command, commandArguments, { stdio: 'ignore' }).status === 0;

const CREDENTIALS = {
  AWS_ACCESS_KEY_ID: 'any',
  AWS_SECRET_ACCESS_KEY: 'any',
  AWS_DEFAULT_REGION: 'us-east-1',
  AWS_CONFIG_FILE: '/dev/null',
  AWS_SHARED_CREDENTIALS_FILE: '/dev/null',
  RCLONE_CONFIG: '/dev/null',
  AWS_EC2_METADATA_DISABLED: 'true',
  // rclone's AWS library refuses to work where a machine names its own certificates here, and boto3 where the name is empty.
  AWS_CA_BUNDLE: undefined,
};

const BOTO3_PROGRAM = `
import os, sys, boto3
endpoint, source, target = sys.argv[1:4]
client = boto3.client("s3", endpoint_url=endpoint)
client.create_bucket(Bucket="stock")
for root, _, names in os.walk(source):
    for name in names:
        path = os.path.join(root, name)
        client.upload_file(path, "stock", os.path.relpath(path, source))
pages = client.get_paginator("list_objects_v2").paginate(Bucket="stock", PaginationConfig={"PageSize": 2})
for entry in [entry for page in pages for entry in page.get("Contents", [])]:
    print(entry["Key"])
    path = os.path.join(target, entry["Key"])
    os.makedirs(os.path.dirname(path), exist_ok=True)
    client.download_file("stock", entry["Key"], path)
`;

/** A Python program that uploads, lists and downloads when it is called with one more argument, else lists and downloads. */
function pythonClient(name: string, module: string, program: string): StockClient {
  return {
    name,
    present: () => has('python3', '-c', `import ${module}`),
    install: `pip install ${module}`,
    commands: (server, from, to) => {
      const call = ['python3', '-c', program, server.endpoint, from];
      return [
        [...call, `${to}-first`, 'upload'],
        [...call, to],
      ];
    },
  };
}

/** Where .ci/run has the class path of test/support/s3a/pom.xml written to. */
const S3A_CLASSPATH = resolve('node_modules/.cache/s3a-classpath');
const S3A_PROGRAM = resolve('test/support/s3a/S3aClient.java');

/** The connector of Hadoop, Spark, Hive and Flink. It takes Java 11 or 17. */
const S3A: StockClient = {
  name: 'Hadoop S3A',
  present: () => existsSync(S3A_CLASSPATH) && has('java', '--version'),
  install: `mvn -q -B -f test/support/s3a/pom.xml dependency:build-classpath -Dmdep.outputFile=${S3A_CLASSPATH} (60 MB)`,
  commands: (server, from, to) => {
    const classPath = readFileSync(S3A_CLASSPATH, 'utf8').trim();
    const call = ['java', '-Xmx512m', '-cp', classPath, S3A_PROGRAM, server.endpoint, from];
    return [
      [...call, `${to}-first`, 'upload'],
      [...call, to],
    ];
  },
};

const CLIENTS: readonly StockClient[] = [
  S3A,
  pythonClient('pyarrow', 'pyarrow', PYARROW_PROGRAM),
  pythonClient('s3fs', 's3fs', S3FS_PROGRAM),
  pythonClient('minio for Python', 'minio', MINIO_PROGRAM),
  {
    name: 'aws CLI',
    present: () => has('aws', '--version'),
    install: 'pip install awscli',
    commands: (server, from, to) => {
      const aws = ['aws', '--endpoint-url', server.endpoint, 's3'];
      return [
        [...aws, 'mb', 's3://stock'],
        [...aws, 'cp', '--recursive', from, 's3://stock/'],
        [...aws, 'ls', '--recursive', 's3://stock/'],
        [...aws, 'sync', 's3://stock/', to],
      ];
    },
  },
  {
    name: 'boto3',
    present: () => has('python3', '-c', 'import boto3'),
    install: 'pip install boto3',
    commands: (server, from, to) => [['python3', '-c', BOTO3_PROGRAM, server.endpoint, from, to]],
  },
  {
    name: 's3cmd',
    present: () => has('s3cmd', '--version'),
    install: 'pip install s3cmd',
    commands: (server, from, to) => {
      const host = server.endpoint.replace('http://', '');
      const flags = ['--no-ssl', `--host=${host}`, `--host-bucket=${host}`, '--config=/dev/null'];
      const s3cmd = ['s3cmd', ...flags, '--access_key=any', '--secret_key=any'];
      return [
        [...s3cmd, 'mb', 's3://stock'],
        [...s3cmd, 'put', '--recursive', `${from}/`, 's3://stock/'],
        [...s3cmd, 'ls', '--recursive', 's3://stock/'],
        [...s3cmd, 'get', '--recursive', 's3://stock/', `${to}/`],
      ];
    },
  },
  {
    name: 'rclone',
    present: () => has('rclone', 'version'),
    install: 'apt-get install rclone',
    commands: (server, from, to) => {
      const flags = ['--s3-provider=Other', '--s3-env-auth', `--s3-endpoint=${server.endpoint}`];
      const rclone = ['rclone', ...flags, '--s3-region=us-east-1'];
      const remote = ':s3:stock';
      return [
        [...rclone, 'mkdir', remote],
        [...rclone, 'copy', from, remote],
        [...rclone, 'lsf', '--recursive', remote],
        [...rclone, 'copy', remote, to],
      ];
    },
  },
];

// Many processes, one after the other; a busy machine needs its time.
t.setTimeout(300_000);

for (const client of CLIENTS) {
  const skip = client.present() ? false : `there is no ${client.name} here: ${client.install}`;
  void t.test(
    `${client.name}: a directory goes in, survives kill -9 and comes out the same`,
    { skip },
    async (t) => {
      const server = await TestServer.start(t);
      await server.process.setPolicies('WRITE_BACK');
      const from = join(server.directory, 'from');
      const to = join(server.directory, 'to');
      await mkdir(to);
      await writeFiles(from);
      const commands = client.commands(server, from, to);
      for (const [i, [command = '', ...commandArguments]] of commands.entries()) {
        if (i === commands.length - 1 && i > 0) {
          await server.process.kill();
          await server.restart();
        }
        const result = await runCommand(command, commandArguments, CREDENTIALS);
        t.equal(result.code, 0, `${commandArguments.join(' ')}\n${result.stdout}${result.stderr}`);
        if (result.stdout.includes('deep/er/file.bin')) t.match(result.stdout, 'large.bin', 'it lists all');
      }
      await checkFiles(t, to);
      await eventually(
        async () => (await server.status()).pendingObjects === 0,
        async () => (await server.process.admin('GET', '/api/v1/async-persist?limit=5')).text,
      );
      await checkFiles(t, join(server.ufsDirectory, 'stock'));
    },
  );
}

const noDuckdb = has('python3', '-c', 'import duckdb, duckdb_ext')
  ? false
  : 'there is no DuckDB with its httpfs here: pip install duckdb==1.4.4 duckdb-ext-httpfs==1.4.4.20260205';

void t.test(
  'DuckDB: a partitioned table is written, survives kill -9 and is read',
  { skip: noDuckdb },
  async (t) => {
    const server = await TestServer.start(t);
    await server.process.setPolicies('WRITE_BACK');
    t.equal((await fetch(`${server.endpoint}/stock`, { method: 'PUT' })).status, 200);
    const run = (...more: string[]): ReturnType<typeof runCommand> =>
      runCommand('python3', ['-c', DUCKDB_PROGRAM, server.endpoint, ...more], CREDENTIALS);
    const written = await run('write');
    t.equal(written.code, 0, written.stderr);
    await server.process.kill();
    await server.restart();
    const read = await run();
    t.equal(read.code, 0, read.stderr);
    t.same(read.stdout.trim().split('\n'), ['(200000, 19999900000, 7)', '(28571,)', '(45,)']);
  },
);

async function writeFiles(directory: string): Promise<void> {
  for (const [name, size] of Object.entries(FILES)) {
    await mkdir(dirname(join(directory, name)), { recursive: true });
    await writeFile(join(directory, name), makeBody(size, size));
  }
}

async function checkFiles(t: Test, directory: string): Promise<void> {
  const entries = await readdir(directory, { recursive: true, withFileTypes: true });
  const found = entries.filter((entry) => entry.isFile()).map((entry) => join(entry.parentPath, entry.name));
  const expected = Object.keys(FILES).map((name) => join(directory, name));
  t.same(found.sort(), expected.sort(), `the files in ${directory}`);
  for (const [name, size] of Object.entries(FILES)) {
    const bytes = await readFile(join(directory, name));
    t.ok(bytes.equals(makeBody(size, size)), `${name} in ${directory}`);
  }
}
