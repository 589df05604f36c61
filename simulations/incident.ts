/**
 * The state that an export of a log leads to, as plain values: what a simulation begins with that continues an incident.
 *
 * The objects of all buckets and partitions become those of one simulated bucket and one partition: `/<bucket>/<key>` is the path
 * `/incident/<bucket>/<key>` there, and path rules get the same prefix, so that each object keeps its rule. Exports hold no
 * payload: sizes are known and bytes are not, so checksums and ETags are left behind here and derived again from the bytes that
 * the simulation makes.
 */
import { HeadraceError } from '../src/core/errors.js';
import { KEY_BYTES_MAX, type ObjectHeaders, type PolicyMode } from '../src/core/object.js';
import { byteLength } from '../src/core/key.js';
import { readExport } from '../src/engine/inspection/export-reader.js';
import { replayExport, type ReplaySnapshot } from '../src/engine/inspection/replay.js';
import { parsePathConfigText } from '../src/engine/path-config-document.js';
import type { PathConfigDocument } from '../src/engine/path-config.js';
import { emptyControlState, foldControl, isControlEvent } from '../projections/control.js';
import {
  parseObjectKey,
  partPrefix,
  partPrefixEnd,
  queueKey,
  type QueueRecord,
} from '../projections/records.js';

/** In which everything is. */
export const INCIDENT_BUCKET = 'incident';

/** The failed attempts of an upload or a delete. */
export interface IncidentFailure {
  readonly attempt: number;
  readonly nextAttemptAtMs: number;
  readonly cause: string;
  readonly message: string;
  readonly quarantined: boolean;
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
}

/** An object whose UFS copy is still to be deleted. */
export interface IncidentDelete extends IncidentEntry {
  readonly kind: 'delete';
  readonly failure: IncidentFailure | undefined;
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

export type IncidentRecord = IncidentObject | IncidentDelete | IncidentUpload | IncidentWrite;

export interface Incident {
  /** Wall time of its last event. */
  readonly atMs: number;
  /** Where each partition stood. */
  readonly offsets: readonly { readonly partition: number; readonly offset: number }[];
  /** Whether the export told the whole state, and not only what its events say. */
  readonly complete: boolean;
  /** Absent where the export does not have it: names were hashed, or it was never set. */
  readonly pathConfig: PathConfigDocument | undefined;
  /** In the order in which they were logged. */
  readonly records: readonly IncidentRecord[];
}

/** A simulation plays so many in a minute or two. */
const RECORDS_MAX = 20_000;

/** `open` gives the bytes of the export, from their start each time. `INVALID_ARGUMENT`, and what `readExport` throws. */
export async function readIncident(open: () => AsyncIterable<Uint8Array>): Promise<Incident> {
  const control = emptyControlState();
  const partitions: number[] = [];
  let createdMs = 0;
  for await (const item of readExport(open())) {
    if (item.kind === 'DESCRIPTION') {
      createdMs = item.description.createdMs;
      for (const { partition } of item.description.partitions)
        if (partition !== 0) partitions.push(partition);
    } else if (item.kind === 'FRAME' && item.header.partition === 0)
      for (const [at, event] of item.events.entries())
        if (isControlEvent(event)) foldControl(control, event, item.header.firstOffset + at);
  }
  const records: IncidentRecord[] = [];
  const offsets: { partition: number; offset: number }[] = [];
  let complete = true;
  let atMs: number | undefined;
  for (const partition of partitions) {
    const { replayed, snapshots } = await replayExport(readExport(open()), { partition });
    const last = snapshots.at(-1);
    if (last === undefined) continue;
    offsets.push({ partition, offset: replayed.offset });
    complete &&= replayed.complete;
    if (replayed.atMs !== undefined) atMs = Math.max(atMs ?? 0, replayed.atMs);
    records.push(...recordsOf(last));
  }
  if (records.length > RECORDS_MAX)
    throw new HeadraceError(
      'INVALID_ARGUMENT',
      `the export leads to ${records.length} objects, uploads and open writes; a simulation takes at most ${RECORDS_MAX}: ` +
        'export less, with --bucket and --prefix',
    );
  records.sort((a, b) => a.atMs - b.atMs || a.version - b.version);
  const { pathConfig } = control;
  return {
    atMs: atMs ?? createdMs,
    offsets,
    complete,
    pathConfig: pathConfig === undefined ? undefined : parsePathConfigText(pathConfig),
    records,
  };
}

/** The same rules for the paths that objects have in the simulation. */
export function belowIncident(document: PathConfigDocument): PathConfigDocument {
  const pathRules = document.pathRules.map((rule) =>
    rule.path === undefined ? rule : { ...rule, path: `/${INCIDENT_BUCKET}${rule.path}` },
  );
  return { ...document, pathRules };
}

function recordsOf({ state, records }: ReplaySnapshot): IncidentRecord[] {
  const found: IncidentRecord[] = [];
  for (const indexKey of state.index.keys('o', 'p')) {
    const record = records.get(indexKey);
    const { bucket, key } = parseObjectKey(indexKey);
    if (record?.kind !== 'object' && record?.kind !== 'deleting') continue;
    const queued = records.get(queueKey(record.version));
    const failure = queued?.kind === 'queued' && queued.attempt > 0 ? failureOf(queued) : undefined;
    const { version } = record;
    if (record.kind === 'deleting') {
      found.push({ kind: 'delete', key: nameOf(bucket, key), version, atMs: record.atMs, failure });
      continue;
    }
    const { size, headers, policy, lastModifiedMs, parts = [] } = record;
    found.push({
      kind: 'object',
      key: nameOf(bucket, key),
      version,
      atMs: queued?.kind === 'queued' ? queued.sinceMs : lastModifiedMs,
      sizeBytes: size,
      partSizes: parts.map((part) => part.size),
      policy,
      state: record.state === 'QUARANTINED' ? 'PENDING' : record.state,
      headers,
      lastModifiedMs,
      failure,
    });
  }
  for (const [id, { kind, bucket, key, openedMs, bytes }] of state.orphans) {
    const entry = { key: nameOf(bucket, key), version: 0, atMs: openedMs };
    if (kind === 'write') found.push({ ...entry, kind, writeId: id, reservedBytes: bytes });
  }
  found.push(...uploadsOf(state));
  return found;
}

function uploadsOf({ orphans, index }: ReplaySnapshot['state']): IncidentUpload[] {
  const uploads: IncidentUpload[] = [];
  for (const [indexKey, { kind, id, bucket, key, openedMs }] of orphans) {
    const record = kind === 'upload' ? index.get(indexKey) : undefined;
    if (record?.kind !== 'upload') continue;
    const prefix = partPrefix(bucket, key, id);
    const parts = index.keys(prefix, partPrefixEnd(prefix)).flatMap((at) => {
      const part = index.get(at);
      return part?.kind === 'part'
        ? [{ number: part.number, sizeBytes: part.size, storedMs: part.storedMs }]
        : [];
    });
    uploads.push({
      kind: 'upload',
      key: nameOf(bucket, key),
      version: 0,
      atMs: openedMs,
      uploadId: id,
      headers: record.headers,
      parts,
    });
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
