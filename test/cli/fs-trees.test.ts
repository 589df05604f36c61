import t from 'tap';
import { CliFixture } from './cli-fixture.js';

void t.test('fs du: sums in columns, with a total', async (t) => {
  const fixture = await CliFixture.open(t);
  const { stdout } = await fixture.run(['fs', 'du', 's3://b/']);
  t.same(
    stdout
      .trimEnd()
      .split('\n')
      .map((line) => line.split(/ {2,}/)),
    [
      ['OBJECTS', 'SIZE', 'CACHED', 'DIRTY', 'PERSISTED', 'PATH'],
      ['3', '3 KiB', '2 KiB', '1 KiB', '2 KiB', '/b/dir/'],
      ['3', '3 KiB', '2 KiB', '1 KiB', '2 KiB', 'total'],
    ],
  );
  t.match(JSON.parse((await fixture.run(['fs', 'du', '/b/', '--json'])).stdout), {
    total: { dirtyBytes: 1024 },
  });
  t.match((await fixture.run(['fs', 'du', '/b/'], { terminal: true })).stderr, '3 objects, 3 KiB');
});

void t.test(
  'fs rm: one object at once, a directory only with --yes, and 1 when something stays',
  async (t) => {
    const fixture = await CliFixture.open(t);
    t.match(await fixture.run(['fs', 'rm', 's3://b/k']), {
      exitCode: 0,
      stdout: 'removed 2 objects of 2 KiB\n',
    });
    t.match(await fixture.run(['fs', 'rm', '-R', '/b/dir/']), {
      exitCode: 2,
      stderr: /below \/b\/dir\/ would be removed.*add --yes/,
    });
    t.same(
      fixture.admin.removals,
      [{ path: '/b/k', recursive: false }],
      'nothing was asked for without --yes',
    );
    t.match(await fixture.run(['fs', 'rm', '-R', '--yes', '/b/dir/', '--json']), {
      exitCode: 0,
      stdout: /"objects": 2/,
    });
    fixture.admin.unremovable = ['/b/dir/a\x1b[2J'];
    const failed = await fixture.run(['fs', 'rm', '-R', '-y', '/b/dir/']);
    t.equal(failed.exitCode, 1);
    t.match(
      failed.stderr,
      /^\/b\/dir\/a\\x1b\[2J: it is read only \(READ_ONLY_PATH\)\nerror: 1 objects could not be removed/,
    );
  },
);
