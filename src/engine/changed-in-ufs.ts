/**
 * Changing an object in the UFS directly: the cache gives its copy up first, in the log, so that a crash in between leaves the
 * UFS as the truth. When the change certainly did not happen, the copy comes back: an outage of the UFS must not make unreadable
 * what the cache could still serve.
 */
import type { ObjectVersion } from '../core/object.js';
import type { ObjectRecord } from '../../projections/records.js';
import { decideCommit, decideEvict, evictable } from './decide.js';
import { durableRecord, partitionOf, type EngineCore } from './engine-core.js';
import { holdExtents } from './object-bytes.js';
import { hadNoEffect } from './ufs-calls.js';

/** Runs `change` without a persisted copy in the cache. The caller holds the object's lock and has spoiled its fills. */
export async function withoutCopy<Result>(
  core: EngineCore,
  target: { readonly bucket: string; readonly key: string },
  change: () => Promise<Result>,
): Promise<Result> {
  const record = durableRecord(core, target.bucket, target.key);
  if (!evictable(record)) return change();
  // The bytes stay until it is known whether they are needed.
  const release = holdExtents(core, record.extents);
  try {
    await partitionOf(core, target.bucket, target.key).submit((view) =>
      decideEvict(view, [target], 'CHANGED'),
    );
    return await change();
  } catch (error) {
    if (hadNoEffect(error)) await restore(core, target, record);
    throw error;
  } finally {
    release();
  }
}

async function restore(
  core: EngineCore,
  target: { readonly bucket: string; readonly key: string },
  record: ObjectRecord,
): Promise<void> {
  const { kind: _kind, version: _version, ...object } = record;
  const unchanged: ObjectVersion = object;
  try {
    await partitionOf(core, target.bucket, target.key).submit((view) =>
      decideCommit(view, { ...target, object: unchanged, origin: 'FILL' }),
    );
  } catch (error) {
    core.logger.warn({ ...target, error }, 'the local copy of an object is lost; the UFS has it');
  }
}
