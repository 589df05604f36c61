import t from 'tap';
import { objectStat, persistEntry } from '../support/memory-admin-service.js';
import { CliFixture } from './cli-fixture.js';

void t.test('status: shows space, what is pending and where the log stands', async (t) => {
  const fixture = await CliFixture.open(t);
  fixture.admin.pending.push(persistEntry('k', 1));
  const { stdout } = await fixture.run(['status']);
  t.match(stdout, 'started 2024-01-02 03:04:05 UTC');
  t.match(stdout, /used +1 GiB of 10 GiB \(10.0 %\)/);
  t.match(stdout, /pending +1 \(the oldest for 90s\)/);
  t.match(stdout, /log +partition 1: durable to 0/);
  t.match(JSON.parse((await fixture.run(['status', '--json'])).stdout), { pendingObjects: 1 });
});

void t.test('fs ls: shows the persist state, size, time and path, over pages', async (t) => {
  const fixture = await CliFixture.open(t);
  for (let i = 0; i < 1001; i++)
    fixture.admin.objects.push(objectStat('b', `k${String(i).padStart(4, '0')}`));
  fixture.admin.objects.push(objectStat('c', 'done', { state: 'PERSISTED', size: 3 }));
  const { stdout } = await fixture.run(['fs', 'ls', 's3://b/']);
  const lines = stdout.trimEnd().split('\n');
  t.equal(lines.length, 1001);
  t.equal(lines[1000], 'NOT_PERSISTED      10 KiB  2024-01-02 03:04:05  /b/k1000');
  const done = await fixture.run(['fs', 'ls', '/c/']);
  t.equal(done.stdout, 'PERSISTED             3 B  2024-01-02 03:04:05  /c/done\n');
  const limited = await fixture.run(['fs', 'ls', '/b', '--limit', '2', '--json']);
  t.same(
    limited.stdout
      .trimEnd()
      .split('\n')
      .map((line) => JSON.parse(line).path),
    ['/b/k0000', '/b/k0001'],
  );
});

void t.test('fs: control characters in keys do not reach the terminal', async (t) => {
  const fixture = await CliFixture.open(t);
  fixture.admin.objects.push(objectStat('b', 'x\x1b[2J\ny\u202e'));
  const ls = await fixture.run(['fs', 'ls', '/b']);
  t.match(ls.stdout, '/b/x\\x1b[2J\\x0ay\\u202e\n');
  const stat = await fixture.run(['fs', 'stat', '/b/x\x1b[2J\ny\u202e']);
  t.notMatch(stat.stdout, '\x1b');
  const missing = await fixture.run(['fs', 'stat', '/b/\x1b[2J']);
  t.equal(missing.exitCode, 1);
  t.notMatch(missing.stderr, '\x1b');
});

void t.test('async-persist: list shows what waits and why, stat one object', async (t) => {
  const fixture = await CliFixture.open(t);
  t.equal((await fixture.run(['async-persist', 'list'])).stdout, 'nothing is pending\n');
  const persist = persistEntry('dir/k', 3);
  fixture.admin.pending.push(persist, persistEntry('other', 4, { phase: 'UPLOADING' }));
  fixture.admin.objects.push(objectStat('b', 'dir/k', { persist }));
  const { stdout } = await fixture.run(['async-persist', 'list']);
  t.match(stdout, /^PHASE +KIND +SIZE +AGE +ATTEMPT/);
  t.match(stdout, /\nWAITING +put +10 KiB +90s +2 +2024-01-02 03:05:05 +\/b\/dir\/k +connection refused\n/);
  const uploading = await fixture.run(['async-persist', 'list', '--state', 'UPLOADING', '--json']);
  t.match(JSON.parse(uploading.stdout), { key: 'other' });
  const stat = await fixture.run(['async-persist', 'stat', '--path', '/b/dir/k']);
  t.match(stat.stdout, /state +PENDING\n[\s\S]*attempts +2\n[\s\S]*last error +connection refused\n/);
  const missing = await fixture.run(['async-persist', 'stat', '--path', '/b/none']);
  t.same(missing, { exitCode: 1, stdout: '', stderr: 'error: the cache does not hold "/b/none"\n' });
});

void t.test('job free: reports what was freed, with progress on a terminal', async (t) => {
  const fixture = await CliFixture.open(t);
  const plain = await fixture.run(['job', 'free', '--path', 's3://b/old/']);
  t.same(plain, {
    exitCode: 0,
    stdout: 'freed 2 KiB of 2 persisted objects, and 1 abandoned writes\n',
    stderr: '',
  });
  t.same(fixture.admin.frees, ['/b/old/']);
  const terminal = await fixture.run(['job', 'free'], { terminal: true });
  t.match(terminal.stderr, '\r\x1b[Kfreed 10 B of 1 persisted');
  t.same(JSON.parse((await fixture.run(['job', 'free', '--json'])).stdout), {
    objects: 2,
    bytes: 2048,
    abandonedWrites: 1,
  });
});

void t.test('mount: add, list, remove', async (t) => {
  const fixture = await CliFixture.open(t);
  t.match((await fixture.run(['mount', 'list'])).stdout, /^nothing is mounted/);
  const add = ['mount', 'add', '/archive', 's3://company', '--option', 'region=x', '--option', 'a=b=c'];
  t.equal((await fixture.run(add)).stdout, 'mounted s3://company at /archive\n');
  t.match((await fixture.run(add)).stderr, /mounted already/);
  t.match((await fixture.run(['mount', 'list'])).stdout, /\n\/archive +s3:\/\/company +region=x a=b=c\n/);
  t.equal((await fixture.run(['mount', 'remove', '/archive'])).exitCode, 0);
  t.equal((await fixture.run(['mount', 'remove', '/archive'])).exitCode, 1);
});
