/** `headrace pathconfig get|set|edit|test|validate`: which write policy applies to which path. */
import type { Command } from 'commander';
import { parsePathConfigText } from '../../engine/path-config-document.js';
import type { PathConfigDocument } from '../../engine/path-config.js';
import { CliFailure, type CliContext, type EditedText } from '../context.js';
import { examples, integerOption, Invocation, pathArgument } from '../invocation.js';
import { diffLines, type DiffLine } from '../line-diff.js';
import { paint, printable, type Colour } from '../printer.js';

export function addPathConfigCommand(program: Command, context: CliContext): void {
  const pathconfig = program.command('pathconfig').description('show and change the write policies of paths');
  addRead(pathconfig, context);
  addChange(pathconfig, context);
}

function addRead(pathconfig: Command, context: CliContext): void {
  pathconfig
    .command('get')
    .description('print the document that is in force')
    .option('--at <offset>', 'the one that was in force at this offset of the control log', integerOption(0))
    .addHelpText('after', examples('pathconfig get > pathconfig.json', 'pathconfig get --at 120'))
    .action(async ({ at }: { at?: number }, command: Command) => {
      const { client, printer } = new Invocation(context, command);
      await printer.value((await client.pathConfig(at)).document);
    });
  pathconfig
    .command('test')
    .description('print the policy of a path and the rule it comes from')
    .requiredOption('--path <path>', '/<bucket>/<key> or s3://<bucket>/<key>', pathArgument)
    .addHelpText('after', examples('pathconfig test --path /checkpoints/epoch-1/model.pt'))
    .action(async ({ path }: { path: string }, command: Command) => {
      const { client, printer } = new Invocation(context, command);
      await printer.value(await client.testPath(path));
    });
  pathconfig
    .command('validate')
    .description('check a document without a server')
    .argument('<file>', 'a JSON document; - for standard input')
    .addHelpText('after', examples('pathconfig validate pathconfig.json'))
    .action(async (file: string, _options: object, command: Command) => {
      const { printer } = new Invocation(context, command);
      const document = parsePathConfigText(await readDocument(context, file));
      if (printer.json) return printer.value({ valid: true, rules: document.pathRules.length });
      await printer.text(`valid, with ${countRules(document)}`);
    });
}

function addChange(pathconfig: Command, context: CliContext): void {
  pathconfig
    .command('set')
    .description('put a document in force, for all later writes')
    .argument('<file>', 'a JSON document; - for standard input')
    .option(
      '--expected-offset <offset>',
      'refuse when the document in force stands elsewhere (-1: none was set yet)',
      integerOption(-1),
    )
    .addHelpText('after', examples('pathconfig set pathconfig.json', 'pathconfig set - < pathconfig.json'))
    .action(async (file: string, options: { expectedOffset?: number }, command: Command) => {
      const { client, printer } = new Invocation(context, command);
      const document = parsePathConfigText(await readDocument(context, file));
      const { expectedOffset } = options;
      const ifMatch = expectedOffset === undefined ? undefined : `"${expectedOffset}"`;
      const { offset } = await client.setPathConfig(document, ifMatch);
      if (printer.json) return printer.value({ offset });
      await printer.text(`set, with ${countRules(document)}; it stands at offset ${offset}`);
    });
  pathconfig
    .command('edit')
    .description('edit the document in $EDITOR; it is checked, shown as a difference, and set')
    .addHelpText('after', examples('pathconfig edit', 'pathconfig edit --endpoint http://10.0.0.5:19999'))
    .action(async (_options: object, command: Command) => edit(new Invocation(context, command)));
}

async function edit({ client, printer, context }: Invocation): Promise<void> {
  const { document, etag } = await client.pathConfig();
  const before = format(document);
  const edited = await context.editText(before, 'pathconfig.json');
  const { changed, offset } = await keepingText(edited, async () => {
    const wanted = parsePathConfigText(edited.text);
    const difference = diffLines(before.trimEnd(), format(wanted).trimEnd());
    if (difference.length === 0) return { changed: false, offset: undefined };
    for (const line of difference) await context.stderr.write(`${showDiffLine(line, context)}\n`);
    return { changed: true, offset: (await client.setPathConfig(wanted, etag)).offset };
  });
  await edited.discard();
  if (printer.json) return printer.value({ changed, offset });
  await printer.text(changed ? `set; it stands at offset ${offset}` : 'nothing was changed');
}

/** What was typed is not lost when it is refused: the message says where it is. */
async function keepingText<Result>(edited: EditedText, use: () => Promise<Result>): Promise<Result> {
  try {
    return await use();
  } catch (error) {
    const code = error instanceof CliFailure ? error.code : 'INVALID_ARGUMENT';
    const reason = error instanceof Error ? error.message : String(error);
    throw new CliFailure(
      code,
      `${reason}; nothing was changed, your text is in ${edited.path}: correct it and run \`headrace pathconfig set\` with it`,
    );
  }
}

const SIGNS: Readonly<Record<DiffLine['kind'], readonly [sign: string, colour: Colour | undefined]>> = {
  same: ['  ', undefined],
  removed: ['- ', 'red'],
  added: ['+ ', 'green'],
  gap: ['  ', 'dim'],
};

function showDiffLine({ kind, text }: DiffLine, context: CliContext): string {
  const [sign, colour] = SIGNS[kind];
  const line = sign + printable(text);
  return colour === undefined ? line : paint(context.stderr, context.env, line, colour);
}

function format(document: PathConfigDocument): string {
  return `${JSON.stringify(document, undefined, 2)}\n`;
}

async function readDocument(context: CliContext, file: string): Promise<string> {
  const text = file === '-' ? await context.readInput() : context.readText(file);
  if (text === undefined) throw new CliFailure('INVALID_ARGUMENT', `there is no file ${file}`);
  return text;
}

function countRules({ pathRules }: PathConfigDocument): string {
  return `${pathRules.length} path ${pathRules.length === 1 ? 'rule' : 'rules'}`;
}
