/** Where an axis has its marks: at round values, few enough to be read. */
import { DAY_MS, HOUR_MS, MINUTE_MS, SECOND_MS } from '../core/units.js';

const TIME_STEPS_MS = [
  ...[1, 2, 5, 10, 20, 50, 100, 200, 500],
  ...[1, 2, 5, 10, 20, 30].map((seconds) => seconds * SECOND_MS),
  ...[1, 2, 5, 10, 20, 30].map((minutes) => minutes * MINUTE_MS),
  ...[1, 2, 3, 6, 12].map((hours) => hours * HOUR_MS),
  ...[1, 2, 7, 14, 30].map((days) => days * DAY_MS),
];

/** Multiples of the time that clocks show, from 0 to `endMs`. */
export function timeTicks(endMs: number, ticksMax: number): number[] {
  const stepMs =
    TIME_STEPS_MS.find((step) => endMs / step <= ticksMax) ?? Math.ceil(endMs / ticksMax / DAY_MS) * DAY_MS;
  return multiples(stepMs, endMs);
}

/** Multiples of a power of two, which are whole KiB, MiB and so on, from 0 to `end`. */
export function byteTicks(end: number, ticksMax: number): number[] {
  return multiples(2 ** Math.max(0, Math.ceil(Math.log2(end / ticksMax))), end);
}

/** Multiples of 1, 2 or 5 times a power of ten, from 0 to `end`. */
export function countTicks(end: number, ticksMax: number): number[] {
  const power = 10 ** Math.max(0, Math.floor(Math.log10(end / ticksMax)));
  const step = [1, 2, 5, 10].find((factor) => end / (factor * power) <= ticksMax) ?? 10;
  return multiples(step * power, end);
}

function multiples(step: number, end: number): number[] {
  return Array.from({ length: Math.floor(end / step) + 1 }, (_, at) => at * step);
}
