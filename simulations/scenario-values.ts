/** Values of a scenario's document, read strictly: every mistake is named with its place, the value and what would be right. */
import { HeadraceError } from '../src/core/errors.js';
import { formatDuration, parseDuration, parseSize } from '../src/core/quantities.js';
import { DAY_MS, TIB } from '../src/core/units.js';
import type { SizeRange } from './clients/workload.js';

/** A long weekend, and what led to it. */
const DURATION_MS_MAX = 7 * DAY_MS;
/** Of a wrong value, in a message. */
const SHOWN_CHARACTERS_MAX = 80;

export type Fields = Readonly<Record<string, unknown>>;

/** `{ min, max }`, or one value for both. */
export function rangeOf(
  place: string,
  value: unknown,
  parse: (place: string, value: unknown) => number,
): SizeRange {
  if (!isFields(value)) {
    const both = parse(place, value);
    return { min: both, max: both };
  }
  const fields = fieldsOf(value, place, ['min', 'max']);
  const range = { min: parse(`${place}.min`, fields['min']), max: parse(`${place}.max`, fields['max']) };
  if (range.min > range.max) refuse(`${place}.min`, fields['min'], `must not be above ${place}.max`);
  return range;
}

export function durationOf(place: string, value: unknown): number {
  const durationMs = typeof value === 'string' ? parseFraction(value) : undefined;
  if (durationMs === undefined || durationMs > DURATION_MS_MAX)
    return refuse(
      place,
      value,
      `must be a time with a unit, such as 500ms or 5min, at most ${formatDuration(DURATION_MS_MAX)}`,
    );
  return durationMs;
}

/** As settings have them, and fractions of a millisecond, for disks. */
function parseFraction(text: string): number | undefined {
  const match = /^(\d{1,9}\.\d{1,6})ms$/.exec(text);
  return match === null ? parseDuration(text) : Number(match[1]);
}

export function sizeOf(place: string, value: unknown): number {
  const bytes = typeof value === 'string' || typeof value === 'number' ? parseSize(String(value)) : undefined;
  if (bytes === undefined || bytes > 1024 * TIB)
    return refuse(place, value, 'must be a size, such as 512, 64KiB or 10GiB');
  return bytes;
}

export function numberOf(place: string, value: unknown, min: number, max: number): number {
  if (typeof value === 'number' && value >= min && value <= max) return value;
  return refuse(place, value, `must be a number from ${min} to ${max}`);
}

export function integerOf(place: string, value: unknown, min: number, max: number): number {
  if (Number.isInteger(value)) return numberOf(place, value, min, max);
  return refuse(place, value, `must be an integer from ${min} to ${max}`);
}

export function booleanOf(place: string, value: unknown): boolean {
  return typeof value === 'boolean' ? value : refuse(place, value, 'must be true or false');
}

export function textOf(place: string, value: unknown): string {
  return typeof value === 'string' ? value : refuse(place, value, 'must be text');
}

export function nameOf(place: string, value: unknown): string {
  const text = textOf(place, value);
  if (/^[a-z0-9][a-z0-9.-]{1,61}[a-z0-9]$/.test(text)) return text;
  return refuse(place, value, 'must have 3 to 63 of a-z, 0-9, dots and hyphens');
}

export function listOf(place: string, value: unknown, max: number): readonly unknown[] {
  if (!Array.isArray(value)) return refuse(place, value, 'must be a list');
  if (value.length > max) throw invalid(`${place} has ${value.length} entries: at most ${max} are allowed`);
  return value;
}

export function fieldsOf(value: unknown, place: string, known: readonly string[]): Fields {
  if (!isFields(value)) return refuse(place, value, `must be a map of ${known.join(', ')}`);
  for (const name of Object.keys(value))
    if (!known.includes(name))
      throw invalid(`${place} has no "${shortened(name)}": it may have ${known.join(', ')}`);
  return value;
}

export function isFields(value: unknown): value is Fields {
  return typeof value === 'object' && value !== null && !Array.isArray(value);
}

export function optional<Value, Fallback>(
  value: unknown,
  parse: (value: unknown) => Value,
  fallback: Fallback,
): Value | Fallback {
  return value === undefined ? fallback : parse(value);
}

/** A file that is none of ours may be one long value. */
export function shortened(text: string): string {
  return text.length <= SHOWN_CHARACTERS_MAX ? text : `${text.slice(0, SHOWN_CHARACTERS_MAX)}…`;
}

export function refuse(place: string, value: unknown, rule: string): never {
  throw invalid(`${place} ${rule}, not ${shortened(JSON.stringify(value) ?? 'nothing')}`);
}

export function invalid(message: string, cause?: unknown): HeadraceError {
  return new HeadraceError('INVALID_ARGUMENT', message, { cause });
}
