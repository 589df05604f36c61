/**
 * The process log, on standard error: one JSON object a line for machines, or one line of text for who looks at a terminal.
 *
 * A line of text holds nothing that a terminal would act on: what came from outside (keys, host names, messages of other
 * servers) is quoted as JSON, and control characters are written out, so that nobody can forge a line or an answer.
 */
import { pino, type DestinationStream } from 'pino';
import type { Logger } from '../core/logger.js';
import { HeadraceError } from '../core/errors.js';

export interface ProcessLogOptions {
  readonly level: string;
  readonly format: 'json' | 'text';
  /** Where the lines of text go; lines of JSON go to the file descriptor of standard error. */
  readonly writeText: (line: string) => void;
}

const STANDARD_ERROR = 2;
const CAUSES_MAX = 5;

export function createProcessLog({ level, format, writeText }: ProcessLogOptions): Logger {
  const destination: DestinationStream =
    format === 'json'
      ? pino.destination({ dest: STANDARD_ERROR, sync: false })
      : { write: (line) => writeText(`${toText(line)}\n`) };
  return pino(
    {
      level,
      base: undefined,
      timestamp: pino.stdTimeFunctions.isoTime,
      serializers: { error: describeError },
    },
    destination,
  );
}

/**
 * An error as the log shows it, with what caused it. The stack only of what was not foreseen: of an error with a code, the code
 * says more, and bad bytes or a store that is away are no reason to look at the source.
 */
export function describeError(error: unknown, depth = 0): unknown {
  if (!(error instanceof Error)) return error;
  const cause =
    error.cause === undefined || depth >= CAUSES_MAX ? {} : { cause: describeError(error.cause, depth + 1) };
  if (error instanceof HeadraceError) {
    const { code, message, details } = error;
    return { code, message, ...(Object.keys(details).length === 0 ? {} : { details }), ...cause };
  }
  const code = 'code' in error && typeof error.code === 'string' ? { code: error.code } : {};
  const stack = 'syscall' in error || depth > 0 ? {} : { stack: error.stack };
  return { type: error.name, ...code, message: error.message, ...stack, ...cause };
}

const LEVELS: Readonly<Record<number, string>> = { 20: 'debug', 30: 'info', 40: 'warn', 50: 'error' };

/** What pino wrote, for people: time (UTC), level, message, and the fields behind it. */
export function toText(line: string): string {
  let parsed: unknown;
  try {
    parsed = JSON.parse(line);
  } catch {
    return printable(line.trimEnd());
  }
  const { level, time, msg, ...fields } = parsed as Readonly<Record<string, unknown>>;
  const clock = typeof time === 'string' ? time.slice(11, 23) : '';
  const values = Object.entries(fields).map(([name, value]) => `${name}=${valueText(value)}`);
  const cells = [clock, (LEVELS[Number(level)] ?? String(level)).padEnd(5), String(msg), ...values];
  return printable(cells.filter((cell) => cell !== '').join('  '));
}

function valueText(value: unknown): string {
  // Of an error with a stack everything is of interest; of one with a code, what it says of its cause is in its message.
  if (typeof value === 'object' && value !== null && 'message' in value && !('stack' in value)) {
    const { message } = value;
    const name = 'code' in value ? value.code : 'type' in value ? value.type : 'error';
    return JSON.stringify(`${String(name)}: ${String(message)}`);
  }
  return typeof value === 'string' && /^[\w./:@-]+$/.test(value) ? value : JSON.stringify(value);
}

/** Without what a terminal acts on, or shows in another order than it stands. */
function printable(text: string): string {
  return text.replace(
    /[\u0000-\u001f\u007f-\u009f\u2028-\u202e\u2066-\u2069]/g,
    (character) => `\\u${character.charCodeAt(0).toString(16).padStart(4, '0')}`,
  );
}
