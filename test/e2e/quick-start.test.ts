/** What a new user does first: start it with no settings at all, store something, see it in the under-store. */
import { mkdtemp, readFile, rm, stat } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import t from 'tap';
import { HeadraceProcess } from '../../bench/headrace-process.js';
import { eventually, runCli } from '../support/headrace-process.js';

void t.test(
  'quick start: it says where things are, stores an object and shows it in ./data/ufs',
  async (t) => {
    const workingDirectory = await mkdtemp(join(tmpdir(), 'headrace-test-'));
    const server = await HeadraceProcess.start({ workingDirectory });
    t.teardown(async () => {
      await server.kill();
      await rm(workingDirectory, { recursive: true, force: true });
    });

    const endpoint = `http://127.0.0.1:${server.s3Port}`;
    await eventually(
      async () => server.stdout.includes('s3 cp'),
      () => `no "s3 cp" line in:\n${server.stdout}`,
    );
    const command = server.stdout.split('\n').find((line) => line.includes('s3 cp')) ?? '';
    t.match(command, /aws .*s3 cp /, 'a first command to try');
    t.ok(command.includes(endpoint), 'with the endpoint that it listens on');
    t.ok(server.stdout.includes(`127.0.0.1:${server.adminPort}`), 'the admin address');
    t.ok(server.stdout.includes('data'), 'the data directory');

    await server.s3('PUT', '/first');
    await server.s3('PUT', '/first/hello.txt', 'hello');
    t.equal(await server.s3('GET', '/first/hello.txt'), 'hello');
    const file = join(workingDirectory, 'data', 'ufs', 'first', 'hello.txt');
    t.equal(await readFile(file, 'utf8'), 'hello', 'the default policy has written it through');

    const tested = await runCli(['pathconfig', 'test', '--path', '/first/hello.txt'], {
      HEADRACE_S3_PORT: String(server.s3Port),
      HEADRACE_ADMIN_PORT: String(server.adminPort),
    });
    t.equal(tested.code, 0, tested.stderr);
    t.match(tested.stdout, /"policyMode": "WRITE_THROUGH"/);

    await server.stop();
    t.equal(await server.exited(), 0, 'SIGTERM ends it in order');
    t.ok((await stat(join(workingDirectory, 'data'))).isDirectory());
  },
);

void t.test('quick start: a wrong setting stops it with one line that names it', async (t) => {
  const result = await runCli(['start'], { HEADRACE_S3_PORT: 'many' });
  t.not(result.code, 0);
  const lines = result.stderr.trim().split('\n');
  t.equal(lines.length, 1, result.stderr);
  t.match(lines[0], /HEADRACE_S3_PORT|s3\.port/);
  t.match(lines[0], /many/);
  const unknown = await runCli(['start'], { HEADRACE_S3_PROT: '1' });
  t.not(unknown.code, 0);
  t.match(unknown.stderr, /HEADRACE_S3_PROT/);
});
