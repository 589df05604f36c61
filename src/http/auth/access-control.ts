/** Who may do what, as the S3 endpoint asks for it; the engine decides (`src/engine/users-access.ts`). */
import type { Access } from '../../engine/users-access.js';

export type AccessControl = Pick<Access, 'open' | 'allows' | 'setPublicListing'>;

/** For an endpoint without users, where nothing is granted to anybody because it is not asked for. */
export const OPEN_ACCESS: AccessControl = {
  open: true,
  allows: () => false,
  setPublicListing: () => Promise.resolve(),
};
