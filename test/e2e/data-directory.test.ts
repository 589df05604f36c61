/** Whose data directory it is: one process at a time, never somebody else's files, never a format of the future. */
import { readFile, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import t from 'tap';
import { HeadraceProcess } from '../../bench/headrace-process.js';
import { TestServer } from '../support/headrace-process.js';

void t.test('data directory: a second process is refused, with the pid of the first', async (t) => {
  const server = await TestServer.start(t);
  const second = await HeadraceProcess.spawn({ dataDirectory: server.dataDirectory });
  t.teardown(() => second.kill());
  t.not(await second.exited(), 0);
  t.ok(second.stderr.includes(String(server.process.pid)), second.stderr);
  t.ok(server.process.running, 'the first one goes on');
  await server.process.s3('PUT', '/bucket');
});

void t.test(
  'data directory: after kill -9 the lock that is left does not keep the next one out',
  async (t) => {
    const server = await TestServer.start(t);
    await server.process.s3('PUT', '/bucket');
    await server.process.kill();
    await server.restart();
    await server.process.s3('HEAD', '/bucket');
  },
);

void t.test('data directory: files of another program are not touched', async (t) => {
  const directory = t.testdir({ 'precious.txt': 'mine' });
  const server = await HeadraceProcess.spawn({ dataDirectory: directory });
  t.teardown(() => server.kill());
  t.not(await server.exited(), 0);
  t.match(server.stderr, /precious\.txt/);
  t.equal(await readFile(join(directory, 'precious.txt'), 'utf8'), 'mine');
});

void t.test('data directory: a newer format is refused, and left as it is', async (t) => {
  const server = await TestServer.start(t);
  await server.process.stop();
  const marker = join(server.dataDirectory, 'headrace.json');
  const newer = JSON.stringify({ ...JSON.parse(await readFile(marker, 'utf8')), version: 999 });
  await writeFile(marker, newer);
  const next = await server.process.respawn();
  t.teardown(() => next.kill());
  t.not(await next.exited(), 0);
  t.match(next.stderr, /999/);
  t.equal(await readFile(marker, 'utf8'), newer);
});

void t.test('data directory: one that cannot be made is an error with its path', async (t) => {
  const parent = t.testdir({ file: 'not a directory' });
  const server = await HeadraceProcess.spawn({ dataDirectory: join(parent, 'file', 'data') });
  t.teardown(() => server.kill());
  t.not(await server.exited(), 0);
  t.ok(server.stderr.includes(join(parent, 'file')), server.stderr);
});
