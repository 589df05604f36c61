/**
 * Decisions about entries of the upload stream: what an operator does with those that do not get through, and how far a multipart
 * upload at the UFS has come. Pure, as all in `decide.ts`. An entry whose version is no longer current is left alone.
 */
import type { DataEvent } from '../../log/events.js';
import { objectKey, type DeletingRecord, type ObjectRecord } from '../../projections/records.js';
import type { Decision, DecisionView } from './decision.js';

export interface PersistTarget {
  readonly bucket: string;
  readonly key: string;
  readonly version: number;
}

/** The record of a version that the UFS has yet to learn of; undefined when it is not current or not dirty. */
export function dirtyRecord(
  { records }: Pick<DecisionView, 'records'>,
  { bucket, key, version }: PersistTarget,
): ObjectRecord | DeletingRecord | undefined {
  const current = records.get(objectKey(bucket, key));
  if (current?.kind !== 'object' && current?.kind !== 'deleting') return undefined;
  if (current.version !== version) return undefined;
  const isDirty =
    current.kind === 'deleting' || current.state === 'PENDING' || current.state === 'QUARANTINED';
  return isDirty ? current : undefined;
}

/** Failures are forgotten and what was quarantined is no longer; results in how many entries that concerns. */
export function decideRetry(view: DecisionView, targets: readonly PersistTarget[]): Decision<number> {
  const events: DataEvent[] = targets
    .filter((target) => dirtyRecord(view, target) !== undefined)
    .map(({ bucket, key, version }) => ({ type: 'PersistRetried', atMs: view.nowMs, bucket, key, version }));
  return { events, result: events.length };
}

/** False when there is nothing dirty of that version any more. */
export function decideDiscard(view: DecisionView, target: PersistTarget, reason: string): Decision<boolean> {
  const { bucket, key, version } = target;
  const current = dirtyRecord(view, target);
  if (current === undefined) return { events: [], result: false };
  const deletion = current.kind === 'deleting';
  const event: DataEvent = {
    type: 'PersistDiscarded',
    atMs: view.nowMs,
    bucket,
    key,
    version,
    deletion,
    size: deletion ? 0 : current.size,
    extents: deletion ? [] : current.extents,
    reason,
  };
  return { events: [event], result: true };
}

export function decideUfsUploadStarted(
  view: DecisionView,
  { bucket, key, version }: PersistTarget,
  ufsUpload: string,
): Decision<void> {
  const event: DataEvent = { type: 'UfsUploadStarted', atMs: view.nowMs, bucket, key, version, ufsUpload };
  return { events: [event], result: undefined };
}

export function decideUfsPartStored(
  view: DecisionView,
  { bucket, key, version }: PersistTarget,
  part: { readonly number: number; readonly size: number; readonly etag: string },
): Decision<void> {
  const event: DataEvent = {
    type: 'UfsPartStored',
    atMs: view.nowMs,
    bucket,
    key,
    version,
    partNumber: part.number,
    size: part.size,
    ufsEtag: part.etag,
  };
  return { events: [event], result: undefined };
}

export function decideUfsUploadEnded(
  view: DecisionView,
  { bucket, key, version }: PersistTarget,
  ufsUpload: string,
): Decision<void> {
  const event: DataEvent = { type: 'UfsUploadEnded', atMs: view.nowMs, bucket, key, version, ufsUpload };
  return { events: [event], result: undefined };
}
