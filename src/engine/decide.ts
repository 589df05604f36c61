/**
 * Decisions: a command and the state it meets become events. Pure: no clock, no disk, no waiting.
 *
 * Each function takes the view of one partition (durable state plus what is queued) and either returns events, returns none
 * because there is nothing left to do, or throws the error that the caller gets. The rules of eviction are here and nowhere else:
 * only a PERSISTED version may be evicted.
 */
import { assert } from '../core/assert.js';
import type { Extent, ObjectVersion } from '../core/object.js';
import type { DataEvent } from '../../log/events.js';
import type { AbandonReason, ObjectEvicted, Replaced } from '../../log/object-events.js';
import { objectKey, type IndexRecord, type ObjectRecord } from '../../projections/records.js';
import type { DeleteConditions, WriteConditions } from './object-service.js';
import type { Decision, DecisionView } from './decision.js';
import {
  checkConditions,
  checkDeleteConditions,
  currentEtag,
  currentIdentity,
  type ObjectIdentity,
} from './write-conditions.js';

interface Target {
  readonly bucket: string;
  readonly key: string;
}

export interface CommitObject extends Target {
  readonly object: ObjectVersion;
  readonly origin: 'WRITE' | 'FILL';
  readonly conditions?: WriteConditions;
  /** ETag of what the UFS holds, for conditions on an object that the cache does not hold. */
  readonly ufsEtag?: string;
  readonly writeId?: string;
  readonly reservedBytes?: number;
}

/** `PRECONDITION_FAILED`, or `NO_SUCH_KEY` for `If-Match` on an object that is not there. */
export function decideCommit(view: DecisionView, command: CommitObject): Decision<ObjectVersion | undefined> {
  const current = view.records.get(objectKey(command.bucket, command.key));
  if (command.origin === 'FILL' && current !== undefined) return { events: [], result: undefined };
  checkConditions(command.conditions, currentEtag(current, command.ufsEtag), command.key);
  const object =
    command.object.lastModifiedMs === 0 ? modifiedAt(command.object, view.nowMs) : command.object;
  const event: DataEvent = {
    type: 'ObjectCommitted',
    atMs: view.nowMs,
    bucket: command.bucket,
    key: command.key,
    object,
    origin: command.origin,
    writeId: command.writeId,
    reservedBytes: command.reservedBytes,
    replaced: replacedBy(current),
    replacedDelete: replacedDelete(current, object),
  };
  return { events: [event], result: object };
}

/** Field by field, because a spread takes several times as long and this is done for every write. */
function modifiedAt(object: ObjectVersion, lastModifiedMs: number): ObjectVersion {
  const { size, etag, extents, headers, policy, state, checksum, parts, ufsEtag } = object;
  return {
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
  } satisfies { [Name in keyof Required<ObjectVersion>]: ObjectVersion[Name] };
}

export interface DeleteObject extends Target {
  readonly conditions?: DeleteConditions;
  /** What the UFS holds, for conditions on an object that the cache does not hold. */
  readonly ufsObject?: ObjectIdentity;
  /** False for an object that never goes to the UFS. */
  readonly ufsDelete: boolean;
}

export function decideDelete(view: DecisionView, command: DeleteObject): Decision<void> {
  const current = view.records.get(objectKey(command.bucket, command.key));
  checkDeleteConditions(command.conditions, currentIdentity(current, command.ufsObject), command.key);
  if (current?.kind === 'deleting') return nothing();
  if (current === undefined && !command.ufsDelete) return nothing();
  return one({
    type: 'ObjectDeleted',
    atMs: view.nowMs,
    bucket: command.bucket,
    key: command.key,
    ufsDelete: command.ufsDelete,
    replaced: replacedBy(current),
  });
}

/** The UFS holds `version`. Nothing happens when that version is no longer current. */
export function decidePersisted(
  view: DecisionView,
  target: Target & { readonly version: number; readonly ufsEtag: string },
): Decision<void> {
  const current = view.records.get(objectKey(target.bucket, target.key));
  if (current?.kind !== 'object' || current.version !== target.version || current.state === 'PERSISTED') {
    return nothing();
  }
  return one({
    type: 'ObjectPersisted',
    atMs: view.nowMs,
    bucket: target.bucket,
    key: target.key,
    version: target.version,
    size: current.size,
    extents: current.extents,
    ufsEtag: target.ufsEtag,
  });
}

export function decideDeletePersisted(
  view: DecisionView,
  target: Target & { readonly version: number },
): Decision<void> {
  return one({
    type: 'DeletePersisted',
    atMs: view.nowMs,
    bucket: target.bucket,
    key: target.key,
    version: target.version,
  });
}

export interface FailPersist extends Target {
  readonly version: number;
  readonly attempt: number;
  readonly cause: string;
  readonly message: string;
  readonly delayMs: number;
  readonly quarantined: boolean;
}

export function decidePersistFailed(view: DecisionView, command: FailPersist): Decision<void> {
  return one({
    type: 'PersistFailed',
    atMs: view.nowMs,
    bucket: command.bucket,
    key: command.key,
    version: command.version,
    attempt: command.attempt,
    cause: command.cause,
    message: command.message,
    nextAttemptAtMs: view.nowMs + command.delayMs,
    quarantined: command.quarantined,
  });
}

/** Whether a version may lose its local copy: the UFS holds it. Nothing else is ever evicted. */
export function evictable(record: IndexRecord | undefined): record is ObjectRecord {
  return record?.kind === 'object' && record.state === 'PERSISTED';
}

/** Evicts the current version if it is (still) `version` (any, when undefined) and may be evicted. */
export function decideEvict(
  view: DecisionView,
  targets: readonly (Target & { readonly version?: number })[],
  reason: ObjectEvicted['reason'],
): Decision<{ objects: number; bytes: number }> {
  const events: DataEvent[] = [];
  const seen = new Set<string>();
  let bytes = 0;
  for (const { bucket, key, version } of targets) {
    const indexKey = objectKey(bucket, key);
    const current = view.records.get(indexKey);
    if (seen.has(indexKey) || !evictable(current)) continue;
    if (version !== undefined && current.version !== version) continue;
    seen.add(indexKey);
    bytes += current.size;
    events.push({
      type: 'ObjectEvicted',
      atMs: view.nowMs,
      bucket,
      key,
      version: current.version,
      size: current.size,
      extents: current.extents,
      reason,
    });
  }
  return { events, result: { objects: events.length, bytes } };
}

export interface OpenWriteCommand extends Target {
  readonly writeId: string;
  readonly reservedBytes: number;
}

export function decideOpenWrite(view: DecisionView, command: OpenWriteCommand): Decision<void> {
  return one({ type: 'WriteOpened', atMs: view.nowMs, ...command });
}

export function decideAbandonWrite(
  view: DecisionView,
  command: OpenWriteCommand & { readonly reason: AbandonReason },
): Decision<void> {
  return one({ type: 'WriteAbandoned', atMs: view.nowMs, ...command });
}

/** The version that an event makes obsolete, as events name it. */
export function replacedBy(current: IndexRecord | undefined): Replaced | undefined {
  if (current?.kind !== 'object') return undefined;
  return { version: current.version, size: current.size, state: current.state, extents: current.extents };
}

/**
 * The pending delete that a version makes needless: its upload takes the place of what was to be deleted, or, when the UFS has
 * the version already, took it. A TRANSIENT version leaves the UFS alone.
 */
export function replacedDelete(
  current: IndexRecord | undefined,
  object: Pick<ObjectVersion, 'state'>,
): number | undefined {
  return current?.kind === 'deleting' && object.state !== 'TRANSIENT' ? current.version : undefined;
}

/** Bytes were copied from one segment to another; the move counts only if the record still refers to all of them. */
export function decideMove(
  view: DecisionView,
  target: Target & { readonly version: number },
  from: readonly Extent[],
  to: readonly Extent[],
): Decision<boolean> {
  assert(from.length === to.length, 'each moved extent has one new place');
  const current = view.records.get(objectKey(target.bucket, target.key));
  const stillThere =
    current?.kind === 'object' &&
    current.version === target.version &&
    from.every((old) => current.extents.some((extent) => sameExtent(extent, old)));
  if (!stillThere) return { events: [], result: false };
  return {
    events: [
      {
        type: 'ExtentsMoved',
        atMs: view.nowMs,
        bucket: target.bucket,
        key: target.key,
        version: target.version,
        pinned: current.state !== 'PERSISTED',
        from,
        to,
      },
    ],
    result: true,
  };
}

export function sameExtent(a: Extent, b: Extent): boolean {
  return a.segment === b.segment && a.position === b.position;
}

function one(event: DataEvent): Decision<void> {
  return { events: [event], result: undefined };
}

function nothing(): Decision<void> {
  return { events: [], result: undefined };
}
