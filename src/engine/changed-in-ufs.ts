/**
 * Changing an object in the UFS directly: the cache gives its copy up first, in the log, so that a crash in between leaves the
 * UFS as the truth. When the change certainly did not happen, the copy comes back: an outage of the UFS must not make unreadable
 * what the cache could still serve.
 */
import type { ObjectVersion } from '../core/object.js';
import { objectKey, type ObjectRecord } from '../../projections/records.js';
import { decideCommit, decideEvict, evictable } from './decide.js';
import { partitionOf, type EngineCore } from './engine-core.js';
import { refuseMoved, type UfsLocation } from './mount-table.js';
import { holdExtents } from './object-bytes.js';
import { hadNoEffect } from './ufs-calls.js';

/**
 * Runs `change` without a persisted copy in the cache, queued ones included. The caller holds the object's lock and has spoiled its
 * fills. `IO_FAILED` while the log is being recovered: an event about the object may turn out to be durable that
 * nobody knows of yet, and then the cache would show a version that the UFS no longer has.
 */
export async function withoutCopy<Result>(
  core: EngineCore,
  target: { readonly bucket: string; readonly key: string },
  change: () => Promise<Result>,
): Promise<Result> {
  const located = core.mounts.locate(target.bucket, target.key);
  const held: { copy?: { readonly record: ObjectRecord; readonly release: () => void } } = {};
  try {
    await partitionOf(core, target.bucket, target.key).submit((view) => {
      const record = view.records.get(objectKey(target.bucket, target.key));
      // The bytes stay until it is known whether they are needed.
      if (evictable(record)) held.copy = { record, release: holdExtents(core, record.extents) };
      return decideEvict(view, [target], 'CHANGED');
    });
    return await change();
  } catch (error) {
    if (held.copy !== undefined && hadNoEffect(error)) await restore(core, target, held.copy.record, located);
    throw error;
  } finally {
    // What the UFS was asked meanwhile may be what it said before.
    core.known.forget(target.bucket, target.key);
    held.copy?.release();
  }
}

async function restore(
  core: EngineCore,
  target: { readonly bucket: string; readonly key: string },
  record: ObjectRecord,
  located: UfsLocation,
): Promise<void> {
  const { kind: _kind, version: _version, ...object } = record;
  const unchanged: ObjectVersion = object;
  try {
    await partitionOf(core, target.bucket, target.key).submit((view) => {
      refuseMoved(core.mounts, target.bucket, target.key, located);
      return decideCommit(view, { ...target, object: unchanged, origin: 'FILL' });
    });
  } catch (error) {
    core.logger.warn({ ...target, error }, 'the local copy of an object is lost; the UFS has it');
  }
}
