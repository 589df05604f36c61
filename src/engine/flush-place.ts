/**
 * What a flush was about that found nothing to wait for: a path that is misspelt looks just like one that is all in the UFS.
 *
 * Asked afterwards, and only then: what waits for the UFS proves its bucket, and no flush that has work waits for a listing.
 */
import { isErrorCode } from '../core/errors.js';
import { SECOND_MS } from '../core/units.js';
import type { FlushResult } from './admin-service.js';
import type { Buckets } from './buckets.js';
import type { EngineCore } from './engine-core.js';
import { parseFlushScope } from './flush-scope.js';
import type { ListPath } from './list-path.js';
import type { FlushRequest } from './persist-barrier.js';
import { ufsCall } from './ufs-calls.js';

/** The barrier holds already: a UFS that is slow to say what it has does not hold the caller up for long. */
const LOOK_MS_MAX = 5 * SECOND_MS;

export interface FlushPlaceParts {
  readonly buckets: Pick<Buckets, 'require'>;
  readonly lists: Pick<ListPath, 'list'>;
}

/**
 * The result with what is to be said of its path: `isEmpty` when nothing is stored there. `NO_SUCH_BUCKET`. What cannot be
 * found out now, as the UFS is away, is not said.
 */
export async function tellPlace(
  core: EngineCore,
  parts: FlushPlaceParts,
  { path, exact = false }: FlushRequest,
  result: FlushResult,
): Promise<FlushResult> {
  const { bucket, prefix } = parseFlushScope(path, exact);
  if (bucket === '' || result.outcome !== 'PERSISTED' || result.persistedObjects > 0) return result;
  const look = async (): Promise<boolean> => {
    await parts.buckets.require(bucket);
    const { entries } = await parts.lists.list({
      bucket,
      prefix,
      delimiter: '',
      startAfter: '',
      maxKeys: 1,
    });
    // A key is the first of those that begin with it.
    const [first] = entries;
    return first === undefined || (exact && (first.kind !== 'object' || first.key !== prefix));
  };
  try {
    return (await ufsCall(core, look, { timeoutMs: LOOK_MS_MAX })) ? { ...result, isEmpty: true } : result;
  } catch (error) {
    if (!isErrorCode(error, 'UFS_UNAVAILABLE', 'UFS_DENIED', 'UFS_THROTTLED', 'UFS_REJECTED')) throw error;
    return result;
  }
}
