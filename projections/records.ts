/**
 * What the object index, the multipart uploads and the upload stream keep in the ordered index store.
 *
 * | key (byte string)                                  | value          | lifetime                                  |
 * |----------------------------------------------------|----------------|-------------------------------------------|
 * | `o` bucket NUL key                                 | ObjectRecord   | while the cache holds the object          |
 * | `o` bucket NUL key                                 | DeletingRecord | until the UFS has deleted it              |
 * | `u` bucket NUL key NUL upload id (32)              | UploadRecord   | until completed or aborted                |
 * | `p` bucket NUL key NUL upload id (32) number (2)   | PartRecord     | as its upload                             |
 * | `q` version (7, big endian)                        | QueueRecord    | until persisted, replaced or deleted      |
 * | `m` version (7) part number (2)                    | UfsPartRecord  | as the UFS upload that its queue entry names |
 * | `s` version (7)                                    | StaleUpload    | until the UFS upload was aborted          |
 * | `b` bucket NUL key                                 | UfsBaseRecord  | while the cache holds it, where persists are conditional |
 *
 * Bucket names hold no NUL and upload ids have a fixed length, so that keys with a NUL are no trouble.
 */
import { fromByteString, toByteString } from '../src/core/key.js';
import type { Extent, ObjectChecksum, ObjectHeaders, ObjectVersion } from '../src/core/object.js';

/** The current version of an object that the cache holds. */
export interface ObjectRecord extends ObjectVersion {
  readonly kind: 'object';
  /** Offset of the event that committed it. */
  readonly version: number;
}

/** A deleted object whose UFS copy is still to be deleted. It hides what the UFS says. */
export interface DeletingRecord {
  readonly kind: 'deleting';
  readonly version: number;
  readonly atMs: number;
}

export interface UploadRecord {
  readonly kind: 'upload';
  readonly openedMs: number;
  readonly headers: ObjectHeaders;
  readonly checksumAlgorithm?: ObjectChecksum['algorithm'];
  readonly checksumType?: ObjectChecksum['type'];
  /** As in `UploadOpened`. */
  readonly initiator?: string;
}

export interface PartRecord {
  readonly kind: 'part';
  readonly number: number;
  readonly size: number;
  /** MD5 in hex. */
  readonly etag: string;
  readonly storedMs: number;
  readonly extents: readonly Extent[];
  readonly checksum?: ObjectChecksum;
}

/** Something the UFS has yet to learn. Its version is in its key. */
export interface QueueRecord {
  readonly kind: 'queued';
  readonly action: 'put' | 'delete';
  readonly bucket: string;
  readonly key: string;
  readonly size: number;
  readonly sinceMs: number;
  /** Failed attempts so far. */
  readonly attempt: number;
  /** 0 before the first attempt. */
  readonly nextAttemptAtMs: number;
  readonly cause: string;
  readonly message: string;
  readonly quarantined: boolean;
  /** The multipart upload at the UFS that carries this version. */
  readonly upload?: UfsUpload;
}

export interface UfsUpload {
  /** The UFS's name of it; empty while it is about to be begun. */
  readonly id: string;
  readonly sinceMs: number;
}

/** A part that the UFS holds of the version's multipart upload. */
export interface UfsPartRecord {
  readonly kind: 'ufsPart';
  readonly size: number;
  readonly ufsEtag: string;
}

/**
 * A multipart upload that nobody will complete: it is to be aborted. With an empty id: all that were about to be begun of the
 * version and never got a name, if there are any at the UFS, from `sinceMs`, the first, to `lastMs`, the last.
 */
export interface StaleUploadRecord extends UfsUpload {
  readonly kind: 'staleUpload';
  readonly lastMs?: number;
  readonly bucket: string;
  readonly key: string;
}

/** What the UFS must still hold when the next version of an object goes there (`projections/ufs-bases.ts`). */
export interface UfsBaseRecord {
  readonly kind: 'ufsBase';
  /** The UFS's own ETag; absent: no object. */
  readonly ufsEtag?: string;
  /** ETags of our own versions since, any of which the UFS may have got without our knowing. */
  readonly ours: readonly string[];
}

export type IndexRecord =
  | ObjectRecord
  | DeletingRecord
  | UploadRecord
  | PartRecord
  | QueueRecord
  | UfsPartRecord
  | StaleUploadRecord
  | UfsBaseRecord;

/**
 * The record of a version. Field by field, because spreading the version behind two other fields takes ten times as long: the
 * engine makes two per write, and each would have a hidden class of its own.
 */
export function objectRecord(version: number, object: ObjectVersion): ObjectRecord {
  const { size, etag, lastModifiedMs, extents, headers, policy, state, checksum, parts, ufsEtag } = object;
  return {
    kind: 'object',
    version,
    size,
    etag,
    lastModifiedMs,
    extents,
    headers,
    policy,
    state,
    checksum,
    parts,
    ufsEtag,
  } satisfies { [Name in keyof Required<ObjectRecord>]: ObjectRecord[Name] };
}

/** What a fold needs of the index store; an overlay of queued decisions offers the same. */
export interface RecordMap {
  get(key: string): IndexRecord | undefined;
  set(key: string, value: IndexRecord): void;
  delete(key: string): void;
  /** Keys with `from ≤ key < to`; complete, and safe to use while they are changed. */
  keys(from: string, to: string): string[];
}

const SEPARATOR = '\0';
const UPLOAD_ID_LENGTH = 32;
const VERSION_BYTES = 7;
const QUEUE_LETTER = 'q'.charCodeAt(0);
const UFS_PART_LETTER = 'm'.charCodeAt(0);
const STALE_LETTER = 's'.charCodeAt(0);
const TWO_TO_32 = 2 ** 32;

export function objectKey(bucket: string, key: string): string {
  return `o${bucket}${SEPARATOR}${toByteString(key)}`;
}

export function ufsBaseKey(bucket: string, key: string): string {
  return `b${bucket}${SEPARATOR}${toByteString(key)}`;
}

export function uploadKey(bucket: string, key: string, uploadId: string): string {
  return `u${bucket}${SEPARATOR}${toByteString(key)}${SEPARATOR}${uploadId}`;
}

export function partKey(bucket: string, key: string, uploadId: string, number: number): string {
  return `${partPrefix(bucket, key, uploadId)}${String.fromCharCode(number >> 8, number & 0xff)}`;
}

export function partPrefix(bucket: string, key: string, uploadId: string): string {
  return `p${bucket}${SEPARATOR}${toByteString(key)}${SEPARATOR}${uploadId}`;
}

/** Keys of all parts of an upload lie from its prefix (inclusive) to this (exclusive). */
export function partPrefixEnd(prefix: string): string {
  return `${prefix}\xff\xff\xff`;
}

/**
 * Queue keys sort by version, which is the order of the log. Made in one call: joined byte by byte they are ropes that the
 * index has to flatten, which was a tenth of the engine's work per write.
 */
export function queueKey(version: number): string {
  return versionKey(QUEUE_LETTER, version);
}

/** Of an upload with a name: a version leaves one at most, because it goes on with the one it has. */
export function staleUploadKey(version: number): string {
  return versionKey(STALE_LETTER, version);
}

/** Of the version's uploads without a name. Sorts behind `staleUploadKey`. */
export function namelessUploadKey(version: number): string {
  return `${staleUploadKey(version)}n`;
}

export function ufsPartKey(version: number, number: number): string {
  return `${ufsPartPrefix(version)}${String.fromCharCode(number >> 8, number & 0xff)}`;
}

/** Keys of all parts that the UFS holds of a version lie from this (inclusive) to `partPrefixEnd` of it (exclusive). */
export function ufsPartPrefix(version: number): string {
  return versionKey(UFS_PART_LETTER, version);
}

/** The part number of an `m` key. */
export function ufsPartNumber(key: string): number {
  return key.charCodeAt(VERSION_BYTES + 1) * 256 + key.charCodeAt(VERSION_BYTES + 2);
}

function versionKey(letter: number, version: number): string {
  const high = Math.floor(version / TWO_TO_32);
  return String.fromCharCode(
    letter,
    (high >>> 16) & 0xff,
    (high >>> 8) & 0xff,
    high & 0xff,
    (version >>> 24) & 0xff,
    (version >>> 16) & 0xff,
    (version >>> 8) & 0xff,
    version & 0xff,
  );
}

/** The version in a `q` or `s` key. */
export function queueVersion(key: string): number {
  let version = 0;
  for (let i = 1; i <= VERSION_BYTES; i++) version = version * 256 + key.charCodeAt(i);
  return version;
}

/** Bucket and object key of an `o` key. */
export function parseObjectKey(indexKey: string): { bucket: string; key: string } {
  const end = indexKey.indexOf(SEPARATOR);
  return { bucket: indexKey.slice(1, end), key: fromByteString(indexKey.slice(end + 1)) };
}

/** Bucket, object key and upload id of a `u` key. */
export function parseUploadKey(indexKey: string): { bucket: string; key: string; uploadId: string } {
  const end = indexKey.indexOf(SEPARATOR);
  const keyEnd = indexKey.length - UPLOAD_ID_LENGTH - SEPARATOR.length;
  return {
    bucket: indexKey.slice(1, end),
    key: fromByteString(indexKey.slice(end + 1, keyEnd)),
    uploadId: indexKey.slice(keyEnd + 1),
  };
}

/** Upload id and part number of a `p` key. */
export function parsePartKey(indexKey: string): {
  bucket: string;
  key: string;
  uploadId: string;
  number: number;
} {
  const owner = parseUploadKey(indexKey.slice(0, -2));
  const last = indexKey.length - 1;
  return { ...owner, number: indexKey.charCodeAt(last - 1) * 256 + indexKey.charCodeAt(last) };
}
