/** A whole server whose log another process takes over: it answers that, and stops by itself. */
import { connect } from 'node:net';
import path from 'node:path';
import { once } from 'node:events';
import t from 'tap';
import { runServer } from '../../src/composition/run-server.js';
import type { Logger } from '../../src/core/logger.js';
import { loadSettings } from '../../src/settings/settings.js';
import { FakeBinding } from '../adapters/foundationdb/fake-binding.js';
import { runCli } from '../cli/cli-fixture.js';
import { FdbWorld } from '../log/fdb/fdb-world.js';
import { HeadraceError } from '../../src/core/errors.js';

void t.test('a server whose log was taken over refuses the write, and stops with LOG_FENCED', async (t) => {
  const world = new FdbWorld();
  const binding = new FakeBinding(world.database);
  const directory = t.testdir({ 'fdb.cluster': 'test:1@127.0.0.1:4500\n' });
  const settings = loadSettings({
    env: {
      HEADRACE_DATA_DIR: path.join(directory, 'data'),
      HEADRACE_FDB_CLUSTER_FILE: path.join(directory, 'fdb.cluster'),
      HEADRACE_S3_PORT: '0',
      HEADRACE_ADMIN_PORT: '0',
      HEADRACE_WORKER_PAGE_STORE_SIZE: '64MiB',
      HEADRACE_SHUTDOWN_GRACE: '1s',
    },
    flags: [],
    readText: () => undefined,
  });
  const logged: string[] = [];
  const quiet = (): void => undefined;
  const logger: Logger = {
    debug: quiet,
    info: quiet,
    warn: quiet,
    error: (_fields, message) => logged.push(message),
  };
  let tellRunning: (s3Port: number) => void = quiet;
  const running = new Promise<number>((resolve) => (tellRunning = resolve));
  const server = runServer(settings, {
    version: 'test',
    logger,
    importModule: async () => binding,
    print: (text) => {
      const port = /S3 endpoint +http:\/\/127\.0\.0\.1:(\d+)/.exec(text)?.[1];
      if (port !== undefined) tellRunning(Number(port));
    },
    note: quiet,
    stop: new AbortController().signal,
  });
  const ended = server.then(
    () => undefined,
    (error: unknown) => error,
  );
  // The database lives in virtual time, the server in real time.
  let done = false;
  void ended.then(() => (done = true));
  const time = (async () => {
    while (!done) {
      await world.scheduler.run(world.scheduler.nowMs + 1);
      await new Promise((resolve) => setImmediate(resolve));
    }
  })();
  const port = await Promise.race([running, ended.then((error) => Promise.reject(error as Error))]);
  const put = (target: string): Promise<string> => statusOf(port, `PUT ${target} HTTP/1.1`);
  t.equal(await put('/bucket'), '200');
  // The process that takes over has the same store, as a restart on another machine with the restored data directory would.
  const { store } = world.process();
  await store.openPartition(0);
  const taken = await store.openPartition(1);
  t.equal(taken.epoch, 2);
  t.equal(await put('/another'), '503');
  const error = await ended;
  await time;
  t.ok(error instanceof HeadraceError && error.code === 'LOG_FENCED', String(error));
  t.same(
    logged.filter((message) => message.includes('another owner')),
    ['another owner has taken the log over: no more writes here'],
  );
  t.equal(binding.closed, 1);
  t.equal(taken.epoch, 2, 'nobody took it back');
});

void t.test('start: a server that was fenced ends with an exit code of its own', async (t) => {
  const lost = new HeadraceError('LOG_FENCED', 'another owner has taken partition 1 over');
  const { exitCode, stderr } = await runCli(['start'], { startServer: () => Promise.reject(lost) });
  t.equal(exitCode, 6);
  t.equal(stderr, 'error: another owner has taken partition 1 over\n');
});

/** Status of a request without a body, over a connection of its own. */
async function statusOf(port: number, requestLine: string): Promise<string> {
  const socket = connect(port, '127.0.0.1');
  socket.end(`${requestLine}\r\nhost: 127.0.0.1\r\ncontent-length: 0\r\nconnection: close\r\n\r\n`);
  let answer = '';
  socket.setEncoding('latin1').on('data', (text: string) => (answer += text));
  await once(socket, 'close');
  return answer.split(' ')[1] ?? '';
}
