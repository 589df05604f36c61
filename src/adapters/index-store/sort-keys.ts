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

/** Returns the places of the keys in `keys`, in ascending order of the keys; at most 2^24 of them. */
export function sortedOrder(keys: readonly string[]): Uint32Array {
  assert(keys.length <= INDEX_MASK + 1, `${keys.length} keys are too many to be sorted at once`);
  const order = new Uint32Array(keys.length);
  for (let i = 0; i < keys.length; i++) order[i] = i;
  if (isSorted(keys)) return order;
  if (keys.length <= COMPARED_KEYS_MAX) return sortByComparison(keys, order);
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
  for (let i = 0; i < keys.length; i++) order[i] = (halves[2 * i] ?? 0) & INDEX_MASK;
  for (let first = 0; first < keys.length;) {
    let end = first + 1;
    while (end < keys.length && agree(halves, first, end)) end++;
    if (end - first > 1) sortTied(keys, order.subarray(first, end));
    first = end;
  }
  return order;
}

/** Sorts the places of keys whose numbers agree in the bytes of the key. */
function sortTied(keys: readonly string[], tied: Uint32Array): void {
  // When all agree, a key that ends here stands beside longer ones with zeros: only a comparison tells them apart.
  if (tied.length === keys.length) {
    sortByComparison(keys, tied);
    return;
  }
  const places = tied.slice();
  const order = sortedOrder(Array.from(places, (at) => keys[at] ?? ''));
  for (let i = 0; i < tied.length; i++) tied[i] = places[order[i] ?? 0] ?? 0;
}

function sortByComparison(keys: readonly string[], places: Uint32Array): Uint32Array {
  return places.sort((a, b) => compare(keys[a] ?? '', keys[b] ?? ''));
}

function agree(halves: Uint32Array, a: number, b: number): boolean {
  return (
    halves[2 * a + 1] === halves[2 * b + 1] &&
    (halves[2 * a] ?? 0) >>> INDEX_BITS === (halves[2 * b] ?? 0) >>> INDEX_BITS
  );
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
