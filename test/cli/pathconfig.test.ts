import t from 'tap';
import { CliFixture, runCli } from './cli-fixture.js';

const DOCUMENT = JSON.stringify({
  apiVersion: 'v1.0',
  defaultRule: { policyMode: 'WRITE_THROUGH' },
  pathRules: [{ alluxioPath: '/checkpoints/**', policyMode: 'WRITE_BACK', properties: { writeReplicas: 2 } }],
});

void t.test('pathconfig: set, get and test', async (t) => {
  const fixture = await CliFixture.open(t);
  const set = await fixture.run(['pathconfig', 'set', 'p.json'], { files: { 'p.json': DOCUMENT } });
  t.same(set, { exitCode: 0, stdout: 'set, with 1 path rule; it stands at offset 0\n', stderr: '' });
  const test = await fixture.run(['pathconfig', 'test', '--path', '/checkpoints/epoch-1/model.pt']);
  t.match(test.stdout, '"policyMode": "WRITE_BACK"');
  t.match(JSON.parse(test.stdout), { matched: '/checkpoints/**', rule: { path: '/checkpoints/**' } });
  const viaUrl = await fixture.run(['pathconfig', 'test', '--path', 's3://checkpoints/x']);
  t.match(JSON.parse(viaUrl.stdout), { path: '/checkpoints/x', policyMode: 'WRITE_BACK' });
  const get = await fixture.run(['pathconfig', 'get']);
  const again = await fixture.run(['pathconfig', 'set', '-'], { input: get.stdout });
  t.equal(again.exitCode, 0, 'what get prints can be set');
  t.match(JSON.parse((await fixture.run(['pathconfig', 'get', '--at', '0'])).stdout), { pathRules: [{}] });
});

void t.test(
  'pathconfig: set refuses a document that changed meanwhile, an invalid one, and no file',
  async (t) => {
    const fixture = await CliFixture.open(t);
    const files = { 'p.json': DOCUMENT, 'bad.json': '{"apiVersion":"v1.0","pathRules":[{"path":"x"}]}' };
    const first = await fixture.run(['pathconfig', 'set', 'p.json', '--expected-offset', '-1'], { files });
    t.equal(first.exitCode, 0);
    const stale = await fixture.run(['pathconfig', 'set', 'p.json', '--expected-offset', '7'], { files });
    t.equal(stale.exitCode, 1);
    t.match(stale.stderr, /changed meanwhile/);
    const bad = await fixture.run(['pathconfig', 'set', 'bad.json', '--json'], { files });
    t.equal(bad.exitCode, 1);
    t.match(JSON.parse(bad.stderr), { error: { code: 'INVALID_ARGUMENT', message: /pathRules\[0\].path/ } });
    t.match(await fixture.run(['pathconfig', 'set', 'gone.json']), {
      exitCode: 1,
      stderr: 'error: there is no file gone.json\n',
    });
  },
);

void t.test('pathconfig: validate needs no server', async (t) => {
  const valid = await runCli(['pathconfig', 'validate', '-'], { input: DOCUMENT });
  t.match(valid, { exitCode: 0, stdout: 'valid, with 1 path rule\n' });
  const invalid = await runCli(['pathconfig', 'validate', '-'], { input: '{"apiVersion":"v2"}' });
  t.match(invalid, { exitCode: 1, stderr: 'error: apiVersion: "v2" must be "v1.0"\n' });
});

void t.test('pathconfig: edit checks, shows the difference and sets', async (t) => {
  const fixture = await CliFixture.open(t);
  const run = await fixture.run(['pathconfig', 'edit'], {
    edit: (text) => text.replace('WRITE_THROUGH', 'WRITE_BACK'),
  });
  t.equal(run.exitCode, 0);
  t.match(run.stderr, /\n- {5}"policyMode": "WRITE_THROUGH",\n\+ {5}"policyMode": "WRITE_BACK",\n/);
  t.equal(run.stdout, 'set; it stands at offset 0\n');
  t.equal(fixture.admin.testPath('/x').policyMode, 'WRITE_BACK');
  t.equal(fixture.discarded.length, 1);
});

void t.test('pathconfig: edit without a change sets nothing', async (t) => {
  const fixture = await CliFixture.open(t);
  const run = await fixture.run(['pathconfig', 'edit'], { edit: (text) => `${text}\n\n` });
  t.same(run, { exitCode: 0, stdout: 'nothing was changed\n', stderr: '' });
  t.equal((await fixture.admin.pathConfig()).offset, -1);
});

void t.test('pathconfig: edit keeps the text of a refused or overtaken document', async (t) => {
  const fixture = await CliFixture.open(t);
  const invalid = await fixture.run(['pathconfig', 'edit'], {
    edit: (text) => text.replace('WRITE_THROUGH', 'FAST'),
  });
  t.equal(invalid.exitCode, 1);
  t.match(
    invalid.stderr,
    /policyMode: "FAST" must be one of .*; nothing was changed, your text is in \/tmp\/edit/,
  );
  const overtaken = await fixture.run(['pathconfig', 'edit'], {
    edit: async (text) => {
      await fixture.admin.setPathConfig(JSON.parse(DOCUMENT));
      return text.replace('WRITE_THROUGH', 'NO_CACHE');
    },
  });
  t.equal(overtaken.exitCode, 1);
  t.match(overtaken.stderr, /changed meanwhile.*your text is in \/tmp\/edit/);
  t.equal(fixture.admin.testPath('/checkpoints/x').policyMode, 'WRITE_BACK', 'the other change stands');
  t.same(fixture.discarded, []);
});
