/** What the UFS holds, in the words of the engine. Pure, but for the end of a body. */
import { HeadraceError, isErrorCode } from '../core/errors.js';
import type { StoredObject, StoreGetResult } from '../core/object-store.js';
import type { ObjectVersion } from '../core/object.js';

/** What the UFS holds, as an object version without local bytes. */
export function fromStored(stored: StoredObject): ObjectVersion {
  return {
    size: stored.size,
    etag: stored.etag,
    lastModifiedMs: stored.lastModifiedMs,
    extents: [],
    headers: stored.headers,
    policy: 'WRITE_THROUGH',
    state: 'PERSISTED',
    ufsEtag: stored.storeEtag,
  };
}

/** Whether the UFS holds what a version that was persisted says it does: by our ETag, or by the store's own. */
export function isSameInUfs(object: Pick<ObjectVersion, 'etag' | 'ufsEtag'>, stored: StoredObject): boolean {
  return stored.etag === object.etag || (object.ufsEtag !== undefined && stored.storeEtag === object.ufsEtag);
}

/** Ends a body that nobody will read. */
export async function discard(body: AsyncIterable<Uint8Array>): Promise<void> {
  await body[Symbol.asyncIterator]().return?.(undefined);
}

/**
 * What was asked for, a range of a version that is known, if the UFS still has that version: one that has become so short that
 * there is no such range is another. `UFS_*`.
 */
export async function sameOrNone(
  get: () => Promise<StoreGetResult | undefined>,
  { storeEtag }: Pick<StoredObject, 'storeEtag'>,
): Promise<StoreGetResult | undefined> {
  let result: StoreGetResult | undefined;
  try {
    result = await get();
  } catch (error) {
    if (isNoSuchRange(error)) return undefined;
    throw error;
  }
  if (result === undefined || result.object.storeEtag === storeEtag) return result;
  await discard(result.body);
  return undefined;
}

/** Whether a store has the object, but no byte of the range. */
export function isNoSuchRange(error: unknown): boolean {
  return isErrorCode(error, 'UFS_REJECTED') && error.details['s3Code'] === 'InvalidRange';
}

export function changedMeanwhile(key: string): HeadraceError {
  return new HeadraceError('SLOW_DOWN', `the object "${key}" changed in the UFS while it was read`, {
    details: { changedInUfs: true },
  });
}

export function noSuchKey(key: string): HeadraceError {
  return new HeadraceError('NO_SUCH_KEY', `there is no object "${key}"`);
}
