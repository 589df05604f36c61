/** Whole servers on a real FoundationDB: what a crash, a lost index and a second server come to. */
import fs from 'node:fs/promises';
import path from 'node:path';
import t, { type Test } from 'tap';
import { range } from '../log/log-world.js';
import { runCli, TestServer } from '../support/headrace-process.js';
import { fdbSuite, type FdbServer } from './fdb-server.js';

/** More than a few checkpoints of the index. */
const OBJECTS = 350;
const AT_ONCE = 10;

function environmentOf(server: FdbServer): Record<string, string> {
  return {
    HEADRACE_FDB_CLUSTER_FILE: server.clusterFile,
    HEADRACE_FOUNDATIONDB_KEY_PREFIX: server.prefix().toString(),
    HEADRACE_FOUNDATIONDB_CONNECT_TIMEOUT: '30s',
    HEADRACE_FOUNDATIONDB_RETENTION_TIME: '0ms',
    HEADRACE_INDEX_CHECKPOINT_CHANGES: '100',
    HEADRACE_WORKER_PAGE_STORE_SIZE: '128MiB',
  };
}

async function put(t: Test, headrace: TestServer, name: string, body?: string): Promise<void> {
  const response = await fetch(`${headrace.endpoint}/bucket${name}`, {
    method: 'PUT',
    ...(body === undefined ? {} : { body }),
  });
  await response.arrayBuffer();
  t.equal(response.status, 200, `PUT /bucket${name}`);
}

async function checkObjects(t: Test, headrace: TestServer): Promise<void> {
  const wrong: number[] = [];
  for (const number of range(0, OBJECTS)) {
    const response = await fetch(`${headrace.endpoint}/bucket/key-${number}`);
    if ((await response.text()) !== `object ${number}`) wrong.push(number);
  }
  t.same(wrong, []);
}

await fdbSuite('FoundationDB server', (server) => {
  void t.test(
    'FoundationDB server: killed, and its index lost, it has everything that it acknowledged',
    async (t) => {
      const environment = environmentOf(server);
      const headrace = await TestServer.start(t, { environment });
      await put(t, headrace, '');
      for (let first = 0; first < OBJECTS; first += AT_ONCE)
        await Promise.all(
          range(first, first + AT_ONCE).map((number) =>
            put(t, headrace, `/key-${number}`, `object ${number}`),
          ),
        );
      await headrace.process.kill();
      const offline = await runCli(['log', 'head', '--json', '--data-dir', headrace.dataDirectory], {});
      t.equal(offline.code, 0, offline.stderr);
      t.match(JSON.parse(offline.stdout), [
        { partition: 0, durableOffset: 1 },
        { partition: 1, epoch: 1 },
      ]);
      await headrace.restart();
      await checkObjects(t, headrace);
      await headrace.process.kill();
      await fs.rm(path.join(headrace.dataDirectory, 'index'), { recursive: true });
      await headrace.restart();
      await checkObjects(t, headrace);
      await headrace.process.kill();
      const incarnated = await runCli(
        ['log', 'incarnate', '--data-dir', headrace.dataDirectory],
        environment,
      );
      t.equal(incarnated.code, 0, incarnated.stderr);
      await headrace.restart();
      await checkObjects(t, headrace);
    },
  );

  void t.test(
    'FoundationDB server: a second one on a copy is refused while the first is alive',
    async (t) => {
      // A newcomer waits for two of them; a server that cannot renew one within its half answers nothing.
      const environment = { ...environmentOf(server), HEADRACE_FOUNDATIONDB_LEASE_TIME: '5s' };
      const headrace = await TestServer.start(t, { environment });
      await put(t, headrace, '');
      const copy = path.join(headrace.directory, 'copy');
      // The lock names a process of this machine, which another machine has not.
      const filter = (source: string): boolean => !source.endsWith('headrace.pid');
      await fs.cp(headrace.dataDirectory, copy, { recursive: true, filter });
      const second = await runCli(['start', '--data-dir', copy], {
        ...environment,
        HEADRACE_S3_PORT: '0',
        HEADRACE_ADMIN_PORT: '0',
        HEADRACE_UFS: headrace.ufsDirectory,
      });
      t.equal(second.code, 6, second.stderr);
      t.match(second.stderr, /owned by another Headrace that is alive/);
      await put(t, headrace, '/key-0', 'object 0');
    },
  );
});
