/** What somebody who gave an unknown setting may have meant. A guess that is far off would only mislead: then there is none. */
import { SETTINGS } from './table.js';

/** Edits for each so many characters of what was given that still make a likely slip of the hand. */
const CHARACTERS_PER_EDIT = 4;
const EDITS_MIN = 2;
const KEY_CHARACTERS_MAX = 200;

const KEYS: readonly string[] = Object.values(SETTINGS).map(({ key }) => key);

/** The known key that takes the fewest edits, with or without words in front of it (`worker.s3.prot`: `s3.port`). */
export function nearestKey(key: string): string | undefined {
  const words = key.slice(0, KEY_CHARACTERS_MAX).split('.');
  let nearest: string | undefined;
  let least = Number.POSITIVE_INFINITY;
  for (let first = 0; first === 0 || first < words.length - 1; first++) {
    const given = words.slice(first).join('.');
    const editsMax = Math.max(EDITS_MIN, Math.floor(given.length / CHARACTERS_PER_EDIT));
    for (const known of KEYS) {
      const edits = editDistance(given, known);
      // A key that is almost all edits is no likeness, however short it is.
      if (edits < least && edits <= editsMax && edits * 2 <= known.length) [nearest, least] = [known, edits];
    }
  }
  return nearest;
}

/** Completes a message about an unknown setting. `spell` writes a key as the source of the mistake does. */
export function adviceFor(key: string, spell: (key: string) => string = (known) => known): string {
  const nearest = nearestKey(key);
  return nearest === undefined
    ? '`headrace conf list` shows all settings'
    : `did you mean ${spell(nearest)}?`;
}

/** Insertions, removals and replacements of characters that make `b` out of `a` (Levenshtein). */
export function editDistance(a: string, b: string): number {
  let row = Array.from({ length: b.length + 1 }, (_, i) => i);
  for (let i = 1; i <= a.length; i++) {
    const next = [i];
    for (let j = 1; j <= b.length; j++) {
      const replaced = (row[j - 1] ?? 0) + (a[i - 1] === b[j - 1] ? 0 : 1);
      next.push(Math.min(replaced, (row[j] ?? 0) + 1, (next[j - 1] ?? 0) + 1));
    }
    row = next;
  }
  return row[b.length] ?? 0;
}
