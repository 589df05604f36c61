/** What the UFS holds, in the words of the engine. Pure, but for the end of a body. */
import { HeadraceError } from '../core/errors.js';
import type { StoredObject } from '../core/object-store.js';
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

export function changedMeanwhile(key: string): HeadraceError {
  return new HeadraceError('SLOW_DOWN', `the object "${key}" changed in the UFS while it was read`, {
    details: { changedInUfs: true },
  });
}

export function noSuchKey(key: string): HeadraceError {
  return new HeadraceError('NO_SUCH_KEY', `there is no object "${key}"`);
}
