/** `headrace top`: a live view of a server on a terminal; one look, as text or JSON, anywhere else. */
import type { Command } from 'commander';
import type { AdminClient } from '../admin-client.js';
import type { CliContext } from '../context.js';
import { durationOption, examples, Invocation } from '../invocation.js';
import { paint, printable } from '../printer.js';
import { parseMetrics } from '../prometheus-text.js';
import {
  OPERATION_HEAD,
  operationRows,
  topLines,
  topReport,
  type Look,
  type TopReport,
} from '../top-view.js';

const INTERVAL_MS_DEFAULT = 1000;
/** Ctrl-C arrives as a key while the terminal is raw. */
const QUIT_KEYS: ReadonlySet<string> = new Set(['q', 'Q', '\x03', '\x1b']);
/** The other screen of the terminal, so that what was there comes back, and no cursor. */
const ENTER = '\x1b[?1049h\x1b[?25l';
const LEAVE = '\x1b[?25h\x1b[?1049l';
const HOME = '\x1b[H';
const CLEAR_LINE_END = '\x1b[K';
const CLEAR_BELOW = '\x1b[J';

interface TopOptions {
  readonly interval: number;
  readonly once?: boolean;
}

export function addTopCommand(program: Command, context: CliContext): void {
  program
    .command('top')
    .description(
      'watch space, the persist queue, rates and latencies; q ends it; one look without a terminal',
    )
    .option('--interval <duration>', 'how often to look', durationOption, INTERVAL_MS_DEFAULT)
    .option('--once', 'one look, also on a terminal')
    .addHelpText('after', examples('top', 'top --interval 5s', 'top --once --json'))
    .action(async ({ interval, once = false }: TopOptions, command: Command) => {
      const invocation = new Invocation(context, command);
      const { printer } = invocation;
      const isLive = context.stdout.isTerminal && context.pause !== undefined && !once && !printer.json;
      if (isLive) return watch(invocation, context, interval);
      const report = topReport(undefined, await look(invocation.client, context));
      if (printer.json) return printer.value(report);
      await printer.table(topLines(report, report.atMs));
      const rows = operationRows(report);
      if (rows.length > 0) await printer.table(rows, OPERATION_HEAD);
    });
}

async function look(client: AdminClient, context: CliContext): Promise<Look> {
  const [status, text] = await Promise.all([client.status(), client.metrics()]);
  return { atMs: context.wallTimeMs(), status, metrics: text === undefined ? undefined : parseMetrics(text) };
}

async function watch(invocation: Invocation, context: CliContext, intervalMs: number): Promise<void> {
  const quit = new AbortController();
  const stopped = context.signal === undefined ? quit.signal : AbortSignal.any([context.signal, quit.signal]);
  const restore = context.onKey?.((key) => {
    if (QUIT_KEYS.has(key)) quit.abort();
  });
  const client = invocation.clientUntil(stopped);
  await context.stdout.write(ENTER);
  try {
    let before: Look | undefined;
    while (!stopped.aborted) {
      const now = await look(client, context);
      await context.stdout.write(screen(topReport(before, now), invocation, context));
      before = now;
      await context.pause?.(intervalMs, stopped);
    }
  } catch (error) {
    // A request that the user's wish to stop has cut off is no failure.
    if (!stopped.aborted) throw error;
  } finally {
    restore?.();
    await context.stdout.write(LEAVE);
  }
}

/** One screen, drawn over the last one so that nothing flickers, and cut to the terminal. */
function screen(report: TopReport, { client }: Invocation, context: CliContext): string {
  const { rows = 24, columns = 80 } = context.stdout.size?.() ?? {};
  const bold = (text: string): string => paint(context.stdout, context.env, text, 'bold');
  const title = fit(`headrace top - ${client.endpoint}  (q ends it)`, columns);
  const facts = topLines(report, report.atMs).map(([name = '', value = '']) =>
    fit(`${name.padEnd(9)} ${value}`, columns),
  );
  const widths = [24, 12, 10, 14, 14];
  const row = (cells: readonly string[]): string =>
    fit(cells.map((cell, at) => cell.padEnd(widths[at] ?? 0)).join(''), columns);
  const lines = [bold(title), '', ...facts, '', bold(row(OPERATION_HEAD)), ...operationRows(report).map(row)];
  const shown = lines.slice(0, Math.max(1, rows - 1));
  return `${HOME}${shown.map((line) => `${line}${CLEAR_LINE_END}\r\n`).join('')}${CLEAR_BELOW}`;
}

function fit(text: string, columns: number): string {
  return printable(text).slice(0, columns);
}
