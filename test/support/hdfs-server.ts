/**
 * A real HDFS, a namenode and a datanode in one process, with WebHDFS on a free port of this machine. Tests that need it are
 * skipped, visibly, where there is no Java or where its jars have not been fetched.
 *
 * The jars are those of test/support/hdfs/pom.xml. Their class path is in the file that HDFS_CLASSPATH_FILE names, or in
 * node_modules/.cache/hdfs-classpath, where the command below puts it.
 */
import { type ChildProcess, spawn } from 'node:child_process';
import { existsSync, mkdirSync, readFileSync } from 'node:fs';
import path from 'node:path';
import { createInterface } from 'node:readline';

export interface HdfsServer {
  /** `host:port` of the namenode's WebHDFS. */
  readonly namenode: string;
  /** Its superuser. */
  readonly user: string;
  close(): Promise<void>;
}

const CLASSPATH_FILE = path.resolve('node_modules/.cache/hdfs-classpath');
const INSTALL =
  'mvn -q -B -f test/support/hdfs/pom.xml dependency:build-classpath -Dmdep.outputFile=$PWD/node_modules/.cache/hdfs-classpath';
const SOURCE = path.resolve('test/support/hdfs/HdfsServer.java');
const START_TIMEOUT_MS = 120_000;
const LISTENING = /^WebHDFS on (\S+) as (\S+)$/;

/** Resolves when files can be written, or with why there is no server and how to install it. `directory` is empty. */
export async function startHdfsServer(directory: string): Promise<HdfsServer | { readonly skip: string }> {
  const file = process.env['HDFS_CLASSPATH_FILE'] ?? CLASSPATH_FILE;
  if (!existsSync(file)) return { skip: `no HDFS to test against; fetch one (60 MB): ${INSTALL}` };
  // The servers look for their web pages, which the jars do not have.
  const classes = path.join(directory, 'classes');
  for (const name of ['hdfs', 'datanode'])
    mkdirSync(path.join(classes, 'webapps', name), { recursive: true });
  const child = spawn(
    'java',
    [
      '-Xmx512m',
      '--add-opens=java.base/java.lang=ALL-UNNAMED',
      '-cp',
      `${classes}:${readFileSync(file, 'utf8').trim()}`,
      SOURCE,
      directory,
    ],
    // It ends when its input does: so also when this process is killed.
    { stdio: ['pipe', 'pipe', 'pipe'] },
  );
  const found = await listeningOf(child);
  if (found === undefined)
    return { skip: 'no HDFS to test against: it did not start (it takes Java 11 or 17)' };
  return { ...found, close: () => stop(child) };
}

function listeningOf(child: ChildProcess): Promise<{ namenode: string; user: string } | undefined> {
  return new Promise((resolve) => {
    const settle = (found: { namenode: string; user: string } | undefined): void => {
      clearTimeout(timer);
      if (found === undefined) child.kill('SIGKILL');
      resolve(found);
    };
    const timer = setTimeout(() => settle(undefined), START_TIMEOUT_MS);
    child.once('error', () => settle(undefined));
    child.once('exit', () => settle(undefined));
    // Read on to the end: a full pipe would stop the server.
    child.stderr?.resume();
    if (child.stdout !== null) {
      createInterface({ input: child.stdout }).on('line', (line) => {
        const [, namenode, user] = LISTENING.exec(line) ?? [];
        if (namenode !== undefined && user !== undefined) settle({ namenode, user });
      });
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
