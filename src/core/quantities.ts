/**
 * Durations and sizes as people write them, and back.
 *
 * As in the settings files that existing installations have, `KB`, `MB`, `GB` and `TB` mean powers of 1024, the same as
 * `KiB` and so on: a settings file has one meaning, whichever spelling it uses.
 */
import { DAY_MS, GIB, HOUR_MS, KIB, MIB, MINUTE_MS, SECOND_MS, TIB } from './units.js';

const QUANTITY = /^(\d{1,16}(?:\.\d{1,6})?)\s*([a-z]*)$/i;

const DURATION_UNITS: Readonly<Record<string, number>> = {
  ms: 1,
  s: SECOND_MS,
  sec: SECOND_MS,
  second: SECOND_MS,
  seconds: SECOND_MS,
  m: MINUTE_MS,
  min: MINUTE_MS,
  minute: MINUTE_MS,
  minutes: MINUTE_MS,
  h: HOUR_MS,
  hour: HOUR_MS,
  hours: HOUR_MS,
  d: DAY_MS,
  day: DAY_MS,
  days: DAY_MS,
};

const SIZE_UNITS: Readonly<Record<string, number>> = { '': 1, b: 1 };
const SIZE_PREFIXES: Readonly<Record<string, number>> = { k: KIB, m: MIB, g: GIB, t: TIB };

/** Whole milliseconds; undefined when `text` is not a number with a unit. */
export function parseDuration(text: string): number | undefined {
  return parseQuantity(text, (unit) => DURATION_UNITS[unit]);
}

/** Whole bytes; undefined when `text` is not a number, with or without a unit. */
export function parseSize(text: string): number | undefined {
  return parseQuantity(
    text,
    (unit) => SIZE_UNITS[unit] ?? (/^[kmgt](b|ib)?$/.test(unit) ? SIZE_PREFIXES[unit[0] ?? ''] : undefined),
  );
}

function parseQuantity(text: string, factorOf: (unit: string) => number | undefined): number | undefined {
  const match = QUANTITY.exec(text);
  if (match === null) return undefined;
  const factor = factorOf((match[2] ?? '').toLowerCase());
  const value = factor === undefined ? Number.NaN : Number(match[1]) * factor;
  return Number.isSafeInteger(value) ? value : undefined;
}

/** The shortest exact spelling: `1h`, `90s`, `1500ms`. */
export function formatDuration(durationMs: number): string {
  return format(
    durationMs,
    [
      [DAY_MS, 'd'],
      [HOUR_MS, 'h'],
      [MINUTE_MS, 'min'],
      [SECOND_MS, 's'],
    ],
    'ms',
  );
}

/** The shortest exact spelling: `10GiB`, `1536MiB`, `1000B`. */
export function formatSize(sizeBytes: number): string {
  return format(
    sizeBytes,
    [
      [TIB, 'TiB'],
      [GIB, 'GiB'],
      [MIB, 'MiB'],
      [KIB, 'KiB'],
    ],
    'B',
  );
}

function format(value: number, units: readonly (readonly [number, string])[], smallest: string): string {
  const unit = value === 0 ? undefined : units.find(([factor]) => value % factor === 0);
  return unit === undefined ? `${value}${smallest}` : `${value / unit[0]}${unit[1]}`;
}
