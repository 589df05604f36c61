/** Who may do what, as the S3 endpoint asks for it; the engine decides (`src/engine/users-access.ts`). */
import { parseAccessList } from '../../engine/access-list.js';
import type { Access } from '../../engine/users-access.js';

export type AccessControl = Pick<
  Access,
  | 'open'
  | 'decide'
  | 'allows'
  | 'listAllows'
  | 'lists'
  | 'listInForce'
  | 'listsOff'
  | 'ownershipOf'
  | 'blocks'
  | 'ownerOf'
  | 'isUser'
>;

/** For an endpoint without users, where nothing is granted to anybody because it is not asked for. */
export const OPEN_ACCESS: AccessControl = {
  open: true,
  decide: () => 'UNDECIDED',
  allows: () => false,
  listAllows: () => false,
  lists: () => false,
  listInForce: (_bucket, kept) => parseAccessList(kept),
  listsOff: () => false,
  ownershipOf: () => undefined,
  blocks: () => false,
  ownerOf: () => undefined,
  isUser: () => false,
};
