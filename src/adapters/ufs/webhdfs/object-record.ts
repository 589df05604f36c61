/**
 * What HDFS does not keep beside a file: our ETag, the exact time, headers and tags, in extended attributes.
 *
 * | attribute           | value                                                                   |
 * |---------------------|-------------------------------------------------------------------------|
 * | `user.headrace.<n>` | piece n, from 0, of one JSON document; at most 8 KiB each and 8 of them |
 *
 * The document: `format` 1, `key`, `size`, `mtimeMs`, `etag`, `lastModifiedMs`, `headers`. A piece is smaller than HDFS takes
 * (`dfs.namenode.fs-limits.max-xattr-size`, 16 KiB) because it travels in a URL.
 *
 * Invariant: a record is believed only for a file of that size and modification time. It is written before the file gets
 * its name, and moves with it: bytes and record change in one step. A file that somebody else wrote or appended to has
 * none that fits, and is foreign: its ETag is made of its inode, time and size.
 */
import { HeadraceError } from '../../../core/errors.js';
import type { StoredObject } from '../../../core/object-store.js';
import type { ObjectHeaders } from '../../../core/object.js';
import { KIB } from '../../../core/units.js';

const FORMAT = 1;
const ATTRIBUTE = /^user\.headrace\.(\d+)$/;
const PIECE_BYTES_MAX = 8 * KIB;
const PIECES_MAX = 8;

/** A file or directory as a namenode describes it. */
export interface HdfsStatus {
  readonly isDirectory: boolean;
  readonly length: number;
  readonly mtimeMs: number;
  /** Of the inode: unique, and never used again. */
  readonly fileId: number;
}

export interface ObjectRecord {
  readonly key: string;
  readonly size: number;
  readonly mtimeMs: number;
  readonly etag: string;
  readonly lastModifiedMs: number;
  readonly headers: ObjectHeaders;
}

/** Attributes by name, values as the API takes them. `UFS_REJECTED` when the headers are too long. */
export function encodeRecord(record: ObjectRecord): (readonly [name: string, value: string])[] {
  const bytes = Buffer.from(JSON.stringify({ format: FORMAT, ...record }));
  const count = Math.ceil(bytes.length / PIECE_BYTES_MAX);
  if (count > PIECES_MAX) {
    throw new HeadraceError(
      'UFS_REJECTED',
      `the headers of ${record.key} take ${bytes.length} bytes; HDFS keeps up to ${PIECES_MAX * PIECE_BYTES_MAX} beside a file`,
    );
  }
  return Array.from({ length: count }, (_, index) => {
    const piece = bytes.subarray(index * PIECE_BYTES_MAX, (index + 1) * PIECE_BYTES_MAX);
    return [`user.headrace.${index}`, `0s${piece.toString('base64')}`] as const;
  });
}

/** The record in the answer to GETXATTRS with `encoding=base64`; undefined when there is none of ours. */
export function decodeRecord(answer: unknown): ObjectRecord | undefined {
  if (!isFields(answer) || !Array.isArray(answer['XAttrs'])) return undefined;
  const pieces: Buffer[] = [];
  for (const attribute of answer['XAttrs'] as unknown[]) {
    if (!isFields(attribute) || typeof attribute['name'] !== 'string') continue;
    const index = Number(ATTRIBUTE.exec(attribute['name'])?.[1] ?? PIECES_MAX);
    const { value } = attribute;
    if (index >= PIECES_MAX || typeof value !== 'string' || !/^0s/i.test(value)) continue;
    pieces[index] = Buffer.from(value.slice(2), 'base64');
  }
  // A hole in the pieces makes a document that nobody can read.
  const text = Buffer.concat(Array.from(pieces, (piece) => piece ?? Buffer.alloc(1))).toString('utf8');
  let value: unknown;
  try {
    value = JSON.parse(text);
  } catch {
    return undefined;
  }
  return isRecord(value) ? value : undefined;
}

/** The object that a file is, with its record or without. */
export function storedObject(status: HdfsStatus, record: ObjectRecord | undefined): StoredObject {
  const storeEtag = fileEtag(status);
  const { length: size } = status;
  if (record === undefined || record.size !== size || record.mtimeMs !== status.mtimeMs) {
    const headers = { system: {}, user: {} };
    return { size, etag: storeEtag, storeEtag, lastModifiedMs: status.mtimeMs, headers };
  }
  const { etag, lastModifiedMs, headers } = record;
  return { size, etag, storeEtag, lastModifiedMs, headers };
}

/** A status in the answers to GETFILESTATUS and LISTSTATUS_BATCH; undefined for what is none. */
export function statusFrom(fields: unknown): HdfsStatus | undefined {
  if (!isFields(fields)) return undefined;
  const { type, length, modificationTime: mtimeMs, fileId } = fields;
  if (typeof length !== 'number' || typeof mtimeMs !== 'number' || typeof fileId !== 'number') {
    return undefined;
  }
  return { isDirectory: type === 'DIRECTORY', length, mtimeMs, fileId };
}

export function isFields(value: unknown): value is Record<string, unknown> {
  return typeof value === 'object' && value !== null && !Array.isArray(value);
}

/** Inode, time and size in hex digits, and `-0` so that nobody takes it for an MD5. */
function fileEtag({ fileId, mtimeMs, length }: HdfsStatus): string {
  const hex = (value: number): string => value.toString(16);
  return `${hex(fileId).padStart(16, '0')}${hex(mtimeMs).padStart(16, '0')}${hex(length)}-0`;
}

function isTexts(value: unknown): value is Record<string, string> {
  return isFields(value) && Object.values(value).every((text) => typeof text === 'string');
}

function isRecord(value: unknown): value is ObjectRecord {
  if (!isFields(value) || value['format'] !== FORMAT || !isFields(value['headers'])) return false;
  const { system, user, tags } = value['headers'];
  return (
    [value['size'], value['mtimeMs'], value['lastModifiedMs']].every(Number.isSafeInteger) &&
    typeof value['key'] === 'string' &&
    typeof value['etag'] === 'string' &&
    isTexts(system) &&
    isTexts(user) &&
    (tags === undefined || isTexts(tags))
  );
}
