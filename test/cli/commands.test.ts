import { readFileSync } from 'node:fs';
import type { Command } from 'commander';
import t from 'tap';
import { buildProgram } from '../../src/cli/program.js';
import { CliFixture, createCliContext, runCli } from './cli-fixture.js';

/** Every command that does something, with its path: `log cat`. */
function walk(command: Command, path = ''): { path: string; command: Command }[] {
  if (command.commands.length === 0) return [{ path, command }];
  return command.commands.flatMap((child) => walk(child, `${path} ${child.name()}`.trimStart()));
}

const COMMANDS = walk(buildProgram(createCliContext().context));

void t.test('cli: every command has a description, examples of itself, --json and --timeout', async (t) => {
  t.ok(COMMANDS.length >= 25, 'the walk finds the commands');
  for (const { path, command } of COMMANDS) {
    t.match(command.description(), /^[a-z].+/, `${path}: a description in lower case`);
    const { exitCode, stdout } = await runCli([...path.split(' '), '--help']);
    t.equal(exitCode, 0, path);
    t.match(stdout, `Usage: headrace ${path}`);
    t.match(stdout, `Examples:\n  $ headrace ${path}`, `${path}: examples`);
    for (const option of ['--json', '--endpoint', '--timeout'])
      t.match(stdout, new RegExp(`^ +${option}\\b`, 'm'), `${path}: ${option}`);
  }
});

void t.test('cli: every example in the help can be parsed', async (t) => {
  for (const { path } of COMMANDS) {
    const { stdout } = await runCli([...path.split(' '), '--help']);
    const lines = stdout.match(/^ {2}\$ headrace .*$/gm) ?? [];
    t.ok(lines.length > 0, path);
    for (const line of lines) {
      const command = line.replace(/^ {2}\$ headrace /, '').replace(/ [<>|].*$/, '');
      const args = (command.match(/'[^']*'|"[^"]*"|\S+/g) ?? []).map((word) =>
        word.replace(/^['"]|['"]$/g, ''),
      );
      const { context } = createCliContext();
      const program = buildProgram(context);
      for (const { command } of walk(program)) command.action(() => {});
      await t.resolves(program.parseAsync(args, { from: 'user' }), line);
    }
  }
});

void t.test(
  'cli: no command has an option of the name of a global one, which would take its place',
  async (t) => {
    const names = new Set(buildProgram(createCliContext().context).options.map(({ long }) => long));
    for (const { path, command } of COMMANDS)
      for (const { long } of command.options) t.notOk(names.has(long), `${path} ${long}`);
  },
);

void t.test('cli: docs/cli.md names every command, option and exit code', async (t) => {
  const page = readFileSync('docs/cli.md', 'utf8');
  for (const { path, command } of COMMANDS) {
    t.match(page, `\`${path}`, path);
    for (const { long } of command.options) t.match(page, long ?? '', `${path} ${long}`);
  }
  for (const code of [0, 1, 2, 3, 4, 130]) t.match(page, new RegExp(`^\\| ${code} +\\|`, 'm'));
});

void t.test('cli: with --json wrong use is told as JSON and nothing else', async (t) => {
  const cases: [args: string[], message: RegExp][] = [
    [['sart', '--json'], /unknown command 'sart'/],
    [['log', '--json'], /a command is missing/],
    [['--json', 'conf', 'get'], /missing required argument 'key'/],
    [['status', '--json', '--timeout', '5'], /time with a unit/],
  ];
  for (const [args, message] of cases) {
    const { exitCode, stdout, stderr } = await runCli(args);
    t.equal(exitCode, 2, args.join(' '));
    t.equal(stdout, '');
    t.match(JSON.parse(stderr), { error: { code: 'USAGE', message } });
  }
});

void t.test('cli: --timeout ends a request that is not answered, with exit code 4', async (t) => {
  const fixture = await CliFixture.open(t);
  fixture.admin.status = () => new Promise(() => {});
  const run = await fixture.run(['status', '--timeout', '20ms']);
  t.equal(run.exitCode, 4);
  t.match(run.stderr, /^error: not done by http:\S+ within --timeout[^\n]*\n$/);
});

void t.test('cli: Ctrl-C ends a request with exit code 130', async (t) => {
  const fixture = await CliFixture.open(t);
  const stop = new AbortController();
  fixture.admin.status = () => {
    stop.abort();
    return new Promise(() => {});
  };
  t.match(await fixture.run(['status'], { signal: stop.signal }), {
    exitCode: 130,
    stderr: 'error: stopped\n',
  });
});
