/** What a conditional write expects of the store, for stores that compare by themselves before they write. Pure. */
import { HeadraceError } from './errors.js';
import type { StoreCondition, StoredObject } from './object-store.js';

/** Throws `UFS_CONFLICT` unless the store holds what the condition expects. */
export function checkStoreCondition(
  condition: StoreCondition | undefined,
  found: Pick<StoredObject, 'storeEtag'> | undefined,
  name: string,
): void {
  if (condition === undefined || found?.storeEtag === condition.ifMatch) return;
  const expected = condition.ifMatch === undefined ? 'no object' : `the ETag ${condition.ifMatch}`;
  const there = found === undefined ? 'there is none' : `there is one with the ETag ${found.storeEtag}`;
  throw new HeadraceError('UFS_CONFLICT', `${name} should have been ${expected}, but ${there}`);
}
