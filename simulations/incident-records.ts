/**
 * What is in the cache, and on its way to the under-store, at the end of an export: a record for each thing that a simulation has to
 * put in place to go on from there.
 */
import { HeadraceError } from '../src/core/errors.js';
import { KEY_BYTES_MAX, type ObjectHeaders, type PolicyMode } from '../src/core/object.js';
import { byteLength } from '../src/core/key.js';
import type { ReplaySnapshot } from '../src/engine/inspection/replay.js';
import { splitSizes } from '../src/engine/persist-upload.js';
import {
  objectKey,
  parseObjectKey,
  partPrefix,
  partPrefixEnd,
  queueKey,
  queueVersion,
  staleUploadKey,
  ufsBaseKey,
  ufsPartNumber,
  ufsPartPrefix,
  type ObjectRecord,
  type QueueRecord,
} from '../projections/records.js';

/** The failed attempts of an upload or a delete. */
export interface IncidentFailure {
  readonly attempt: number;
  readonly nextAttemptAtMs: number;
  readonly cause: string;
  readonly message: string;
  readonly quarantined: boolean;
}

/** What the under-store must still hold when something conditional goes there. */
export interface IncidentBase {
  /** Whether it had an object when the first of our versions was written. */
  readonly hadObject: boolean;
}

interface IncidentEntry {
  /** `<bucket>/<key>` of the incident. */
  readonly key: string;
  readonly version: number;
  readonly atMs: number;
}

export interface IncidentObject extends IncidentEntry {
  readonly kind: 'object';
  readonly sizeBytes: number;
  /** Of an object that came in parts. */
  readonly partSizes: readonly number[];
  readonly policy: PolicyMode;
  readonly state: 'PENDING' | 'PERSISTED' | 'TRANSIENT';
  readonly headers: ObjectHeaders;
  readonly lastModifiedMs: number;
  readonly failure: IncidentFailure | undefined;
  readonly base: IncidentBase | undefined;
  readonly ufsUpload: IncidentUfsUpload | undefined;
}

/** A multipart upload at the under-store that carries a version. */
export interface IncidentUfsUpload {
  /** Without a name it was about to be begun. */
  readonly isNamed: boolean;
  readonly sinceMs: number;
  /** Numbers of the parts that the under-store has. */
  readonly parts: readonly number[];
}

/** An object whose UFS copy is still to be deleted. */
export interface IncidentDelete extends IncidentEntry {
  readonly kind: 'delete';
  readonly failure: IncidentFailure | undefined;
  readonly base: IncidentBase | undefined;
}

/** A base that no object in the cache belongs to: of a write that failed, or of one that was under way. */
export interface IncidentLoneBase extends IncidentEntry, IncidentBase {
  readonly kind: 'base';
}

/** A multipart upload at the under-store that is to be aborted; its `atMs` is when it was begun. */
export interface IncidentStaleUpload extends IncidentEntry {
  readonly kind: 'staleUpload';
  /** Without a name it is not known whether there is one. */
  readonly isNamed: boolean;
}

/** A multipart upload of a client that is open. */
export interface IncidentUpload extends IncidentEntry {
  readonly kind: 'upload';
  readonly uploadId: string;
  readonly headers: ObjectHeaders;
  readonly parts: readonly {
    readonly number: number;
    readonly sizeBytes: number;
    readonly storedMs: number;
  }[];
}

/** A streamed write that was under way. */
export interface IncidentWrite extends IncidentEntry {
  readonly kind: 'write';
  readonly writeId: string;
  readonly reservedBytes: number;
}

export type IncidentRecord =
  IncidentObject | IncidentDelete | IncidentLoneBase | IncidentStaleUpload | IncidentUpload | IncidentWrite;

/** What a put of this record took, whose upload failed because somebody else had changed the object. */
export function isConflict({ failure }: { readonly failure: IncidentFailure | undefined }): boolean {
  return failure?.quarantined === true && failure.cause === 'UFS_CONFLICT';
}

/** Throws `INVALID_ARGUMENT` for a key that is too long to be simulated. */
export function recordsOf(snapshot: ReplaySnapshot): IncidentRecord[] {
  const found: IncidentRecord[] = [...staleUploadsOf(snapshot), ...loneBasesOf(snapshot)];
  const { records, state } = snapshot;
  for (const [indexKey, record] of records.scan('o', 'p')) {
    if (record.kind !== 'object' && record.kind !== 'deleting') continue;
    const { bucket, key } = parseObjectKey(indexKey);
    const queued = queuedOf(snapshot, record.version);
    const failure = queued !== undefined && queued.attempt > 0 ? failureOf(queued) : undefined;
    const entry = { key: nameOf(bucket, key), version: record.version, failure };
    const base = baseOf(snapshot, bucket, key);
    if (record.kind === 'deleting') found.push({ ...entry, kind: 'delete', atMs: record.atMs, base });
    else found.push({ ...entry, ...objectOf(snapshot, record, queued), base });
  }
  for (const [id, { kind, bucket, key, openedMs, bytes }] of state.orphans) {
    const entry = { key: nameOf(bucket, key), version: 0, atMs: openedMs };
    if (kind === 'write') found.push({ ...entry, kind, writeId: id, reservedBytes: bytes });
  }
  found.push(...uploadsOf(snapshot));
  return found;
}

function objectOf(
  snapshot: ReplaySnapshot,
  record: ObjectRecord,
  queued: QueueRecord | undefined,
): Omit<IncidentObject, 'key' | 'version' | 'failure' | 'base'> {
  const { size, headers, policy, lastModifiedMs, parts = [] } = record;
  const partSizes = parts.map((part) => part.size);
  return {
    kind: 'object',
    atMs: queued?.sinceMs ?? lastModifiedMs,
    sizeBytes: size,
    partSizes,
    policy,
    state: record.state === 'QUARANTINED' ? 'PENDING' : record.state,
    headers,
    lastModifiedMs,
    ufsUpload: ufsUploadOf(snapshot, record.version, partSizes.length > 0 ? partSizes : splitSizes(size)),
  };
}

/** Parts of another size than the engine would send are left out, as the engine does not count on them. */
function ufsUploadOf(
  snapshot: ReplaySnapshot,
  version: number,
  sizes: readonly number[],
): IncidentUfsUpload | undefined {
  const upload = queuedOf(snapshot, version)?.upload;
  if (upload === undefined) return undefined;
  const parts: number[] = [];
  const prefix = ufsPartPrefix(version);
  for (const [indexKey, part] of snapshot.records.scan(prefix, partPrefixEnd(prefix))) {
    const number = ufsPartNumber(indexKey);
    if (part.kind === 'ufsPart' && sizes[number - 1] === part.size) parts.push(number);
  }
  return { isNamed: upload.id !== '', sinceMs: upload.sinceMs, parts };
}

function staleUploadsOf({ records }: ReplaySnapshot): IncidentStaleUpload[] {
  const found: IncidentStaleUpload[] = [];
  for (const [indexKey, record] of records.scan(staleUploadKey(0), 't')) {
    if (record.kind !== 'staleUpload') continue;
    const { bucket, key, id, sinceMs } = record;
    const entry = { key: nameOf(bucket, key), version: queueVersion(indexKey), atMs: sinceMs };
    found.push({ ...entry, kind: 'staleUpload', isNamed: id !== '' });
  }
  return found;
}

function loneBasesOf({ records }: ReplaySnapshot): IncidentLoneBase[] {
  const found: IncidentLoneBase[] = [];
  for (const [indexKey, record] of records.scan('b', 'c')) {
    if (record.kind !== 'ufsBase') continue;
    const { bucket, key } = parseObjectKey(indexKey);
    if (records.get(objectKey(bucket, key)) !== undefined) continue;
    const hadObject = record.ufsEtag !== undefined;
    found.push({ kind: 'base', key: nameOf(bucket, key), version: 0, atMs: 0, hadObject });
  }
  return found;
}

function baseOf({ records }: ReplaySnapshot, bucket: string, key: string): IncidentBase | undefined {
  const base = records.get(ufsBaseKey(bucket, key));
  return base?.kind === 'ufsBase' ? { hadObject: base.ufsEtag !== undefined } : undefined;
}

function queuedOf({ records }: ReplaySnapshot, version: number): QueueRecord | undefined {
  const record = records.get(queueKey(version));
  return record?.kind === 'queued' ? record : undefined;
}

function uploadsOf({ records, state }: ReplaySnapshot): IncidentUpload[] {
  const uploads: IncidentUpload[] = [];
  for (const [indexKey, { kind, id, bucket, key, openedMs }] of state.orphans) {
    const record = kind === 'upload' ? records.get(indexKey) : undefined;
    if (record?.kind !== 'upload') continue;
    const prefix = partPrefix(bucket, key, id);
    const parts = Array.from(records.scan(prefix, partPrefixEnd(prefix)), ([, part]) =>
      part.kind === 'part' ? [{ number: part.number, sizeBytes: part.size, storedMs: part.storedMs }] : [],
    ).flat();
    const entry = { key: nameOf(bucket, key), version: 0, atMs: openedMs };
    uploads.push({ ...entry, kind: 'upload', uploadId: id, headers: record.headers, parts });
  }
  return uploads;
}

function failureOf({ attempt, nextAttemptAtMs, cause, message, quarantined }: QueueRecord): IncidentFailure {
  return { attempt, nextAttemptAtMs, cause, message, quarantined };
}

function nameOf(bucket: string, key: string): string {
  const name = `${bucket}/${key}`;
  if (byteLength(name) <= KEY_BYTES_MAX) return name;
  throw new HeadraceError(
    'INVALID_ARGUMENT',
    `the key ${key} in the bucket ${bucket} is too long to be simulated: both together may have ${KEY_BYTES_MAX - 1} bytes`,
  );
}
