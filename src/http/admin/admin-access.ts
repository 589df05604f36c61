/**
 * Who may use the admin API.
 *
 * Three ways in: an access key of a user as HTTP Basic (`curl -u KEY:SECRET`), which needs the grant `admin:*`; the token of
 * the running server as HTTP Bearer, which whoever can read its data directory has; and nothing at all, while `open`.
 * Invariants: secrets are compared in constant time, also when there is no such key; what was presented never appears in an
 * answer or a log.
 */
import { hash, timingSafeEqual } from 'node:crypto';

/** What a route needs: nothing, any user that is enabled, or the grant `admin:*`. */
export type AdminRight = 'none' | 'user' | 'admin';

export interface AdminPrincipals {
  /** Nobody has to say who it is. May change while the server runs. */
  readonly open: boolean;
  /** Made anew with each start. */
  readonly token: string;
  find(
    accessKeyId: string,
  ): { readonly user: string; readonly secretAccessKey: string; readonly enabled: boolean } | undefined;
  isAdmin(user: string): boolean;
}

export type AdminDecision =
  | {
      readonly allowed: true;
      /** Undefined for somebody who did not have to say. */ readonly user: string | undefined;
    }
  | { readonly allowed: false; readonly status: 401 | 403; readonly message: string };

/** How the holder of the token is called in the log. */
export const LOCAL_OPERATOR = '(local operator)';

const CREDENTIALS_CHARACTERS_MAX = 1024;
const WAYS =
  'send an access key and its secret as HTTP Basic (curl -u), or set HEADRACE_ACCESS_KEY_ID and HEADRACE_SECRET_ACCESS_KEY';

/** Decides on the Authorization header of one request. */
export function decideAccess(
  principals: AdminPrincipals,
  authorization: string | undefined,
  right: AdminRight,
): AdminDecision {
  if (right === 'none' || principals.open) return { allowed: true, user: undefined };
  if (authorization === undefined) return refused(401, `this needs credentials: ${WAYS}`);
  const [, scheme = '', text = ''] = /^(Basic|Bearer) +(\S+) *$/i.exec(authorization) ?? [];
  if (scheme === '' || text.length > CREDENTIALS_CHARACTERS_MAX)
    return refused(401, `the Authorization header is neither Basic nor Bearer: ${WAYS}`);
  if (scheme.toLowerCase() === 'bearer')
    return isSame(text, principals.token)
      ? { allowed: true, user: LOCAL_OPERATOR }
      : refused(401, 'the token is not that of the running server, which makes another one with each start');
  const user = userOf(principals, text);
  if (user === undefined)
    return refused(401, 'there is no such access key, it is disabled, or its secret is another');
  if (right === 'user' || principals.isAdmin(user)) return { allowed: true, user };
  return refused(
    403,
    `the user "${user}" may not administer this server: give it the right with \`headrace user grant ${user} admin:*\``,
  );
}

/** Whose access key and secret these are. */
function userOf(principals: AdminPrincipals, encoded: string): string | undefined {
  const credentials = Buffer.from(encoded, 'base64').toString('utf8');
  const colon = credentials.indexOf(':');
  const found = colon < 0 ? undefined : principals.find(credentials.slice(0, colon));
  // Compared whether the key is known or not, so that the time does not tell.
  const matches = isSame(credentials.slice(colon + 1), found?.secretAccessKey ?? '');
  return found?.enabled === true && found.secretAccessKey !== '' && matches ? found.user : undefined;
}

function isSame(given: string, right: string): boolean {
  return timingSafeEqual(hash('sha256', given, 'buffer'), hash('sha256', right, 'buffer'));
}

function refused(status: 401 | 403, message: string): AdminDecision {
  return { allowed: false, status, message };
}
