/**
 * The command line: its commands, how they are told apart, and with which exit code they end (`context.ts`).
 */
import { Command, CommanderError } from 'commander';
import { HeadraceError } from '../core/errors.js';
import { addAsyncPersistCommand } from './commands/async-persist.js';
import { addConfCommand } from './commands/conf.js';
import { addFlushCommand } from './commands/flush.js';
import { addFsCommand } from './commands/fs.js';
import { addJobCommand } from './commands/job.js';
import { addLogCommand } from './commands/log.js';
import { addMountCommand } from './commands/mount.js';
import { addPathConfigCommand } from './commands/pathconfig.js';
import { addSimCommand } from './commands/sim.js';
import { addStartCommand } from './commands/start.js';
import { addStatusCommand } from './commands/status.js';
import { addStopCommand } from './commands/stop.js';
import { addTopCommand } from './commands/top.js';
import { addUserCommand } from './commands/user.js';
import {
  CliFailure,
  EXIT_FAILED,
  EXIT_FENCED,
  EXIT_OK,
  EXIT_USAGE,
  type CliContext,
  type ExitCode,
} from './context.js';
import { addGlobalOptions, addTimeoutOptions, examples } from './invocation.js';
import { paint, printable } from './printer.js';

/** The whole command tree. Parsing throws: `runProgram` is what turns that into exit codes. */
export function buildProgram(context: CliContext, json = false): Command {
  const program = new Command('headrace')
    .description('An S3 write cache: writes are durable on local disk and persisted in the background.')
    .version(context.version, '-V, --version')
    .exitOverride()
    .configureOutput({
      writeOut: (text) => void context.stdout.write(text),
      // With --json what is wrong is told as JSON, and nothing else.
      writeErr: (text) => void (json || context.stderr.write(text)),
    })
    .configureHelp({ showGlobalOptions: true })
    .showSuggestionAfterError()
    .showHelpAfterError('(add --help to see what there is)')
    .addHelpText('after', examples('start', 'status', 'pathconfig edit', 'fs ls s3://bucket/', 'log tail'));
  addGlobalOptions(program);
  addStartCommand(program, context);
  addStopCommand(program, context);
  addStatusCommand(program, context);
  addTopCommand(program, context);
  addConfCommand(program, context);
  addPathConfigCommand(program, context);
  addFsCommand(program, context);
  addAsyncPersistCommand(program, context);
  addFlushCommand(program, context);
  addJobCommand(program, context);
  addMountCommand(program, context);
  addUserCommand(program, context);
  addLogCommand(program, context);
  addSimCommand(program, context);
  addTimeoutOptions(program);
  return program;
}

/** Runs one command line (without the program's name); resolves with the exit code, after everything was printed. */
export async function runProgram(context: CliContext, args: readonly string[]): Promise<ExitCode> {
  const json = args.includes('--json');
  try {
    await buildProgram(context, json).parseAsync(args, { from: 'user' });
    return EXIT_OK;
  } catch (error) {
    if (error instanceof CommanderError) {
      if (error.exitCode === 0) return EXIT_OK;
      if (json) await context.stderr.write(`${JSON.stringify({ error: describeMisuse(error) })}\n`);
      // Otherwise commander has printed its own message.
      return EXIT_USAGE;
    }
    const { code, exitCode, message } = explain(error);
    if (json) await context.stderr.write(`${JSON.stringify({ error: { code, message } })}\n`);
    else
      await context.stderr.write(
        `${paint(context.stderr, context.env, 'error:', 'red')} ${printable(message)}\n`,
      );
    return exitCode;
  }
}

function describeMisuse({ message }: CommanderError): { code: string; message: string } {
  // Without a subcommand commander shows the help and throws this.
  if (message === '(outputHelp)') return { code: 'USAGE', message: 'a command is missing: see --help' };
  return { code: 'USAGE', message: message.replace(/^error: /, '') };
}

function explain(error: unknown): { code: string; exitCode: ExitCode; message: string } {
  if (error instanceof CliFailure) return error;
  if (error instanceof HeadraceError) {
    return { code: error.code, exitCode: exitCodeOf(error.code), message: error.message };
  }
  // Not foreseen: the stack says where to look.
  const message = error instanceof Error ? (error.stack ?? error.message) : String(error);
  return { code: 'INTERNAL', exitCode: EXIT_FAILED, message };
}

function exitCodeOf(code: HeadraceError['code']): ExitCode {
  if (code === 'INVALID_SETTING') return EXIT_USAGE;
  return code === 'LOG_FENCED' ? EXIT_FENCED : EXIT_FAILED;
}
