/** What operators see of one object that the cache holds. */
import { queueKey } from '../../projections/records.js';
import type { ObjectStat } from './admin-service.js';
import { durableRecord, partitionOf, type EngineCore } from './engine-core.js';
import { ackOf } from './object-status.js';
import { persistEntryOf } from './persist-entry.js';
import type { Persister } from './persister.js';

/** Undefined when the cache does not hold the object. */
export function objectStat(
  core: EngineCore,
  persister: Pick<Persister, 'isUploading'>,
  bucket: string,
  key: string,
): ObjectStat | undefined {
  const record = durableRecord(core, bucket, key);
  if (record?.kind !== 'object' && record?.kind !== 'deleting') return undefined;
  const partition = partitionOf(core, bucket, key);
  const queued = partition.index.get(queueKey(record.version));
  const uploading = persister.isUploading(partition.number, record.version);
  const persist =
    queued?.kind === 'queued' ? persistEntryOf(partition, record.version, queued, uploading) : undefined;
  if (record.kind === 'deleting') {
    return {
      bucket,
      key,
      version: record.version,
      size: 0,
      etag: '',
      lastModifiedMs: record.atMs,
      policy: core.policies.modeOf(bucket, key),
      state: 'DELETING',
      persist,
      extents: [],
    };
  }
  const { version, size, etag, lastModifiedMs, policy, state, ufsEtag } = record;
  const extents = record.extents.map(({ checksum, ...extent }) => ({
    ...extent,
    checksum: checksum.toString(16).padStart(16, '0'),
  }));
  return {
    bucket,
    key,
    version,
    size,
    etag,
    lastModifiedMs,
    policy,
    state,
    persist,
    ufsEtag,
    offset: `${partition.number}:${version}`,
    ack: ackOf(state),
    ...(state === 'TRANSIENT' ? {} : { ufs: placeInUfs(core, bucket, key, state === 'PERSISTED') }),
    extents,
  };
}

function placeInUfs(core: EngineCore, bucket: string, key: string, present: boolean): ObjectStat['ufs'] {
  const located = core.mounts.locate(bucket, key);
  const { mount, store } = located;
  return { mount, store: store.description, bucket: located.bucket, key: located.key, present };
}
