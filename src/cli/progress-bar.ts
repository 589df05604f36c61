/**
 * A bar for work whose end is known. It is drawn on standard error, and only on a terminal, so that neither results nor files with
 * what a script prints hold any of it.
 */
import { Writable } from 'node:stream';
import cliProgress from 'cli-progress';
import type { CliContext, CliOutput } from './context.js';
import { formatBytes } from './printer.js';

export interface ProgressBar {
  /** What was done of how much; either may change, also downwards. */
  update(done: number, total: number): void;
  /** Removes the bar: what is printed next stands where it stood. */
  stop(): void;
}

export interface ProgressBarOptions {
  /** What is counted, such as `objects`; `bytes` are shown with their units. */
  readonly unit: string;
}

const REDRAWS_PER_SECOND = 10;
const COLUMNS_DEFAULT = 80;
const NO_BAR: ProgressBar = { update: () => undefined, stop: () => undefined };

/** A bar that appears with its first `update`. */
export function createProgressBar(context: CliContext, { unit }: ProgressBarOptions): ProgressBar {
  const { stderr } = context;
  if (!stderr.isTerminal) return NO_BAR;
  const asBytes = unit === 'bytes';
  const bar = new cliProgress.SingleBar({
    stream: terminalStream(stderr) as unknown as NodeJS.WritableStream,
    format: `{bar} {percentage} %  {value} of {total}${asBytes ? '' : ` ${unit}`}  {eta_formatted} left`,
    formatValue: (value, _options, type) =>
      asBytes && (type === 'value' || type === 'total') ? formatBytes(value) : String(value),
    barCompleteChar: '█',
    barIncompleteChar: '░',
    fps: REDRAWS_PER_SECOND,
    clearOnComplete: true,
    hideCursor: true,
    gracefulExit: false,
  });
  let started = false;
  return {
    update: (done, total) => {
      if (!started) {
        started = true;
        bar.start(total, done);
        return;
      }
      bar.setTotal(total);
      bar.update(done);
    },
    stop: () => {
      if (started) bar.stop();
    },
  };
}

/** The terminal as the library wants it. */
function terminalStream(output: CliOutput): Writable {
  const stream = new Writable({
    decodeStrings: false,
    write: (text: string, _encoding, done) => {
      Promise.resolve(output.write(text)).then(() => done(), done);
    },
  });
  const columns = output.size?.().columns ?? COLUMNS_DEFAULT;
  return Object.assign(stream, { isTTY: true, columns });
}
