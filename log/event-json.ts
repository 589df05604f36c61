/**
 * Events as plain JSON values, for people and for `log cat`: a checksum is 16 hex digits, all else is as it
 * is in the event.
 */
import type { Event } from './events.js';

const CHECKSUM_HEX_DIGITS = 16;

/** A copy of the event that `JSON.stringify` takes as it is. */
export function eventToJson(event: Event): Record<string, unknown> {
  return copyRecord(event);
}

function copyRecord(record: object): Record<string, unknown> {
  const copy: Record<string, unknown> = {};
  for (const [name, value] of Object.entries(record)) {
    if (value === undefined) continue;
    // Metadata names come from clients, `__proto__` included.
    Object.defineProperty(copy, name, {
      value: copyValue(value),
      enumerable: true,
      writable: true,
      configurable: true,
    });
  }
  return copy;
}

function copyValue(value: unknown): unknown {
  if (typeof value === 'bigint') return value.toString(16).padStart(CHECKSUM_HEX_DIGITS, '0');
  if (Array.isArray(value)) return value.map(copyValue);
  return typeof value === 'object' && value !== null ? copyRecord(value) : value;
}
