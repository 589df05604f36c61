/** What is shown of a replayed state: parts of it, and what changed between two offsets. Plain values, ready for JSON. */
import {
  objectKey,
  parseObjectKey,
  parsePartKey,
  parseUploadKey,
  queueKey,
  queueVersion,
  type IndexRecord,
} from '../../../projections/records.js';
import type { ReplaySnapshot } from './replay.js';
import { MarkedRecords, RECORDS_END } from './tracked-records.js';

export interface PinnedView {
  readonly kind: 'object' | 'part' | 'write';
  readonly bucket: string;
  readonly key: string;
  readonly bytes: number;
  readonly state: string;
  readonly sinceMs: number;
}

export interface UploadView {
  readonly bucket: string;
  readonly key: string;
  readonly action: 'put' | 'delete';
  readonly version: number;
  readonly size: number;
  readonly sinceMs: number;
  readonly attempt: number;
  readonly quarantined: boolean;
  readonly nextAttemptAtMs?: number;
  readonly cause?: string;
  readonly message?: string;
}

export interface OrphanView {
  readonly kind: 'write' | 'upload';
  readonly id: string;
  readonly bucket: string;
  readonly key: string;
  readonly openedMs: number;
  readonly lastDataMs: number;
  readonly bytes: number;
}

export interface ObjectView {
  readonly record: Record<string, unknown>;
  readonly upload?: UploadView;
}

export interface ReplayChange {
  /** What it is about, such as `s3://b/k`, or the name of a count. */
  readonly what: string;
  /** Absent when it was not there. */
  readonly before?: string;
  readonly after?: string;
}

/** Everything that eviction may not touch, the largest first. */
export function pinnedView({ records, state }: ReplaySnapshot): PinnedView[] {
  const views = openWritesView(state);
  for (const [indexKey, record] of records.scan(...PINNED_KEYS)) {
    const view = pinnedOf(indexKey, record);
    if (view !== undefined) views.push(view);
  }
  return views.toSorted((a, b) => b.bytes - a.bytes);
}

/** Where records are that may be pinned. */
export const PINNED_KEYS = ['o', 'q'] as const;

/** Undefined for a record that pins nothing. */
export function pinnedOf(indexKey: string, record: IndexRecord): PinnedView | undefined {
  if (record.kind === 'object' && record.state !== 'PERSISTED')
    return {
      kind: 'object',
      ...parseObjectKey(indexKey),
      bytes: record.size,
      state: record.state,
      sinceMs: record.lastModifiedMs,
    };
  if (record.kind !== 'part') return undefined;
  const { bucket, key } = parsePartKey(indexKey);
  const { size, storedMs } = record;
  return { kind: 'part', bucket, key, bytes: size, state: `part ${record.number}`, sinceMs: storedMs };
}

export function openWritesView(state: ReplaySnapshot['state']): PinnedView[] {
  const views: PinnedView[] = [];
  for (const { kind, bucket, key, bytes, openedMs } of state.orphans.values())
    if (kind === 'write') views.push({ kind, bucket, key, bytes, state: 'OPEN', sinceMs: openedMs });
  return views;
}

/** What the UFS had yet to learn, in the order of the log. */
export function uploadsView({ records }: ReplaySnapshot): UploadView[] {
  const views: UploadView[] = [];
  for (const [indexKey, record] of records.scan(...UPLOAD_KEYS)) {
    const view = uploadOf(indexKey, record);
    if (view !== undefined) views.push(view);
  }
  return views;
}

export const UPLOAD_KEYS = ['q', 'r'] as const;

export function uploadOf(indexKey: string, record: IndexRecord | undefined): UploadView | undefined {
  if (record?.kind !== 'queued') return undefined;
  const { bucket, key, action, size, sinceMs, attempt, quarantined, nextAttemptAtMs, cause, message } =
    record;
  return {
    bucket,
    key,
    action,
    version: queueVersion(indexKey),
    size,
    sinceMs,
    attempt,
    quarantined,
    ...(attempt > 0 && !quarantined ? { nextAttemptAtMs } : {}),
    ...(cause === '' ? {} : { cause, message }),
  };
}

/** Writes and multipart uploads that were open, the oldest first. */
export function orphansView({ state }: ReplaySnapshot): OrphanView[] {
  return [...state.orphans.values()].toSorted((a, b) => a.openedMs - b.openedMs);
}

/** The record of one object and its entry in the upload stream; undefined when there was none. */
export function objectView(snapshot: ReplaySnapshot, bucket: string, key: string): ObjectView | undefined {
  const record = snapshot.records.get(objectKey(bucket, key));
  if (record === undefined) return undefined;
  const at = 'version' in record ? queueKey(record.version) : '';
  const upload = uploadOf(at, snapshot.records.get(at));
  return { record: plain(record), ...(upload === undefined ? {} : { upload }) };
}

/** What became of everything between two offsets: objects, uploads in progress, queue entries, and the counts. */
export function changesBetween(before: ReplaySnapshot, after: ReplaySnapshot): ReplayChange[] {
  const changes: ReplayChange[] = [];
  for (const key of changedKeys(before, after)) {
    const change = changeOf(key, before, after);
    if (change !== undefined) changes.push(change);
  }
  return [...changes, ...countChanges(before, after)];
}

/** What became of one record; undefined when nothing did. */
export function changeOf(
  indexKey: string,
  before: ReplaySnapshot,
  after: ReplaySnapshot,
): ReplayChange | undefined {
  const old = before.records.get(indexKey);
  const now = after.records.get(indexKey);
  if (now === old) return undefined;
  const from = old === undefined ? undefined : summarise(old);
  const to = now === undefined ? undefined : summarise(now);
  return from === to ? undefined : { what: nameOf(indexKey, now ?? old), ...sides(from, to) };
}

export function countChanges(before: ReplaySnapshot, after: ReplaySnapshot): ReplayChange[] {
  const changes: ReplayChange[] = [];
  const counts = countsOf(after);
  for (const [name, value] of Object.entries(countsOf(before)))
    if (value !== counts[name]) changes.push({ what: name, ...sides(String(value), String(counts[name])) });
  return changes;
}

/** Those that may have changed, ascending: all of both states, when they do not come from one pass. */
function changedKeys(before: ReplaySnapshot, after: ReplaySnapshot): string[] {
  const known =
    before.records instanceof MarkedRecords ? before.records.changedUntil(after.records) : undefined;
  if (known !== undefined) return known;
  const keys = new Set<string>();
  for (const { records } of [before, after]) for (const [key] of records.scan('', RECORDS_END)) keys.add(key);
  return [...keys].sort();
}

/** The sums that the projections keep; only of a whole state. */
export function countsOf({ state, complete }: ReplaySnapshot): Record<string, number> {
  if (!complete) return { 'open writes': state.orphans.size };
  const { pinned, uploads, cache, orphans } = state;
  return {
    objects: cache.objects,
    'object bytes': cache.objectBytes,
    'pinned bytes': pinned.pendingBytes + pinned.transientBytes + pinned.partBytes + pinned.reservedBytes,
    'pending uploads': uploads.pending,
    'pending bytes': uploads.pendingBytes,
    quarantined: uploads.quarantined,
    'open writes': orphans.size,
  };
}

function sides(before: string | undefined, after: string | undefined): { before?: string; after?: string } {
  return { ...(before === undefined ? {} : { before }), ...(after === undefined ? {} : { after }) };
}

function nameOf(indexKey: string, record: IndexRecord | undefined): string {
  switch (record?.kind) {
    case 'object':
    case 'deleting': {
      const { bucket, key } = parseObjectKey(indexKey);
      return `s3://${bucket}/${key}`;
    }
    case 'upload': {
      const { bucket, key, uploadId } = parseUploadKey(indexKey);
      return `multipart upload ${uploadId} of s3://${bucket}/${key}`;
    }
    case 'part': {
      const { bucket, key, uploadId, number } = parsePartKey(indexKey);
      return `part ${number} of multipart upload ${uploadId} of s3://${bucket}/${key}`;
    }
    case 'queued':
      return `persist of s3://${record.bucket}/${record.key}`;
    case 'ufsBase':
      return `what the UFS holds of ${indexKey.slice(1).replace('\0', '/')}`;
    case 'staleUpload':
      return `stale upload at the UFS of s3://${record.bucket}/${record.key}`;
    case 'ufsPart':
      return `part at the UFS of version ${queueVersion(indexKey)}`;
    default: {
      const { bucket, key } = parseObjectKey(indexKey);
      return `what the UFS held of s3://${bucket}/${key}`;
    }
  }
}

function summarise(record: IndexRecord): string {
  switch (record.kind) {
    case 'object':
      return `version ${record.version}, ${record.size} bytes, ${record.state}`;
    case 'deleting':
      return `version ${record.version}, DELETING`;
    case 'upload':
      return 'open';
    case 'part':
      return `${record.size} bytes`;
    case 'ufsBase':
      return record.ufsEtag === undefined ? 'no object' : `ETag ${record.ufsEtag}`;
    case 'queued': {
      const failed =
        record.attempt === 0
          ? 'no failed attempt'
          : `${record.attempt} failed attempt${record.attempt === 1 ? '' : 's'}, ${record.cause}`;
      return `${record.action}, ${record.quarantined ? 'quarantined, ' : ''}${failed}`;
    }
    case 'ufsPart':
      return `${record.size} bytes`;
    case 'staleUpload':
      return record.id === '' ? 'begun without an answer' : record.id;
    default:
      return JSON.stringify(record);
  }
}

/** Checksums are 64 bits, which JSON has no numbers for. */
function plain(record: IndexRecord): Record<string, unknown> {
  return JSON.parse(
    JSON.stringify(record, (_name, value: unknown) =>
      typeof value === 'bigint' ? value.toString(16).padStart(16, '0') : value,
    ),
  ) as Record<string, unknown>;
}
