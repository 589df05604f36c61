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

void t.test('status: a log that is in a database is shown with its latency and its failures', async (t) => {
  const fixture = await CliFixture.open(t);
  t.notMatch((await fixture.run(['status'])).stdout, 'log is in');
  fixture.admin.logBackend = {
    description: 'FoundationDB, /etc/foundationdb/fdb.cluster, below headrace/',
    reads: { count: 0, meanMs: 0, p99Ms: 0 },
    commits: { count: 120, meanMs: 3.42, p99Ms: 10 },
    errors: { 1020: 2, 1021: 1 },
  };
  const { stdout } = await fixture.run(['status']);
  t.match(stdout, /log is in +FoundationDB, \/etc\/foundationdb\/fdb\.cluster, below headrace\//);
  t.match(stdout, / {2}reads +none/);
  t.match(stdout, / {2}commits +120, 3\.4 ms on average, 99 % within 10 ms/);
  t.match(stdout, / {2}failed +2 with 1020, 1 with 1021/);
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

void t.test('job load: follows the job, detaches from it, lists and cancels', async (t) => {
  const fixture = await CliFixture.open(t);
  t.same(await fixture.run(['job', 'list']), { exitCode: 0, stdout: 'there are no jobs\n', stderr: '' });
  const plain = await fixture.run(['job', 'load', 's3://b/train/']);
  t.same(plain, {
    exitCode: 0,
    stdout: 'loaded 3 KiB of 3 objects; 1 were there already\n',
    stderr: 'job 1 runs; Ctrl-C ends the wait, not the job\n',
  });
  const terminal = await fixture.run(['job', 'load', '/b/train/'], { terminal: true });
  t.match(terminal.stderr, /of 4 objects/, 'a bar on a terminal only');
  const json = await fixture.run(['job', 'load', '/b/x', '--detach', '--concurrency', '3', '--json']);
  t.match(JSON.parse(json.stdout), { id: '3', state: 'RUNNING', concurrency: 3, path: '/b/x' });
  const failed = await fixture.run(['job', 'load', '/b/bad/']);
  t.equal(failed.exitCode, 1);
  t.match(failed.stderr, /job 4 is FAILED: the store answers 503/);
  t.match((await fixture.run(['job', 'list'])).stdout, /^ID .*\n4 +load +FAILED .*503\n3 +load +RUNNING /);
  t.match((await fixture.run(['job', 'cancel', '3'])).stdout, /^job 3 is CANCELLED/);
  t.match((await fixture.run(['job', 'cancel', '9'])).stderr, /no job "9"/);
  t.equal((await fixture.run(['job', 'cancel', 'x'])).exitCode, 2);
});

void t.test('mount: add, list, remove', async (t) => {
  const fixture = await CliFixture.open(t);
  t.match((await fixture.run(['mount', 'list'])).stdout, /^nothing is mounted/);
  const add = ['mount', 'add', '/archive', 's3://company', '--option', 'region=x', '--option', 'a=b=c'];
  t.equal((await fixture.run(add)).stdout, 'mounted s3://company at /archive\n');
  t.match((await fixture.run(add)).stderr, /mounted already/);
  t.match((await fixture.run(['mount', 'list'])).stdout, /\n\/archive +s3:\/\/company +region=x a=b=c\n/);
  const wrong = await fixture.run(['mount', 'remove', '/archive', '--timeout', '5s']);
  t.same([wrong.exitCode, wrong.stdout], [2, '']);
  const removed = await fixture.run(['mount', 'remove', '/archive', '--force']);
  t.same(
    removed.stdout,
    'removed the mount at /archive\nlost: 3 objects (3 KiB) and 0 deletes that the UFS had yet to learn\n',
  );
  await fixture.run(add);
  const drained = await fixture.run(['mount', 'remove', '/archive', '--drain']);
  t.same(drained, { exitCode: 0, stdout: 'removed the mount at /archive\n', stderr: '' });
  t.equal((await fixture.run(['mount', 'remove', '/archive'])).exitCode, 1);
});

void t.test('async-persist list: filters and pages', async (t) => {
  const fixture = await CliFixture.open(t);
  for (let version = 0; version < 1500; version++)
    fixture.admin.pending.push(
      persistEntry(`k${version}`, version, {
        bucket: version % 2 === 0 ? 'b' : 'other',
        phase: 'QUARANTINED',
        cause: version % 4 === 0 ? 'UFS_DENIED' : 'UFS_REJECTED',
      }),
    );
  const count = async (...args: string[]): Promise<number> => {
    const { stdout } = await fixture.run(['async-persist', 'list', '--json', ...args]);
    return stdout.split('\n').length - 1;
  };
  t.equal(await count(), 1500);
  t.equal(await count('--bucket', 'other'), 750);
  t.equal(await count('--prefix', 's3://b/k1'), 1 + 5 + 50 + 250 - 1);
  t.equal(await count('--cause', 'UFS_DENIED'), 375);
  t.equal(await count('--state', 'WAITING'), 0);
  t.equal(await count('--limit', '7'), 7);
});

void t.test('async-persist retry: one object, a prefix, or all', async (t) => {
  const fixture = await CliFixture.open(t);
  fixture.admin.pending.push(persistEntry('a', 1), persistEntry('b', 2));
  const one = await fixture.run(['async-persist', 'retry', '--path', 's3://b/a']);
  t.equal(one.stdout, '1 object is tried again\n');
  const all = await fixture.run(['async-persist', 'retry', '--all', '--state', 'WAITING', '--json']);
  t.same(JSON.parse(all.stdout), { retried: 2 });
  t.same(fixture.admin.persists.retries, [
    { path: '/b/a', exact: true },
    { path: '/', state: 'WAITING' },
  ]);
  const none = await fixture.run(['async-persist', 'retry']);
  t.equal(none.exitCode, 2);
  t.match(none.stderr, 'one of --path, --prefix and --all');
});

void t.test('async-persist discard: says what would be lost, and does it only when confirmed', async (t) => {
  const fixture = await CliFixture.open(t);
  const persist = persistEntry('k', 3, { phase: 'QUARANTINED' });
  fixture.admin.pending.push(persist);
  fixture.admin.objects.push(objectStat('b', 'k', { persist }));
  const args = ['async-persist', 'discard', '--path', '/b/k', '--reason', 'old'];
  const asked = await fixture.run(args);
  t.equal(asked.exitCode, 2);
  t.match(asked.stderr, /version 3 of \/b\/k \(10 KiB, .*would be lost for good.*--yes/);
  t.equal(fixture.admin.persists.discards.length, 0);
  const done = await fixture.run([...args, '--yes', '--object-version', '3']);
  t.match(done.stdout, /gave up version 3 of \/b\/k: 10 KiB.*readers get what the UFS holds: 3 B/);
  t.match(fixture.admin.persists.discards, [{ bucket: 'b', key: 'k', version: 3, reason: 'old' }]);
  const other = await fixture.run([...args, '--yes', '--object-version', '4']);
  t.equal(other.exitCode, 1);
  t.match(other.stderr, 'not the one that waits');
  t.equal(
    (await fixture.run(['async-persist', 'discard', '--path', '/b/k'])).exitCode,
    2,
    'a reason is needed',
  );
});

void t.test('async-persist export: to a file, and to a directory with a manifest', async (t) => {
  const fixture = await CliFixture.open(t);
  const long = `${'ü'.repeat(100)}/x`;
  for (const [version, key] of ['k', '../../etc/passwd', long].entries()) {
    fixture.admin.pending.push(persistEntry(key, version));
    fixture.admin.persists.bytes.set(`/b/${key}`, Buffer.from(`bytes of ${version}`));
  }
  fixture.admin.pending.push(persistEntry('gone', 9, { kind: 'delete' }));
  const binaries = new Map<string, Buffer>();
  const one = await fixture.run(['async-persist', 'export', '--path', '/b/k', '--to', 'k.bin'], { binaries });
  t.equal(one.stdout, 'saved /b/k to k.bin\n');
  t.equal(binaries.get('k.bin')?.toString(), 'bytes of 0');
  const again = await fixture.run(['async-persist', 'export', '--path', '/b/k', '--to', 'k.bin'], {
    binaries,
  });
  t.match(again, { exitCode: 1, stderr: /is there already/ });
  const all = await fixture.run(['async-persist', 'export', '--prefix', '/', '--to', 'out'], { binaries });
  t.equal(all.stdout, 'saved 3 objects to out\n', all.stderr);
  const manifest = binaries.get('out/manifest.jsonl')?.toString().trim().split('\n') ?? [];
  const lines = manifest.map((line) => JSON.parse(line) as { file: string; key: string; headers: object });
  t.same(
    lines.map(({ key }) => key),
    ['k', '../../etc/passwd', long],
  );
  t.match(lines[0]?.headers, { user: { owner: 'größe' } });
  for (const [at, { file }] of lines.entries()) {
    t.match(file, /^out\/[^/]{1,200}$/, 'in the directory, whatever the key');
    t.equal(binaries.get(file)?.toString(), `bytes of ${at}`);
  }
});
