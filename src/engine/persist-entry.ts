/** An entry of the upload stream as operators see it. */
import { partPrefixEnd, ufsPartPrefix, type QueueRecord } from '../../projections/records.js';
import type { PersistEntry, PersistPhase } from './admin-service.js';
import type { Partition } from './partition.js';

export function persistEntryOf(
  partition: Partition,
  version: number,
  record: QueueRecord,
  uploading: boolean,
): PersistEntry {
  const { bucket, key, action, size, sinceMs, attempt, nextAttemptAtMs, cause, message, upload } = record;
  const phase = phaseOf(record, uploading);
  return {
    bucket,
    key,
    kind: action,
    version,
    size,
    phase,
    sinceMs,
    attempt,
    ...(phase === 'WAITING' ? { nextAttemptAtMs } : {}),
    ...(cause === '' ? {} : { cause, message }),
    ...(upload === undefined ? {} : { uploadedBytes: uploadedBytes(partition, version) }),
  };
}

function phaseOf({ quarantined, attempt, cause }: QueueRecord, uploading: boolean): PersistPhase {
  if (quarantined && cause === 'UFS_CONFLICT') return 'CONFLICT';
  if (quarantined) return 'QUARANTINED';
  if (uploading) return 'UPLOADING';
  return attempt > 0 ? 'WAITING' : 'PENDING';
}

/** Bytes of the parts that the UFS holds already. */
function uploadedBytes(partition: Partition, version: number): number {
  const prefix = ufsPartPrefix(version);
  let bytes = 0;
  for (const [, record] of partition.index.scan(prefix, partPrefixEnd(prefix)))
    if (record.kind === 'ufsPart') bytes += record.size;
  return bytes;
}
