/**
 * `job free`: what an operator may have back at once. Abandoned writes are ended, and what is persisted is evicted, whether
 * it was read lately or not; then segments that are nearly empty are compacted. Never un-persisted data.
 */
import { afterPrefix } from '../core/key.js';
import { objectKey, parseObjectKey } from '../../projections/records.js';
import type { FreeResult } from './admin-service.js';
import { appendBatches, type EvictionTarget } from './append-batches.js';
import { decideEvict } from './decide.js';
import type { EngineCore } from './engine-core.js';
import { splitPath } from './object-path.js';
import type { Partition } from './partition.js';
import type { Reaper } from './reaper.js';
import type { Reclaimer } from './reclaimer.js';

/** Index entries that are looked at in one turn of the event loop. */
const FREE_BATCH = 256;

export interface FreeRequest {
  readonly path?: string;
  readonly onProgress?: (freed: FreeResult) => void;
}

/** Resolves when all that may go below the path is gone. `INVALID_ARGUMENT` for a path that is none. */
export async function freeSpace(
  core: EngineCore,
  { reaper, reclaimer }: { readonly reaper: Reaper; readonly reclaimer: Reclaimer },
  request: FreeRequest,
): Promise<FreeResult> {
  const reaped = await reaper.reap();
  let freed: FreeResult = { objects: 0, bytes: reaped.bytes, abandonedWrites: reaped.writes };
  const { bucket, key } = splitPath(request.path ?? '/');
  const from = bucket === '' ? 'o' : objectKey(bucket, key);
  const to = bucket === '' ? 'p' : (afterPrefix(from) ?? 'p');
  for (const partition of core.partitions) {
    let next = from;
    for (;;) {
      const batch = evictablePage(partition, next, to);
      if (batch.last === undefined) break;
      next = `${batch.last}\0`;
      for (const targets of appendBatches(batch.targets)) {
        const { result } = await partition.submit((view) => decideEvict(view, targets, 'REQUEST'));
        freed = { ...freed, objects: freed.objects + result.objects, bytes: freed.bytes + result.bytes };
      }
      request.onProgress?.(freed);
    }
  }
  await reclaimer.compact();
  return freed;
}

function evictablePage(
  partition: Partition,
  from: string,
  to: string,
): { targets: EvictionTarget[]; last: string | undefined } {
  const targets: EvictionTarget[] = [];
  let last: string | undefined;
  let looked = 0;
  for (const [indexKey, record] of partition.index.scan(from, to)) {
    last = indexKey;
    if (record.kind === 'object' && record.state === 'PERSISTED') {
      const { version, extents } = record;
      targets.push({ ...parseObjectKey(indexKey), version, extentCount: extents.length });
    }
    looked += 1;
    if (looked >= FREE_BATCH) break;
  }
  return { targets, last };
}
