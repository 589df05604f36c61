/**
 * What every `ObjectStore` shares when it lists: common prefixes, where a next page starts, and page building.
 * Pure. Orders are those of the keys' UTF-8 bytes (`src/core/key.ts`).
 */
import { byteLength } from './key.js';
import type { StoreListEntry, StoreListPage } from './object-store.js';
import { KEY_BYTES_MAX } from './object.js';

/** The greatest characters that take 1, 2 and 3 bytes in UTF-8, by their length. */
const GREATEST_BY_BYTES = ['', '\u007f', '\u07ff', '\uffff'] as const;
const GREATEST_CHARACTER = '\u{10ffff}';

/**
 * The greatest key that starts with `prefix` and fits in a key's length: listing strictly after it skips every key below
 * the prefix and no other. (The prefix with its last byte raised would not do: it may not be UTF-8, and a key of
 * just that name would be skipped.)
 */
export function greatestKeyBelow(prefix: string): string {
  const roomBytes = KEY_BYTES_MAX - byteLength(prefix);
  if (roomBytes <= 0) return prefix;
  return prefix + GREATEST_CHARACTER.repeat(roomBytes >> 2) + (GREATEST_BY_BYTES[roomBytes & 3] ?? '');
}

/** The part of `key` up to the first delimiter behind `prefix`, inclusive; undefined when there is none. */
export function commonPrefixOf(key: string, prefix: string, delimiter: string): string | undefined {
  if (delimiter === '') return undefined;
  const at = key.indexOf(delimiter, prefix.length);
  return at < 0 ? undefined : key.slice(0, at + delimiter.length);
}

/** Where the page behind `entry` starts. */
export function startAfterEntry(entry: StoreListEntry): string {
  return entry.kind === 'object' ? entry.key : greatestKeyBelow(entry.prefix);
}

/** A page of the first `limit` of `entries`; there is a next page when there are more than that. */
export function pageOf(entries: readonly StoreListEntry[], limit: number): StoreListPage {
  if (entries.length <= limit) return { entries, nextStartAfter: undefined };
  const kept = entries.slice(0, limit);
  const last = kept.at(-1);
  return { entries: kept, nextStartAfter: last === undefined ? undefined : startAfterEntry(last) };
}
