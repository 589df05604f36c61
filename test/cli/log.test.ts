import t from 'tap';
import type { OfflineLog } from '../../src/cli/context.js';
import { MemoryAdminService } from '../support/memory-admin-service.js';
import { CliFixture, endpointWithoutServer, runCli } from './cli-fixture.js';

void t.test('log head and cat: every event on a line, partition by partition', async (t) => {
  const fixture = await CliFixture.open(t);
  fixture.admin.append(0, { type: 'BucketCreated', bucket: 'b' });
  for (let i = 0; i < 1200; i++)
    fixture.admin.append(1, { type: 'ObjectCommitted', bucket: 'b', key: `k${i}`, n: i });
  t.match((await fixture.run(['log', 'head'])).stdout, /^PARTITION .*\n0 .*\n1 +1 +0 +0 +1200\n$/);
  const lines = (await fixture.run(['log', 'cat'])).stdout.trimEnd().split('\n');
  t.equal(lines.length, 1201);
  t.equal(lines[0], '0:0         2024-01-02 03:04:05  BucketCreated     /b  {}');
  t.equal(lines[1200], '1:1199      2024-01-02 03:04:05  ObjectCommitted   /b/k1199  {"n":1199}');
  const some = await fixture.run(['log', 'cat', '--partition', '1', '--from', '5', '--limit', '2', '--json']);
  t.same(
    some.stdout
      .trimEnd()
      .split('\n')
      .map((line) => JSON.parse(line).offset),
    [5, 6],
  );
  t.match(await fixture.run(['log', 'cat', '--partition', '7']), { exitCode: 2, stderr: /there are 0, 1/ });
  fixture.admin.oldestOffset = 10;
  t.match(await fixture.run(['log', 'cat', '--partition', '1', '--from', '5']), {
    exitCode: 1,
    stderr: /no longer kept/,
  });
});

void t.test('log tail: prints events of all partitions as they happen, until stopped', async (t) => {
  const fixture = await CliFixture.open(t);
  fixture.admin.append(1, { type: 'Past' });
  const controller = new AbortController();
  let seen = '';
  let reach = () => {};
  const reached = new Promise<void>((resolve) => (reach = resolve));
  const running = fixture.run(['log', 'tail'], {
    signal: controller.signal,
    onOutput: (text) => {
      seen += text;
      if (seen.includes('Second')) reach();
    },
  });
  await fixture.admin.tailsOpen(2);
  fixture.admin.append(0, { type: 'First' });
  fixture.admin.append(1, { type: 'Second' });
  await reached;
  controller.abort();
  const run = await running;
  t.equal(run.exitCode, 0);
  t.match(run.stdout, /0:0 .*First/);
  t.notMatch(run.stdout, 'Past');
});

void t.test('log tail: ends with 1 when the server stops', async (t) => {
  const fixture = await CliFixture.open(t);
  const running = fixture.run(['log', 'tail']);
  await fixture.admin.tailsOpen(2);
  await fixture.close();
  const run = await running;
  t.equal(run.exitCode, 3);
  t.match(run.stderr, /the server at http:\/\/127.0.0.1:\d+ (has stopped|cannot be reached)/);
});

void t.test('log verify: exits with 1 and names the problems when something differs', async (t) => {
  const fixture = await CliFixture.open(t);
  t.match(await fixture.run(['log', 'verify', '--data']), {
    exitCode: 0,
    stdout: /verdict +ok\n[\s\S]*extents +5, 4.9 KiB/,
  });
  fixture.admin.verifyProblems = ['partition 1: frame at offset 9 is bad'];
  const bad = await fixture.run(['log', 'verify'], { terminal: true });
  t.equal(bad.exitCode, 1);
  t.match(bad.stdout, /problem +partition 1: frame at offset 9 is bad\n/);
  t.match(bad.stderr, /100 % +2 of 2 checked/);
  t.match(bad.stderr, /does not verify: 1 problem/);
});

void t.test('log: head, cat and verify read the data directory when no server runs', async (t) => {
  const admin = new MemoryAdminService();
  admin.append(1, { type: 'Lone' });
  let closed = 0;
  const offline: OfflineLog = {
    logHead: () => admin.logHead(),
    logRead: (request) => admin.logRead(request),
    verify: (request) => admin.verify(request),
    inspection: admin.inspection,
    travelTo: () => Promise.reject(new Error('nobody travels here')),
    close: async () => void closed++,
  };
  const endpoint = await endpointWithoutServer();
  const env = { HEADRACE_ADMIN_PORT: new URL(endpoint).port };
  const cat = await runCli(['log', 'cat'], { offline, env });
  t.equal(cat.exitCode, 0);
  t.match(cat.stdout, /1:0 .*Lone/);
  t.match(cat.stderr, /^no server at .*: reading .\/data itself\n$/);
  t.equal((await runCli(['log', 'head'], { offline, env })).exitCode, 0);
  t.equal((await runCli(['log', 'verify'], { offline, env })).exitCode, 0);
  t.equal(closed, 3);
  const named = await runCli(['log', 'cat', '--endpoint', endpoint], { offline, env });
  t.equal(named.exitCode, 3, 'a server that was named must be there');
});
