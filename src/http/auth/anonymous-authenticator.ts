/**
 * Lets everybody in: for a server that listens on a loopback address only.
 *
 * Clients sign whether they are asked to or not, with whatever key they have; their signatures are not looked at.
 */
import type { Authenticator, Identity } from './authenticator.js';

const ANONYMOUS: Identity = { accessKeyId: undefined, user: undefined };

export const ANONYMOUS_AUTHENTICATOR: Authenticator = {
  authenticate: () => ANONYMOUS,
  authenticateForm: () => ANONYMOUS,
};
