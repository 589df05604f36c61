/**
 * What people see: tables, sizes, ages, colours on a terminal; or JSON for programs.
 *
 * Keys and messages come from clients and may hold control characters, which could rewrite the screen: everything but
 * JSON goes through `printable`.
 */
import { styleText } from 'node:util';
import { DAY_MS, GIB, HOUR_MS, KIB, MIB, MINUTE_MS, SECOND_MS, TIB } from '../core/units.js';
import type { CliContext, CliOutput } from './context.js';

export type Colour = 'red' | 'green' | 'yellow' | 'dim' | 'bold';

export class Printer {
  readonly json: boolean;
  readonly #context: CliContext;

  constructor(context: CliContext, json: boolean) {
    this.#context = context;
    this.json = json;
  }

  /** One JSON value, readable by people too. */
  async value(value: unknown): Promise<void> {
    await this.#context.stdout.write(`${JSON.stringify(value, undefined, 2)}\n`);
  }

  /** One JSON value on one line. */
  async jsonLine(value: unknown): Promise<void> {
    await this.#context.stdout.write(`${JSON.stringify(value)}\n`);
  }

  /** Text that is printed as it is: it must hold nothing from outside that was not made `printable`. */
  async text(text: string): Promise<void> {
    await this.#context.stdout.write(`${text}\n`);
  }

  /** For people, besides the result: on standard error. */
  async note(text: string): Promise<void> {
    await this.#context.stderr.write(`${printable(text)}\n`);
  }

  /** A line that the next one replaces; only on a terminal. `''` clears it. */
  async progress(text: string): Promise<void> {
    if (this.#context.stderr.isTerminal) await this.#context.stderr.write(`\r\x1b[K${printable(text)}`);
  }

  /** Columns as wide as their widest cell; the last one is not padded. */
  async table(rows: readonly (readonly string[])[], head?: readonly string[]): Promise<void> {
    const all = (head === undefined ? rows : [head, ...rows]).map((row) => row.map(printable));
    const widths: number[] = [];
    for (const row of all)
      for (const [column, cell] of row.entries()) widths[column] = Math.max(widths[column] ?? 0, cell.length);
    for (const [index, row] of all.entries()) {
      const line = row
        .map((cell, column) => cell.padEnd(widths[column] ?? 0))
        .join('  ')
        .trimEnd();
      await this.text(head !== undefined && index === 0 ? this.paint(line, 'bold') : line);
    }
  }

  paint(text: string, colour: Colour): string {
    return paint(this.#context.stdout, this.#context.env, text, colour);
  }

  /** How long ago, coarsely. */
  age(sinceMs: number): string {
    return formatAge(this.#context.wallTimeMs() - sinceMs);
  }
}

/** Colours only where somebody looks, and NO_COLOR (no-color.org) does not forbid it. */
export function paint(output: CliOutput, env: CliContext['env'], text: string, colour: Colour): string {
  const plain = !output.isTerminal || (env['NO_COLOR'] ?? '') !== '';
  // Which stream it goes to is known here and not to styleText.
  return plain ? text : styleText(colour, text, { validateStream: false });
}

/** Control characters written out: `\x1b`. */
export function printable(text: string): string {
  return text.replace(/[\x00-\x1f\x7f-\x9f\u2028\u2029\u202a-\u202e\u2066-\u2069]/g, (character) => {
    const hex = character.charCodeAt(0).toString(16);
    return hex.length > 2 ? `\\u${hex.padStart(4, '0')}` : `\\x${hex.padStart(2, '0')}`;
  });
}

/** `1.5 GiB`: three digits are enough to look at. */
export function formatBytes(sizeBytes: number): string {
  const units: readonly (readonly [number, string])[] = [
    [TIB, 'TiB'],
    [GIB, 'GiB'],
    [MIB, 'MiB'],
    [KIB, 'KiB'],
  ];
  const unit = units.find(([factor]) => sizeBytes >= factor);
  if (unit === undefined) return `${sizeBytes} B`;
  const scaled = sizeBytes / unit[0];
  return `${scaled.toFixed(scaled >= 100 || Number.isInteger(scaled) ? 0 : 1)} ${unit[1]}`;
}

/** `90s`, `5min`, `3h`, `2d`. */
export function formatAge(durationMs: number): string {
  if (durationMs < 2 * MINUTE_MS) return `${Math.max(0, Math.round(durationMs / SECOND_MS))}s`;
  if (durationMs < 2 * HOUR_MS) return `${Math.round(durationMs / MINUTE_MS)}min`;
  if (durationMs < 2 * DAY_MS) return `${Math.round(durationMs / HOUR_MS)}h`;
  return `${Math.round(durationMs / DAY_MS)}d`;
}

/** The Swedish form of a time happens to be that of ISO 8601, with a space. */
const TIME_FORMAT = new Intl.DateTimeFormat('sv-SE', {
  timeZone: 'UTC',
  dateStyle: 'short',
  timeStyle: 'medium',
});

/** `2024-01-02 03:04:05` in UTC. */
export function formatTime(timeMs: number): string {
  return TIME_FORMAT.format(timeMs);
}
