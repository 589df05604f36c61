/** `headrace user …`: who may use the S3 endpoint, with which access keys, and what they may do. */
import { InvalidArgumentError, type Command } from 'commander';
import { HeadraceError } from '../../core/errors.js';
import { ANONYMOUS_USER, checkKeyPair, parseGrant, type KeyPair } from '../../engine/users-document.js';
import type { NewAccessKey, UserInfo } from '../../engine/users-service.js';
import type { CliContext } from '../context.js';
import { examples, Invocation } from '../invocation.js';
import { formatTime, printable, type Printer } from '../printer.js';

export function addUserCommand(program: Command, context: CliContext): void {
  const user = program.command('user').description('users of the S3 endpoint, their access keys and grants');
  addRead(user, context);
  addKeys(user, context);
  addGrants(user, context);
  addState(user, context);
}

function addRead(user: Command, context: CliContext): void {
  user
    .command('list')
    .description('list all users')
    .addHelpText('after', examples('user list', 'user list --json'))
    .action(async (_options: object, command: Command) => {
      const { client, printer } = new Invocation(context, command);
      const users = await client.users();
      if (printer.json) return printer.value(users);
      if (users.length === 0) return printer.text('there are no users');
      await printer.table(
        users.map(({ name, enabled, keys, grants }) => [
          name,
          enabled ? 'enabled' : 'disabled',
          String(keys.filter((key) => key.enabled).length),
          grants.join(' '),
        ]),
        ['NAME', 'STATE', 'KEYS', 'GRANTS'],
      );
    });
  user
    .command('show')
    .description('one user with its access keys and grants')
    .argument('<name>')
    .addHelpText('after', examples('user show alice'))
    .action(async (name: string, _options: object, command: Command) => {
      const { client, printer } = new Invocation(context, command);
      await show(printer, await client.user(name));
    });
}

function addKeys(user: Command, context: CliContext): void {
  user
    .command('add')
    .description('make a user with an access key; the secret is printed once')
    .argument('<name>')
    .option('--grant <grant>', 'rights:bucket[/prefix], may be repeated', collectGrant)
    .option('--access-key <id>', 'an access key that is used already, instead of a new one')
    .option('--secret-key-file <path>', 'file with its secret, or - for standard input')
    .addHelpText(
      'after',
      examples(
        'user add alice --grant admin:*',
        'user add ingest --grant read,write,list:events/2024/',
        'user add spark --grant admin:* --access-key AKSPARK --secret-key-file spark.secret',
      ),
    )
    .action(async (name: string, options: KeyOptions & { grant?: string[] }, command: Command) => {
      const { client, printer } = new Invocation(context, command);
      const { grant = [] } = options;
      const pair = await pairOf(options, context);
      await showKey(printer, await client.addUser(name, grant, pair), pair);
      if (grant.length === 0)
        await printer.note(`it may do nothing yet: headrace user grant ${name} admin:*`);
    });
  user
    .command('rotate')
    .description('make a further access key; those before stay until they are disabled or removed')
    .argument('<name>')
    .option('--access-key <id>', 'an access key that is used already, instead of a new one')
    .option('--secret-key-file <path>', 'file with its secret, or - for standard input')
    .addHelpText('after', examples('user rotate alice', 'user disable alice --key HR…'))
    .action(async (name: string, options: KeyOptions, command: Command) => {
      const { client, printer } = new Invocation(context, command);
      const pair = await pairOf(options, context);
      await showKey(printer, await client.rotateUser(name, pair), pair);
    });
}

function addGrants(user: Command, context: CliContext): void {
  for (const [change, description] of [
    ['grant', 'give rights on a bucket or on the keys with a prefix'],
    ['revoke', 'take rights away from a grant of exactly that bucket and prefix'],
  ] as const)
    user
      .command(change)
      .description(description)
      .argument('<name>', 'a user, or anonymous for requests without a signature')
      .argument(
        '<grants...>',
        'rights:bucket[/prefix]; rights are read, write, list, create, admin',
        collectGrant,
      )
      .addHelpText(
        'after',
        examples(`user ${change} alice read,list:photos`, `user ${change} anonymous read:site/public/`),
      )
      .action(async (name: string, grants: string[], _options: object, command: Command) => {
        const { client, printer } = new Invocation(context, command);
        await show(printer, await client.changeGrants(name, change, grants));
      });
}

function addState(user: Command, context: CliContext): void {
  for (const action of ['enable', 'disable'] as const)
    user
      .command(action)
      .description(`${action} a user, or one of its access keys`)
      .argument('<name>')
      .option('--key <id>', 'only this access key')
      .addHelpText('after', examples(`user ${action} alice`, `user ${action} alice --key HR…`))
      .action(async (name: string, { key }: { key?: string }, command: Command) => {
        const { client, printer } = new Invocation(context, command);
        await show(printer, await client.setUserEnabled(name, action === 'enable', key));
      });
  user
    .command('rm')
    .description('remove a user, or one of its access keys')
    .argument('<name>')
    .option('--key <id>', 'only this access key')
    .addHelpText('after', examples('user rm alice', 'user rm alice --key HR…'))
    .action(async (name: string, { key }: { key?: string }, command: Command) => {
      const { client, printer } = new Invocation(context, command);
      await client.removeUser(name, key);
      if (printer.json) return printer.value({ name, ...(key === undefined ? {} : { accessKeyId: key }) });
      await printer.text(printable(key === undefined ? `removed ${name}` : `removed ${key} of ${name}`));
      const left = await client.users();
      if (key === undefined && left.every((user) => user.name === ANONYMOUS_USER))
        await printer.note(
          'no user is left: what was not granted to anonymous is refused, on a loopback address too, until `headrace user add` ' +
            'makes one or the server is started with s3.anonymous.access = full',
        );
    });
}

function collectGrant(text: string, previous: readonly string[] = []): string[] {
  try {
    parseGrant(text);
  } catch (error) {
    throw new InvalidArgumentError(error instanceof Error ? error.message : text);
  }
  return [...previous, text];
}

async function show(printer: Printer, user: UserInfo): Promise<void> {
  if (printer.json) return printer.value(user);
  await printer.table([
    ['name', user.name],
    ['state', user.enabled ? 'enabled' : 'disabled'],
    ['created', formatTime(user.createdMs)],
    ...user.keys.map(({ id, enabled, createdMs }) => [
      'key',
      `${id}  ${enabled ? 'enabled' : 'disabled'}  ${formatTime(createdMs)}`,
    ]),
    ...user.grants.map((grant) => ['grant', grant]),
  ]);
}

interface KeyOptions {
  readonly accessKey?: string;
  readonly secretKeyFile?: string;
}

/** The key pair that was given; undefined for a new one. The secret is no argument: those are seen in the list of processes. */
async function pairOf(
  { accessKey, secretKeyFile }: KeyOptions,
  context: CliContext,
): Promise<KeyPair | undefined> {
  if (accessKey === undefined && secretKeyFile === undefined) return undefined;
  if (accessKey === undefined || secretKeyFile === undefined)
    throw new HeadraceError(
      'INVALID_ARGUMENT',
      'an access key of your own takes both --access-key ID and --secret-key-file PATH (- for standard input)',
    );
  const text = secretKeyFile === '-' ? await context.readInput() : context.readText(secretKeyFile);
  if (text === undefined)
    throw new HeadraceError(
      'INVALID_ARGUMENT',
      `there is no file "${secretKeyFile}" to read the secret key from`,
    );
  const pair = { accessKeyId: accessKey, secretAccessKey: text.replace(/\r?\n$/, '') };
  checkKeyPair(pair);
  return pair;
}

/** A secret that was given is known already, and not told again. */
async function showKey(printer: Printer, made: NewAccessKey, given: KeyPair | undefined): Promise<void> {
  const { user, accessKeyId, secretAccessKey } = made;
  if (given !== undefined) {
    if (printer.json) return printer.value({ user, accessKeyId });
    return printer.table([
      ['user', user.name],
      ['access key', accessKeyId],
    ]);
  }
  if (printer.json) return printer.value(made);
  await printer.table([
    ['user', user.name],
    ['access key', accessKeyId],
    ['secret key', secretAccessKey],
  ]);
  await printer.note('the secret is not shown again');
}
