/**
 * Sorts byte strings by their bytes, several times as fast as a comparison of strings does.
 *
 * Each key becomes one 64-bit number, five bytes behind the prefix that all share and its place in the list, and the numbers are
 * sorted natively. Keys that agree in these bytes are sorted again among themselves, by what follows.
 *
 * | bits  | what                                                    |
 * |-------|---------------------------------------------------------|
 * | 63-24 | five bytes of the key behind the shared prefix, 0 at its end |
 * | 23-0  | index of the key in the list                            |
 */
import { assert } from '../../core/assert.js';

const INDEX_BITS = 24;
const INDEX_MASK = 2 ** INDEX_BITS - 1;
/** Fewer keys than this are sorted by comparison. */
const COMPARED_KEYS_MAX = 32;

/** Returns the keys in ascending order; at most 2^24 of them. */
export function sortKeys(keys: readonly string[]): string[] {
  assert(keys.length <= INDEX_MASK + 1, `${keys.length} keys are too many to be sorted at once`);
  if (keys.length <= COMPARED_KEYS_MAX || isSorted(keys)) return keys.toSorted(compare);
  const start = sharedPrefixLength(keys);
  const numbers = new BigUint64Array(keys.length);
  const halves = new Uint32Array(numbers.buffer);
  for (let i = 0; i < keys.length; i++) {
    const key = keys[i] ?? '';
    halves[2 * i] = (byteAt(key, start + 4) << INDEX_BITS) | i;
    halves[2 * i + 1] =
      (byteAt(key, start) << 24) |
      (byteAt(key, start + 1) << 16) |
      (byteAt(key, start + 2) << 8) |
      byteAt(key, start + 3);
  }
  numbers.sort();
  const sorted: string[] = [];
  for (let first = 0; first < keys.length;) {
    let end = first + 1;
    while (end < keys.length && agree(halves, first, end)) end++;
    if (end - first === 1) sorted.push(keyAt(keys, halves, first));
    else sortTied(keys, halves, first, end, sorted);
    first = end;
  }
  return sorted;
}

/** Appends the keys whose numbers, from `first` to `end`, agree in the bytes of the key. */
function sortTied(
  keys: readonly string[],
  halves: Uint32Array,
  first: number,
  end: number,
  sorted: string[],
): void {
  const tied: string[] = [];
  for (let i = first; i < end; i++) tied.push(keyAt(keys, halves, i));
  // When all agree, a key that ends here stands beside longer ones with zeros: only a comparison tells them apart.
  const ordered = tied.length === keys.length ? tied.sort(compare) : sortKeys(tied);
  for (const key of ordered) sorted.push(key);
}

function agree(halves: Uint32Array, a: number, b: number): boolean {
  return (
    halves[2 * a + 1] === halves[2 * b + 1] &&
    (halves[2 * a] ?? 0) >>> INDEX_BITS === (halves[2 * b] ?? 0) >>> INDEX_BITS
  );
}

function keyAt(keys: readonly string[], halves: Uint32Array, at: number): string {
  return keys[(halves[2 * at] ?? 0) & INDEX_MASK] ?? '';
}

function byteAt(key: string, at: number): number {
  return at < key.length ? key.charCodeAt(at) : 0;
}

function isSorted(keys: readonly string[]): boolean {
  for (let i = 1; i < keys.length; i++) if ((keys[i] ?? '') < (keys[i - 1] ?? '')) return false;
  return true;
}

function sharedPrefixLength(keys: readonly string[]): number {
  let prefix = keys[0] ?? '';
  for (const key of keys) {
    if (key.startsWith(prefix)) continue;
    let length = 0;
    while (length < prefix.length && key.charCodeAt(length) === prefix.charCodeAt(length)) length++;
    prefix = prefix.slice(0, length);
  }
  return prefix.length;
}

function compare(a: string, b: string): number {
  return a < b ? -1 : a > b ? 1 : 0;
}
