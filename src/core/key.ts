/**
 * Keys of the ordered index: byte strings that sort as S3 lists keys, by their UTF-8 bytes.
 *
 * JavaScript compares strings by UTF-16 units, which differs from UTF-8 order above U+FFFF. A string with one
 * character (0 to 255) per byte has the right order, and V8 keeps it at one byte per character.
 */

const ASCII = /^[\x00-\x7f]*$/;

/** UTF-16 text to a byte string. */
export function toByteString(text: string): string {
  return ASCII.test(text) ? text : Buffer.from(text, 'utf8').toString('latin1');
}

/** A byte string to UTF-16 text. */
export function fromByteString(bytes: string): string {
  return ASCII.test(bytes) ? bytes : Buffer.from(bytes, 'latin1').toString('utf8');
}

/** The smallest byte string that is greater than every one with this prefix; undefined when there is none. */
export function afterPrefix(prefix: string): string | undefined {
  for (let i = prefix.length - 1; i >= 0; i--) {
    const unit = prefix.charCodeAt(i);
    if (unit < 0xff) return prefix.slice(0, i) + String.fromCharCode(unit + 1);
  }
  return undefined;
}

/** Length in UTF-8 bytes. */
export function byteLength(text: string): number {
  return Buffer.byteLength(text, 'utf8');
}
