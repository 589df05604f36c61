/**
 * Side files: what a file system does not keep beside a file: our ETag, the exact time, headers and tags.
 *
 * One JSON document:
 *
 * | field      | meaning                                                                                |
 * |------------|----------------------------------------------------------------------------------------|
 * | `format`   | 1                                                                                      |
 * | `key`      | the object's key                                                                       |
 * | `versions` | one or two records; each describes the file with its `size`, `mtimeMs` and `ino`       |
 *
 * Invariant: a record is believed only for a file of that size and modification time. A put writes the side file first,
 * with the new record and the one that is still true; renaming the new file into its place then changes object and
 * metadata in one step, for readers and for a crash. A file that somebody changed matches no record and is foreign:
 * its ETag is made of its size and time. The inode only decides between two records that both match, so that a
 * tree copied with its times (`cp -a`, `rsync -a`) keeps its metadata.
 */
import type { StoredObject } from '../../../core/object-store.js';
import type { ObjectHeaders } from '../../../core/object.js';

const FORMAT = 1;
/** A side file longer than this is not ours: headers are limited to a few KiB, a key to 1 KiB. */
export const SIDE_FILE_BYTES_MAX = 1024 * 1024;

/** What identifies a state of a file, as stat reports it. */
export interface FileIdentity {
  readonly size: number;
  /** With a fraction; compared to the microsecond, which is what a double, and most tools that copy times, can hold. */
  readonly mtimeMs: number;
  readonly ino: number;
}

export interface SideRecord extends FileIdentity {
  readonly etag: string;
  readonly lastModifiedMs: number;
  readonly headers: ObjectHeaders;
}

export interface SideFile {
  readonly key: string;
  readonly versions: readonly SideRecord[];
}

export function encodeSideFile(side: SideFile): string {
  return JSON.stringify({ format: FORMAT, key: side.key, versions: side.versions });
}

/** Undefined for what is no side file of ours: it counts as absent. */
export function decodeSideFile(text: string): SideFile | undefined {
  let value: unknown;
  try {
    value = JSON.parse(text);
  } catch {
    return undefined;
  }
  if (!isRecord(value) || value['format'] !== FORMAT || typeof value['key'] !== 'string') return undefined;
  const { key, versions } = value;
  if (!Array.isArray(versions) || !versions.every(isSideRecord)) return undefined;
  return { key, versions };
}

/** The record that describes the file. */
export function matchingRecord(side: SideFile | undefined, file: FileIdentity): SideRecord | undefined {
  let found: SideRecord | undefined;
  for (const record of side?.versions ?? []) {
    if (record.size !== file.size || microsecondsOf(record) !== microsecondsOf(file)) continue;
    if (record.ino === file.ino) return record;
    found ??= record;
  }
  return found;
}

/**
 * The store's own identity of a file: its time in microseconds and its size, as 32 hex digits, and `-0` so that nobody takes it
 * for an MD5.
 */
export function fileEtag(file: FileIdentity): string {
  return `${microsecondsOf(file).toString(16).padStart(16, '0')}${file.size.toString(16).padStart(16, '0')}-0`;
}

/** The object that a file is, with its record or without. */
export function storedObject(file: FileIdentity, record: SideRecord | undefined): StoredObject {
  const storeEtag = fileEtag(file);
  if (record === undefined) {
    return {
      size: file.size,
      etag: storeEtag,
      storeEtag,
      lastModifiedMs: Math.floor(file.mtimeMs),
      headers: { system: {}, user: {} },
    };
  }
  const { etag, lastModifiedMs, headers } = record;
  return { size: file.size, etag, storeEtag, lastModifiedMs, headers };
}

function microsecondsOf({ mtimeMs }: FileIdentity): number {
  return Math.max(0, Math.round(mtimeMs * 1000));
}

function isRecord(value: unknown): value is Record<string, unknown> {
  return typeof value === 'object' && value !== null && !Array.isArray(value);
}

function isTexts(value: unknown): value is Record<string, string> {
  return isRecord(value) && Object.values(value).every((text) => typeof text === 'string');
}

function isSideRecord(value: unknown): value is SideRecord {
  if (!isRecord(value) || !isRecord(value['headers'])) return false;
  const { system, user, tags } = value['headers'];
  return (
    [value['size'], value['mtimeMs'], value['ino'], value['lastModifiedMs']].every(Number.isFinite) &&
    typeof value['etag'] === 'string' &&
    isTexts(system) &&
    isTexts(user) &&
    (tags === undefined || isTexts(tags))
  );
}
