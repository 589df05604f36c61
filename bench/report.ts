/** The table and the JSON document that a bench prints. */
import type { Machine } from './machine.js';
import type { Measurement } from './measurement.js';

export interface Report {
  readonly machine: Machine;
  readonly startedAt: string;
  readonly suites: readonly SuiteReport[];
}

export interface SuiteReport {
  readonly suite: string;
  readonly elapsedMs: number;
  readonly rows: readonly Row[];
}

/** One line of the table: one side of a scenario, with what it is compared with. */
export interface Row {
  readonly scenario: string;
  readonly side: string;
  readonly measurement?: Measurement;
  readonly checks: readonly Check[];
}

/** One figure against its floor. `pass` is absent where there is no target. */
export interface Check {
  /** What it is: `ops/s of the sink`. */
  readonly what: string;
  readonly value: string;
  readonly target?: string;
  readonly pass?: boolean;
}

export function atLeast(what: string, ratio: number, target: number): Check {
  return { what, value: percent(ratio), target: `at least ${percent(target)}`, pass: ratio >= target };
}

/** Without a target it only informs. A round in which the other side used no processor time that could be counted tells nothing. */
export function atMostTimes(what: string, ratio: number, target?: number): Check {
  const value = Number.isFinite(ratio) ? `${ratio.toFixed(2)}x` : 'too short to tell';
  return target === undefined
    ? { what, value }
    : { what, value, target: `at most ${target}x`, pass: ratio <= target };
}

export function atMost(what: string, value: number, target: number, unit: string): Check {
  return {
    what,
    value: `${figure(value)} ${unit}`,
    target: `at most ${target} ${unit}`,
    pass: value <= target,
  };
}

export function information(what: string, value: string): Check {
  return { what, value };
}

export function percent(ratio: number): string {
  return `${(ratio * 100).toFixed(0)} %`;
}

/** Three digits that matter, without an exponent. */
export function figure(value: number): string {
  if (!Number.isFinite(value)) return '-';
  if (value >= 100) return value.toFixed(0);
  return value >= 10 ? value.toFixed(1) : value.toFixed(2);
}

/** `10 MiB`, `512 KiB`. */
export function sizeName(bytes: number): string {
  const units = ['bytes', 'KiB', 'MiB', 'GiB'];
  let unit = 0;
  let value = bytes;
  while (value >= 1024 && unit < units.length - 1) {
    value /= 1024;
    unit++;
  }
  return `${Number(value.toFixed(1))} ${units[unit]}`;
}

const HEADINGS = ['', 'ops/s', 'MiB/s', 'p50 ms', 'p90 ms', 'p99 ms', 'p99.9 ms', 'CPU µs/op', 'load µs/op'];
const CHECK_HEADINGS = ['against its floor', 'value', 'target', 'result'];

/** The table as text. The load column is the generator's own CPU time per operation. */
export function renderTable(suites: readonly SuiteReport[]): string {
  const lines: string[][] = [[...HEADINGS, ...CHECK_HEADINGS]];
  let scenario = '';
  for (const row of suites.flatMap((suite) => suite.rows)) {
    if (row.scenario !== scenario) lines.push([row.scenario]);
    scenario = row.scenario;
    const [first, ...more] = row.checks.map(checkCells);
    lines.push([`  ${row.side}`, ...measurementCells(row.measurement), ...(first ?? [])]);
    for (const cells of more) lines.push([...HEADINGS.map(() => ''), ...cells]);
  }
  const columns = HEADINGS.length + CHECK_HEADINGS.length;
  const widths = Array.from({ length: columns }, (_, column) =>
    Math.max(...lines.filter((cells) => cells.length > 1).map((cells) => cells[column]?.length ?? 0)),
  );
  return lines.map((cells) => renderLine(cells, widths)).join('\n');
}

/** Names to the left, figures to the right. */
function renderLine(cells: readonly string[], widths: readonly number[]): string {
  return cells
    .map((cell, i) => {
      const left = i === 0 || i === HEADINGS.length || i > HEADINGS.length + 1;
      return left ? cell.padEnd(cells.length > 1 ? (widths[i] ?? 0) : 0) : cell.padStart(widths[i] ?? 0);
    })
    .join('  ')
    .trimEnd();
}

function measurementCells(measurement: Measurement | undefined): string[] {
  if (measurement === undefined) return HEADINGS.slice(1).map(() => '');
  return [
    measurement.operationsPerSecond,
    measurement.bytesPerSecond / 1024 ** 2,
    measurement.p50Ms,
    measurement.p90Ms,
    measurement.p99Ms,
    measurement.p999Ms,
    measurement.cpuUsPerOperation,
    measurement.generatorCpuUsPerOperation,
  ].map((value) => (Number.isNaN(value) ? '' : figure(value)));
}

function checkCells(check: Check): string[] {
  const result = check.pass === undefined ? '' : check.pass ? 'pass' : 'MISS';
  return [check.what, check.value, check.target ?? '', result];
}

/** How many checks have a target and pass or miss it. */
export function countChecks(suites: readonly SuiteReport[]): { passed: number; missed: number } {
  const checks = suites.flatMap((suite) => suite.rows).flatMap((row) => row.checks);
  return {
    passed: checks.filter((check) => check.pass === true).length,
    missed: checks.filter((check) => check.pass === false).length,
  };
}
