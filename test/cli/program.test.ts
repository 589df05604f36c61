import { readFileSync } from 'node:fs';
import t from 'tap';
import { settingsDocument } from '../../src/settings/settings-document.js';
import type { Settings } from '../../src/settings/settings.js';
import { CliFixture, endpointWithoutServer, runCli } from './cli-fixture.js';

const COMMANDS = [
  'start',
  'status',
  'conf get',
  'conf list',
  'pathconfig get',
  'pathconfig set',
  'pathconfig edit',
  'pathconfig test',
  'pathconfig validate',
  'fs ls',
  'fs stat',
  'async-persist list',
  'async-persist stat',
  'async-persist retry',
  'async-persist discard',
  'async-persist export',
  'job free',
  'mount add',
  'mount list',
  'mount remove',
  'user add',
  'user list',
  'user show',
  'user grant',
  'user revoke',
  'user rotate',
  'user disable',
  'user enable',
  'user rm',
  'log head',
  'log cat',
  'log tail',
  'log verify',
  'log incarnate',
];

void t.test('cli: every command has help that exits with 0 and names the common options', async (t) => {
  for (const command of COMMANDS) {
    const { exitCode, stdout } = await runCli([...command.split(' '), '--help']);
    t.equal(exitCode, 0, command);
    t.match(stdout, `Usage: headrace ${command}`);
    t.match(stdout, '--json');
    t.match(stdout, '--endpoint');
  }
  t.equal((await runCli(['--version'])).stdout, '1.2.3\n');
  t.match((await runCli(['--help'])).stdout, /Examples:\n {2}\$ headrace start/);
});

void t.test('cli: docs/cli.md names every command', async (t) => {
  const page = readFileSync('docs/cli.md', 'utf8');
  for (const command of COMMANDS) t.match(page, `\`${command}`, command);
});

void t.test('cli: wrong use exits with 2 and says what is wrong', async (t) => {
  const cases: [args: string[], message: RegExp][] = [
    [[], /Usage: headrace/],
    [['sart'], /unknown command 'sart'[\s\S]*Did you mean st/],
    [['pathconfig'], /Usage: headrace pathconfig/],
    [['status', '--jsn'], /unknown option '--jsn'[\s\S]*\(add --help to see what there is\)\n$/],
    [['conf', 'get'], /missing required argument 'key'/],
    [['conf', 'get', 'x', 'y'], /too many arguments/],
    [['pathconfig', 'test'], /required option '--path <path>'/],
    [['pathconfig', 'test', '--path', 'b/k'], /\/<bucket>\/<key> or s3:\/\//],
    [['log', 'cat', '--limit', '0'], /at least 1/],
    [['log', 'cat', '--from', '1'], /--from needs --partition/],
    [['async-persist', 'list', '--state', 'LOST'], /Allowed choices are PENDING/],
    [['conf', 'list', '--set', 'novalue'], /KEY=VALUE/],
    [['mount', 'add', '/b', '/x', '--option', 'novalue'], /NAME=VALUE/],
    [['status', '--endpoint', 'localhost:1'], /is not a URL/],
    [['conf', 'list', '--markdown', '--running'], /leave --running out/],
    [['conf', 'list', '--set', 's3.prot=1'], /did you mean s3.port/],
    [['conf', 'get', 's3.prot'], /did you mean s3.port/],
    [
      ['start', '--endpoint', 'http://127.0.0.1:1'],
      /^error: --endpoint http:\/\/127\.0\.0\.1:1 has no meaning for start: .* --admin-port .* ufs\.s3\.endpoint=URL\n$/,
    ],
    [['start', '--s3-port', 'x'], /^error: s3.port = "x" \(flag --s3-port\): allowed is an integer/],
  ];
  for (const [args, message] of cases) {
    const { exitCode, stdout, stderr } = await runCli(args);
    t.equal(exitCode, 2, args.join(' '));
    t.match(stderr, message);
    t.equal(stdout, '');
  }
});

void t.test('cli: without a server every command says so in one line and exits with 3', async (t) => {
  const endpoint = await endpointWithoutServer();
  const calls = [
    'status',
    'conf list --running',
    'pathconfig get',
    'pathconfig edit',
    'pathconfig set -',
    'pathconfig test --path /b/k',
    'fs ls',
    'fs stat /b/k',
    'async-persist list',
    'async-persist stat --path /b/k',
    'job free',
    'mount add /b /x',
    'mount list',
    'mount remove /b',
    'log head',
    'log cat',
    'log tail',
    'log verify',
  ];
  for (const call of calls) {
    const run = await runCli([...call.split(' '), '--endpoint', endpoint], {
      input: '{"apiVersion":"v1.0"}',
    });
    t.equal(run.exitCode, 3, call);
    t.equal(run.stderr, `error: no server at ${endpoint}: start one with \`npm start\`\n`, call);
  }
});

void t.test('cli: a refused connection names the address and what to do', async (t) => {
  const fetch = globalThis.fetch;
  t.teardown(() => (globalThis.fetch = fetch));
  globalThis.fetch = async () => {
    throw new TypeError('fetch failed', { cause: new AggregateError([{ code: 'ECONNREFUSED' }]) });
  };
  const run = await runCli(['status']);
  t.same(run, {
    exitCode: 3,
    stdout: '',
    stderr: 'error: no server at http://127.0.0.1:19999: start one with `npm start`\n',
  });
  const json = await runCli(['status', '--json', '--set', 'admin.host=::']);
  t.same(JSON.parse(json.stderr), {
    error: { code: 'NO_SERVER', message: 'no server at http://[::1]:19999: start one with `npm start`' },
  });
});

void t.test('cli: something else that answers at the address is told apart', async (t) => {
  const fetch = globalThis.fetch;
  t.teardown(() => (globalThis.fetch = fetch));
  for (const status of [200, 404]) {
    globalThis.fetch = async () =>
      new Response('<html>', { status, headers: { 'content-type': 'text/html' } });
    const { exitCode, stderr } = await runCli(['status']);
    t.equal(exitCode, 3);
    t.equal(
      stderr,
      `error: what listens at http://127.0.0.1:19999 is not a Headrace admin API: it answered ${status} with text/html\n`,
    );
  }
});

void t.test(
  'cli: start hands over the settings of flags, environment and file, and shows warnings',
  async (t) => {
    const started: Settings[] = [];
    const run = await runCli(['start', '--s3-port', '1', '--set', 'alluxio.admin.port=2'], {
      env: { HEADRACE_CONFIG: '/conf/alluxio-site.properties', HEADRACE_S3_PORT: '3' },
      files: {
        '/conf/alluxio-site.properties': 'alluxio.master.hostname=x\nalluxio.write.cache.enabled=false\n',
      },
      startServer: async (settings) => void started.push(settings),
    });
    t.equal(run.exitCode, 0);
    t.match(started, [{ s3Port: 1, adminPort: 2, writeCacheEnabled: false }]);
    t.match(run.stderr, /^warning: .*alluxio.master.hostname\n$/);
  },
);

void t.test('cli: a server that cannot start ends with its reason', async (t) => {
  const run = await runCli(['start'], {
    startServer: async () => {
      const { HeadraceError } = await import('../../src/core/errors.js');
      throw new HeadraceError('DATA_DIRECTORY_IN_USE', 'the data directory ./data is in use by process 42');
    },
  });
  t.same(run, {
    exitCode: 1,
    stdout: '',
    stderr: 'error: the data directory ./data is in use by process 42\n',
  });
});

void t.test('cli: conf get prints the value, conf list all values with their sources', async (t) => {
  t.equal((await runCli(['conf', 'get', 'alluxio.write.cache.enabled'])).stdout, 'true\n');
  t.equal((await runCli(['conf', 'get', 'ufs', '--data-dir', '/d'])).stdout, '/d/ufs\n');
  const json = await runCli(['--json', 'conf', 'get', 's3.port'], { env: { HEADRACE_S3_PORT: '9000' } });
  t.match(JSON.parse(json.stdout), { key: 's3.port', value: '9000', source: 'environment HEADRACE_S3_PORT' });
  const list = await runCli(['conf', 'list'], { env: { HEADRACE_S3_PORT: '9000' } });
  t.match(list.stdout, /^KEY +VALUE +DEFAULT +SOURCE\n/);
  t.match(list.stdout, /\ns3\.port +9000 +29998 +environment HEADRACE_S3_PORT\n/);
  t.equal((await runCli(['conf', 'list', '--markdown'])).stdout, settingsDocument());
});

void t.test('cli: conf list --running shows the settings of the server', async (t) => {
  const fixture = await CliFixture.open(t);
  const run = await fixture.run(['conf', 'list', '--running', '--json']);
  t.match(JSON.parse(run.stdout)[0], { key: 'data.dir', source: 'default' });
});

void t.test('cli: colours appear on a terminal only, and not against NO_COLOR', async (t) => {
  const args = ['conf', 'list'];
  t.match((await runCli(args, { terminal: true })).stdout, '\x1b[1m');
  t.notMatch((await runCli(args)).stdout, '\x1b');
  t.notMatch((await runCli(args, { terminal: true, env: { NO_COLOR: '1' } })).stdout, '\x1b');
});
