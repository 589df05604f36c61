import t from 'tap';
import { CliFixture } from './cli-fixture.js';

void t.test('user: add prints the secret once; show, list and log do not know it', async (t) => {
  const fixture = await CliFixture.open(t);
  t.equal((await fixture.run(['user', 'list'])).stdout, 'there are no users\n');
  const add = await fixture.run(['user', 'add', 'alice', '--grant', 'read:photos', '--grant', 'list:photos']);
  t.equal(add.exitCode, 0);
  const secret = /secret key +(\S{40})\n/.exec(add.stdout)?.[1] ?? '';
  const key = /access key +(HR\S{18})\n/.exec(add.stdout)?.[1] ?? '';
  t.not(secret, '');
  const show = await fixture.run(['user', 'show', 'alice']);
  t.match(show.stdout, `key      ${key}  enabled`);
  t.match(show.stdout, 'grant    read,list:photos');
  const list = await fixture.run(['user', 'list', '--json']);
  t.match(JSON.parse(list.stdout), [{ name: 'alice', keys: [{ id: key }] }]);
  t.notMatch(show.stdout + list.stdout, secret);
});

void t.test('user: rotate, disable, enable, grant, revoke and rm', async (t) => {
  const fixture = await CliFixture.open(t);
  const json = async (...args: string[]): Promise<Record<string, unknown>> => {
    const { exitCode, stdout, stderr } = await fixture.run(['user', ...args, '--json']);
    t.equal(exitCode, 0, stderr);
    return JSON.parse(stdout) as Record<string, unknown>;
  };
  const { accessKeyId: first } = await json('add', 'alice');
  const { accessKeyId: second } = await json('rotate', 'alice');
  t.match(await json('disable', 'alice', '--key', String(first)), {
    keys: [
      { id: first, enabled: false },
      { id: second, enabled: true },
    ],
  });
  t.match(await json('disable', 'alice'), { enabled: false });
  t.match(await json('enable', 'alice'), { enabled: true });
  t.match(await json('grant', 'alice', 'admin:one', 'read:two/x y'), {
    grants: ['admin:one', 'read:two/x y'],
  });
  t.match(await json('revoke', 'alice', 'admin:one'), { grants: ['read:two/x y'] });
  await json('rm', 'alice', '--key', String(first));
  t.match(await json('show', 'alice'), { keys: [{ id: second }] });
  t.same(await json('rm', 'alice'), { name: 'alice' });
  t.match(await fixture.run(['user', 'show', 'alice']), {
    exitCode: 1,
    stderr: 'error: there is no user "alice"\n',
  });
});

void t.test('user: mistakes are refused before or by the server', async (t) => {
  const fixture = await CliFixture.open(t);
  const wrong = await fixture.run(['user', 'add', 'a', '--grant', 'all:b']);
  t.match(wrong, { exitCode: 2, stderr: /write RIGHTS:BUCKET/ });
  t.match(await fixture.run(['user', 'add', 'a b']), { exitCode: 1, stderr: /"a b" is not valid/ });
  await fixture.run(['user', 'add', 'a']);
  t.match(await fixture.run(['user', 'add', 'a', '--json']), { exitCode: 1, stderr: /USER_EXISTS/ });
  t.match((await fixture.run(['user', 'add', 'b'])).stderr, /may do nothing yet/);
});

void t.test(
  'user: a key pair of one’s own is taken from a file or standard input, and not told again',
  async (t) => {
    const fixture = await CliFixture.open(t);
    const pair = ['--access-key', 'AKSPARK'];
    const piped = await fixture.run(['user', 'add', 'spark', ...pair, '--secret-key-file', '-'], {
      input: 'a-secret-of-our-own\n',
    });
    t.match(piped, { exitCode: 0, stdout: /access key +AKSPARK/ });
    t.notMatch(piped.stdout + piped.stderr, 'a-secret-of-our-own');
    t.match((await fixture.run(['user', 'show', 'spark'])).stdout, 'key      AKSPARK  enabled');
    for (const [wrong, message] of [
      [['--access-key', 'AK'], /--secret-key-file/],
      [['--secret-key-file', '-'], /--access-key/],
      [['--access-key', 'A K', '--secret-key-file', '-'], /"A K" is not valid/],
      [[...pair, '--secret-key-file', '/nowhere'], /no file "\/nowhere"/],
      [[...pair, '--secret-key-file', '-'], /"AKSPARK" belongs to the user "spark"/],
    ] as const) {
      const result = await fixture.run(['user', 'add', 'other', ...wrong], { input: 'another-secret' });
      t.not(result.exitCode, 0);
      t.match(result.stderr, message);
      t.notMatch(result.stderr, 'another-secret');
    }
    t.match(await fixture.run(['user', 'rm', 'spark']), { exitCode: 0, stderr: /no user is left/ });
  },
);
