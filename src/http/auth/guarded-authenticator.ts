/**
 * Checks signatures from the moment on that there is somebody who could make one: while access is open everybody is let in
 * with whatever signature. A request without a signature is anonymous; what it may do is decided later.
 */
import { ANONYMOUS_AUTHENTICATOR } from './anonymous-authenticator.js';
import type { AccessControl } from './access-control.js';
import type { AuthenticationRequest, Authenticator, Identity } from './authenticator.js';

export class GuardedAuthenticator implements Authenticator {
  readonly #access: Pick<AccessControl, 'open'>;
  readonly #signatures: Authenticator;

  constructor(access: Pick<AccessControl, 'open'>, signatures: Authenticator) {
    this.#access = access;
    this.#signatures = signatures;
  }

  authenticate(request: AuthenticationRequest): Identity {
    return this.#inForce().authenticate(request);
  }

  authenticateForm(fields: ReadonlyMap<string, string>): Identity {
    return this.#inForce().authenticateForm(fields);
  }

  #inForce(): Authenticator {
    return this.#access.open ? ANONYMOUS_AUTHENTICATOR : this.#signatures;
  }
}
