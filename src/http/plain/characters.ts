/** What a byte of a head may be a part of (RFC 9110, sections 5.5 and 5.6.2; RFC 9112, section 3). */

/** Bits of a class. */
export const TOKEN = 1;
export const TARGET = 2;
export const VALUE = 4;

const CLASSES = Uint8Array.from({ length: 256 }, (_, byte) => classesOf(String.fromCharCode(byte)));

function classesOf(character: string): number {
  const token = /[\w!#$%&'*+\-.^`|~]/.test(character) ? TOKEN : 0;
  const target = /[\x21-\x7e]/.test(character) ? TARGET : 0;
  const value = /[\t\x20-\x7e\x80-\xff]/.test(character) ? VALUE : 0;
  return token | target | value;
}

/** The first byte from `at` on that is not of the class. The head's end is of none. */
export function skip(bytes: Uint8Array, at: number, of: number): number {
  let index = at;
  while ((CLASSES[bytes[index] ?? 0]! & of) !== 0) index++;
  return index;
}

/** Whether all characters of a text are bytes of the class. */
export function isAll(text: string, of: number): boolean {
  for (let at = 0; at < text.length; at++) if (((CLASSES[text.charCodeAt(at)] ?? 0) & of) === 0) return false;
  return true;
}
