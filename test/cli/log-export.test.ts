import t from 'tap';
import type { MemoryAdminService } from '../support/memory-admin-service.js';
import { HeadraceError } from '../../src/core/errors.js';
import { CliFixture, runCli } from './cli-fixture.js';

function fill(admin: MemoryAdminService): void {
  for (let i = 0; i < 3; i++)
    admin.append(1, {
      type: 'ObjectCommitted',
      bucket: 'b',
      key: `k${i}`,
      origin: 'WRITE',
      object: {
        size: 100 + i,
        etag: 'd41d8cd98f00b204e9800998ecf8427e',
        lastModifiedMs: 1,
        policy: 'WRITE_BACK',
        state: 'PENDING',
        extents: [{ segment: 1, position: i * 1000, size: 100 + i, checksum: 1n }],
        headers: { system: {}, user: {} },
      },
    });
}

void t.test('log export and replay: the file is written, and folded to what it tells', async (t) => {
  const fixture = await CliFixture.open(t);
  fill(fixture.admin);
  const binaries = new Map<string, Buffer>();
  const run = (...args: string[]) => fixture.run(['log', ...args], { binaries });
  t.match(await run('export', '-o', 'a.hrlog'), {
    exitCode: 0,
    stdout: /^wrote [\d.]+ (B|KiB) to a.hrlog\n$/,
    stderr: '',
  });
  t.match(await run('export', '-o', 'a.hrlog'), {
    exitCode: 1,
    stderr: /a.hrlog is there already: use --force/,
  });
  const json = JSON.parse((await run('export', '-o', 'a.hrlog', '--force', '--json')).stdout);
  t.equal(json.sizeBytes, binaries.get('a.hrlog')?.length);

  const summary = await run('replay', 'a.hrlog');
  t.match(summary.stdout, /folded +3 events, to offset 3/);
  t.match(summary.stdout, /state +whole, hash [0-9a-f]{16}\n/);
  t.match(summary.stdout, /pinned bytes +303 B \(303\)\n/);
  const pinned = await run('replay', 'a.hrlog', '--until', '2', '--show', 'pinned');
  t.match(pinned.stdout, /^BYTES .*\n101 B .*\/b\/k1\n100 B .*\/b\/k0\n$/);
  t.match(JSON.parse((await run('replay', 'a.hrlog', 's3://b/k1', '--show', 'object', '--json')).stdout), {
    record: { size: 101 },
    upload: { version: 1 },
  });
  t.match(await run('replay', 'a.hrlog', '--show', 'object', '/b/k9'), {
    exitCode: 1,
    stderr: /at offset 3 the cache neither holds s3:\/\/b\/k9 nor .*: log history tells what became of it/,
  });
  t.equal((await run('replay', 'a.hrlog', '--show', 'orphans')).stdout, 'there are none\n');
  const uploads = await run('replay', 'a.hrlog', '--show', 'uploads', '--json');
  t.same(
    uploads.stdout
      .trimEnd()
      .split('\n')
      .map((line) => JSON.parse(line).key),
    ['k0', 'k1', 'k2'],
  );
  const diff = await run('replay', 'a.hrlog', '--diff', '1', '2');
  t.match(diff.stdout, '+ s3://b/k1: version 1, 101 bytes, PENDING\n');
  t.match(diff.stdout, '~ objects: 1 → 2\n');
  t.notMatch(diff.stdout, 'k0');
  t.match(JSON.parse((await run('replay', 'a.hrlog', '--diff', '2', '2', '--json')).stdout), {
    from: 2,
    to: 2,
    changes: [],
  });
});

void t.test('log replay: steps forward and back, event by event', async (t) => {
  const fixture = await CliFixture.open(t);
  fill(fixture.admin);
  const binaries = new Map<string, Buffer>();
  const run = (...args: string[]) => fixture.run(['log', ...args], { binaries });
  await run('export', '-o', 'a.hrlog');
  const forward = await run('replay', 'a.hrlog', '--until', '1', '--steps', '2');
  t.match(
    forward.stdout,
    /^1:1 .* s3:\/\/b\/k1: put by one request: 101 bytes.*\n {2}\+ s3:\/\/b\/k1: version 1, 101 bytes, PENDING\n/,
  );
  t.match(forward.stdout, /\n1:2 .* s3:\/\/b\/k2: put by one request.*\n(.*\n)* {2}~ objects: 2 → 3\n/);
  t.notMatch(forward.stdout, 'k0');
  const back = await run('replay', 'a.hrlog', '--until', '3', '--steps', '-2');
  t.equal(back.stdout, forward.stdout, 'the two events before offset 3 are the two from offset 1 on');
  const lines = (await run('replay', 'a.hrlog', '--until', '2', '--steps', '-9', '--json')).stdout;
  t.match(
    lines
      .trimEnd()
      .split('\n')
      .map((line) => JSON.parse(line)),
    [
      { offset: 0, type: 'ObjectCommitted', key: 'k0', changes: Array },
      { offset: 1, words: /^put by one request/ },
    ],
  );
  t.match(await run('replay', 'a.hrlog', '--until', '2', '--steps', '5'), {
    exitCode: 1,
    stderr: /the export has offsets 0 to 3 of partition 1: 4 is not among them/,
  });
});

void t.test('log export: with hashed keys it prints the salt, and names are gone', async (t) => {
  const fixture = await CliFixture.open(t);
  fill(fixture.admin);
  const binaries = new Map<string, Buffer>();
  const run = await fixture.run(['log', 'export', '--hash-keys', '-o', 'h.hrlog', '--json'], { binaries });
  t.same(JSON.parse(run.stdout), {
    file: 'h.hrlog',
    sizeBytes: binaries.get('h.hrlog')?.length,
    salt: '07'.repeat(16),
  });
  t.match((await fixture.run(['log', 'replay', 'h.hrlog'], { binaries })).stdout, /with hashed names/);
});

void t.test('log export and replay: mistakes are named', async (t) => {
  const fixture = await CliFixture.open(t);
  fill(fixture.admin);
  const binaries = new Map<string, Buffer>([['text', Buffer.from('this is no export of anything')]]);
  const cases: [args: string[], exitCode: number, message: RegExp][] = [
    [['export'], 2, /required option '-o, --output <file>'/],
    [['export', '-o', 'x', '--prefix', 'p'], 2, /--prefix needs --bucket/],
    [['export', '-o', 'x', '--salt', 'c0ffee00'], 2, /--salt is for --hash-keys/],
    [['export', '-o', 'x', '--hash-keys', '--salt', 'XY'], 2, /--salt XY: write 8 to 128 digits/],
    [['export', '-o', 'x', '--from', '9'], 1, /offsets 0 to 3/],
    [['export', '-o', 'x', '--to', '9'], 1, /9 is behind its end/],
    [['replay', 'none'], 1, /there is no file none/],
    [['replay', 'text'], 1, /not an export of a log: make one with/],
    [['replay', 'text', '--show', 'object'], 2, /text names no object. Write it as/],
    [['replay', 's3://b/k'], 2, /belong together/],
    [['replay', 'text', '/b/k'], 2, /belong together/],
    [['replay', 'text', '--diff', '1'], 2, /two offsets, not 1/],
    [['replay', 'text', '--diff', '1', '2', '--until', '1'], 2, /leave --until out/],
    [['replay', 'text', '--diff', '1', '2', '--show', 'pinned'], 2, /give one of them/],
    [['replay', 'text', '--steps', '2'], 2, /--steps needs --until/],
    [['replay', 'text', '--until', '1', '--steps', '0'], 2, /from 1 to 1000, or as many with a minus/],
    [['replay', '--until', '1', '--endpoint', 'http://127.0.0.1:1'], 3, /no server at|cannot be reached/],
    [['replay', '--until', '5', '--steps', '101'], 2, /--steps 101: a server tells at most 100 at a time/],
    [['replay', '--until', '9'], 1, /offsets 0 to 3: 9 is behind the end of its log/],
    [['replay', '/b/none', '--show', 'object'], 1, /at offset 3 the cache neither holds s3:\/\/b\/none/],
    [['replay', '--diff', '1', '2', 'text'], 2, /Name the file before --diff/],
  ];
  for (const [args, exitCode, message] of cases) {
    const run = await fixture.run(['log', ...args], { binaries });
    t.equal(run.exitCode, exitCode, args.join(' '));
    t.match(run.stderr, message, args.join(' '));
  }
  t.same([...binaries.keys()], ['text'], 'nothing was written');
  t.match(await runCli(['log', 'replay', 'text', '--until', '-1'], { binaries }), { exitCode: 2 });
});

void t.test('log replay: a server tells what a file of its log does', async (t) => {
  const fixture = await CliFixture.open(t);
  fill(fixture.admin);
  const binaries = new Map<string, Buffer>();
  const run = async (...args: string[]) => {
    const told = await fixture.run(['log', ...args], { binaries });
    t.equal(told.exitCode, 0, told.stderr);
    return told.stdout;
  };
  await run('export', '-o', 'a.hrlog');
  const server = ['--endpoint', fixture.endpoint];
  t.match(await run('replay', ...server), /^server +http:.*\npartition +1, from the beginning of the log\n/);
  t.match(await run('replay', ...server), /\nstate +whole\npinned|objects +3\n/);
  for (const question of [
    ['--show', 'pinned'],
    ['--until', '2', '--show', 'uploads'],
    ['--until', '2', '--show', 'uploads', '--json'],
    ['--show', 'orphans'],
    ['--diff', '2', '1'],
    ['--diff', '1', '3', '--json'],
    ['--until', '1', '--steps', '2'],
    ['--until', '3', '--steps', '-2', '--json'],
  ])
    t.equal(
      await run('replay', ...server, ...question),
      await run('replay', 'a.hrlog', ...question),
      question.join(' '),
    );
  t.equal(
    await run('replay', ...server, 's3://b/k1', '--show', 'object'),
    await run('replay', 'a.hrlog', 's3://b/k1', '--show', 'object'),
  );
  fixture.admin.inspection.replay = async () => ({
    replayed: { partition: 1, from: 0, offset: 3, complete: true, events: 3, checkpoints: [] },
    pinned: [],
    omitted: 7,
  });
  t.match(await fixture.run(['log', 'replay', ...server, '--show', 'pinned']), {
    stderr: /7 more are left out, .*: log export takes a file/,
  });
});

void t.test('log replay: without a data directory here the server is asked', async (t) => {
  const fixture = await CliFixture.open(t);
  fill(fixture.admin);
  const openOffline = (): Promise<never> =>
    Promise.reject(new HeadraceError('DATA_DIRECTORY_UNUSABLE', 'data holds no log'));
  const asked = await fixture.run(['log', 'replay'], { openOffline });
  t.match(asked, { exitCode: 0, stderr: /no log in .*: asking the server at http/ });
  t.match(await fixture.run(['log', 'replay', '--data-dir', 'data'], { openOffline }), {
    exitCode: 1,
    stderr: /holds no log/,
  });
  await fixture.close();
  t.match(await fixture.run(['log', 'replay'], { openOffline }), { exitCode: 1, stderr: /holds no log/ });
});
