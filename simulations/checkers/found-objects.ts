/**
 * Whether what a client was shown of objects may be: the bytes of one, and one page of a listing. Pure: the recorder reports what is
 * found.
 */
import { toByteString } from '../../src/core/key.js';
import { bytesOfContent, type Content } from '../content.js';
import type { ObjectModel } from '../object-model.js';
import { ABSENT, type RegisterValue } from './register.js';

export interface FoundObject {
  /** Unquoted. */
  readonly etag: string;
  readonly size: number;
}

/** Part of an object that was read. */
export interface ReadBytes {
  readonly bytes: Uint8Array;
  /** Where in the object they begin. */
  readonly first: number;
}

/** What is wrong with the size or the bytes of an object, when `content` was written with its ETag. */
export function problemOfObject(
  key: string,
  etag: RegisterValue,
  { size }: FoundObject,
  content: Content | undefined,
  read: ReadBytes | undefined,
): string | undefined {
  if (content === undefined) return `${key} has the ETag ${etag}, which nobody wrote`;
  if (content.size !== size) return `${key} has ${size} bytes and was written with ${content.size}`;
  if (read === undefined) return undefined;
  const { bytes, first } = read;
  const right = bytesOfContent(content).subarray(first, first + bytes.length);
  const isRight = Buffer.compare(right, bytes) === 0 && (first !== 0 || bytes.length === size);
  return isRight ? undefined : `${key} gave ${bytes.length} bytes that are not those of ${etag}`;
}

export interface ListedPage {
  /** Every key that may be listed under its prefix, in order. */
  readonly keys: readonly string[];
  readonly found: ReadonlyMap<string, FoundObject>;
  readonly startAfter: string;
  /** The page ends with this key; undefined: it goes to the end. */
  readonly upTo: string | undefined;
  /** Moments of the model between which it was made. */
  readonly begunAt: number;
  readonly endedAt: number;
}

/** The first key that a page shows wrongly, leaves out, or should not have. */
export function problemOfPage(
  model: ObjectModel,
  { keys, found, startAfter, upTo, begunAt, endedAt }: ListedPage,
): { readonly key: string; readonly message: string } | undefined {
  const first = toByteString(startAfter);
  const last = upTo === undefined ? undefined : toByteString(upTo);
  for (const key of keys) {
    const bytes = toByteString(key);
    if (bytes <= first || (last !== undefined && bytes > last)) continue;
    const object = found.get(key);
    const shown = object === undefined ? ABSENT : `"${object.etag}" ${object.size}`;
    const may = model
      .candidates(key, begunAt, endedAt)
      .map((content) => (content === undefined ? ABSENT : `${content.etag} ${content.size}`));
    if (!may.includes(shown))
      return { key, message: `${key} is listed as ${shown} and may be ${may.join(' or ')}` };
  }
  const known = new Set(keys);
  for (const key of found.keys())
    if (!known.has(key)) return { key, message: `${key} is listed and was never written` };
  return undefined;
}
