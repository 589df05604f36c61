/**
 * What an object is, in every layer: the names of its parts as S3 has them, without HTTP.
 */

/** Write policies per path (docs/policies.md). */
export const POLICY_MODES = ['WRITE_THROUGH', 'WRITE_BACK', 'TRANSIENT', 'READ_ONLY', 'NO_CACHE'] as const;
export type PolicyMode = (typeof POLICY_MODES)[number];

/**
 * PENDING: not yet in the UFS. PERSISTED: the UFS holds this version. TRANSIENT: never goes to the UFS.
 * QUARANTINED: the UFS refused it for good; kept until an operator decides.
 */
export type PersistState = 'PENDING' | 'PERSISTED' | 'TRANSIENT' | 'QUARANTINED';

/** Bytes in a segment file. Layout: `docs/on-disk-format.md`. */
export interface Extent {
  readonly segment: number;
  /** Where the payload starts in the segment file. */
  readonly position: number;
  /** Payload bytes. */
  readonly size: number;
  /** xxhash64 of the payload, or of its table of chunk checksums when it has more than one chunk. */
  readonly checksum: bigint;
}

/** Headers that belong to the object and come back with it. Names are lower case. */
export interface ObjectHeaders {
  /** content-type, content-encoding, content-language, content-disposition, cache-control, expires, … */
  readonly system: Readonly<Record<string, string>>;
  /** User metadata without the `x-amz-meta-` prefix. */
  readonly user: Readonly<Record<string, string>>;
  readonly tags?: Readonly<Record<string, string>>;
}

export type ChecksumAlgorithm = 'CRC32' | 'CRC32C' | 'CRC64NVME' | 'SHA1' | 'SHA256';

export interface ObjectChecksum {
  readonly algorithm: ChecksumAlgorithm;
  /** Base64; for COMPOSITE with `-<parts>` behind it. */
  readonly value: string;
  readonly type: 'FULL_OBJECT' | 'COMPOSITE';
}

/** One part of a completed multipart object. */
export interface ObjectPart {
  readonly number: number;
  readonly size: number;
  readonly checksum?: ObjectChecksum;
}

/** One committed version of an object. */
export interface ObjectVersion {
  readonly size: number;
  /** Unquoted: 32 hex digits, or `<hex>-<parts>`. Never changes after the acknowledgement. */
  readonly etag: string;
  readonly lastModifiedMs: number;
  readonly extents: readonly Extent[];
  readonly headers: ObjectHeaders;
  readonly policy: PolicyMode;
  readonly state: PersistState;
  readonly checksum?: ObjectChecksum;
  readonly parts?: readonly ObjectPart[];
  /** The UFS's own ETag of this version, once it holds it. */
  readonly ufsEtag?: string;
}

/** Longest key, in UTF-8 bytes (S3 user guide, "Creating object key names"). */
export const KEY_BYTES_MAX = 1024;
/** Parts of one multipart upload (S3 user guide, "Multipart upload limits"). */
export const PART_NUMBER_MAX = 10_000;
export const PART_BYTES_MIN = 5 * 1024 * 1024;
export const PART_BYTES_MAX = 5 * 1024 ** 3;
export const OBJECT_BYTES_MAX = 5 * 1024 ** 4;
