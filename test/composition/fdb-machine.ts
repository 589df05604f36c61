/** A machine with data directories and a cluster file, whose FoundationDB is simulated behind its npm package. */
import path from 'node:path';
import type { Test } from 'tap';
import { SILENT_LOGGER } from '../../src/core/logger.js';
import { loadSettings, type Settings } from '../../src/settings/settings.js';
import { FakeBinding } from '../adapters/foundationdb/fake-binding.js';
import { FdbWorld } from '../log/fdb/fdb-world.js';

export class FdbMachine {
  readonly world = new FdbWorld();
  readonly binding = new FakeBinding(this.world.database);
  readonly directory: string;
  readonly context = {
    version: 'test',
    logger: SILENT_LOGGER,
    importModule: () => Promise.resolve(this.binding),
  };

  constructor(t: Test) {
    this.directory = clusterDirectory(t);
  }

  /** Of a server with the data directory of that name. */
  settings(name = 'data', env: Readonly<Record<string, string>> = {}): Settings {
    return loadSettings({
      env: {
        HEADRACE_DATA_DIR: path.join(this.directory, name),
        HEADRACE_FDB_CLUSTER_FILE: clusterFileIn(this.directory),
        HEADRACE_WORKER_PAGE_STORE_SIZE: '64MiB',
        ...env,
      },
      flags: [],
      readText: () => undefined,
    });
  }

  run<Value>(work: Promise<Value>): Promise<Value> {
    return runBeside(this.world, work);
  }
}

/** A new directory with a cluster file. */
export function clusterDirectory(t: Test): string {
  return t.testdir({ 'fdb.cluster': 'test:1@127.0.0.1:4500\n' });
}

export function clusterFileIn(directory: string): string {
  return path.join(directory, 'fdb.cluster');
}

/** For work that waits for real files and sockets as well as for the virtual time of the database. */
export async function runBeside<Value>({ scheduler }: FdbWorld, work: Promise<Value>): Promise<Value> {
  let settled = false;
  const end = (): void => void (settled = true);
  work.then(end, end);
  while (!settled) {
    await new Promise((resolve) => setImmediate(resolve));
    await scheduler.run(scheduler.nowMs + 1);
  }
  return work;
}
