/** Who may use the S3 endpoint: users, grants and bucket policies of the engine, put behind the endpoint's authenticator. */
import { HeadraceError } from '../core/errors.js';
import type { Clock } from '../core/ports.js';
import type { Engine } from '../engine/engine.js';
import { Access, type OpenAccess } from '../engine/users-access.js';
import { GuardedAuthenticator } from '../http/auth/guarded-authenticator.js';
import type { S3ServerParts } from '../http/s3/s3-server.js';
import { SigV4Authenticator } from '../http/auth/sigv4-authenticator.js';
import type { Bucket } from '../../projections/control.js';
import type { Settings } from '../settings/settings.js';
import { isLoopback } from './loopback.js';
import { SETTINGS } from '../settings/table.js';

/**
 * Throws `INVALID_SETTING` when the endpoint would be reachable from elsewhere with nobody who could use it: then it was
 * probably meant to be open, and that has to be said.
 */
export function s3Access(
  settings: Pick<Settings, 's3Host' | 's3AnonymousAccess'>,
  engine: Pick<Engine, 'users' | 'core'>,
  clock: Clock,
): Required<Pick<S3ServerParts, 'access' | 'authenticator'>> {
  const { users, core } = engine;
  const open = openAccess(settings);
  if (open === 'never' && settings.s3AnonymousAccess === 'auto' && !users.exist)
    throw new HeadraceError(
      'INVALID_SETTING',
      `${SETTINGS.s3Host.key} = ${settings.s3Host} can be reached from elsewhere and there is no user: start with ` +
        `${SETTINGS.s3Host.key} = 127.0.0.1, run \`headrace user add NAME --grant admin:*\` and start again, or set ` +
        `${SETTINGS.s3AnonymousAccess.key} = full to let everybody do everything`,
    );
  const bucketOf = (bucket: string): Bucket | undefined => core.control.state.buckets.get(bucket);
  const access = new Access({
    users,
    documentOf: (bucket, name) => bucketOf(bucket)?.documents.get(name),
    ownerOf: (bucket) => bucketOf(bucket)?.owner,
    open,
  });
  const signatures = new SigV4Authenticator({ credentials: users, clock, anonymous: true });
  return { access, authenticator: new GuardedAuthenticator(access, signatures) };
}

function openAccess({
  s3Host,
  s3AnonymousAccess,
}: Pick<Settings, 's3Host' | 's3AnonymousAccess'>): OpenAccess {
  if (s3AnonymousAccess === 'full') return 'always';
  return s3AnonymousAccess === 'auto' && isLoopback(s3Host) ? 'withoutUsers' : 'never';
}
