/**
 * Who may use the admin API of this server: the users of the engine, and whoever can read the data directory.
 *
 * The token is in the file `admin.token` of the data directory (mode 0600), made with each start and removed with the stop. It
 * is what lets commands on the same machine in without asking, also when no user is left who could be asked for.
 */
import { NodeDisk } from '../adapters/node-disk.js';
import { HeadraceError } from '../core/errors.js';
import type { Random } from '../core/ports.js';
import type { Engine } from '../engine/engine.js';
import { ALL_BUCKETS } from '../engine/users-document.js';
import type { AdminPrincipals } from '../http/admin/admin-access.js';
import { isLoopback } from './loopback.js';
import type { Settings } from '../settings/settings.js';
import { SETTINGS } from '../settings/table.js';

const ADMIN_TOKEN_FILE = 'admin.token';
const TOKEN_BYTES = 32;

export interface AdminAccess {
  readonly principals: AdminPrincipals;
  /** Removes the token. */
  close(): Promise<void>;
}

/**
 * `INVALID_SETTING` when the API would be reachable from elsewhere and there is nobody who could use it: then it was probably
 * meant to be open, and that has to be said. `IO_FAILED`, `DISK_FULL` when the token cannot be kept.
 */
export async function adminAccess(
  settings: Pick<Settings, 'adminHost' | 'adminAnonymousAccess'>,
  engine: Pick<Engine, 'users' | 'core'>,
  random: Random,
): Promise<AdminAccess> {
  const { users, core } = engine;
  const { adminHost, adminAnonymousAccess } = settings;
  const isAdmin = (user: string): boolean =>
    users
      .grantsOf(user)
      .some(
        ({ bucket, prefix, rights }) => bucket === ALL_BUCKETS && prefix === '' && rights.includes('admin'),
      );
  const local = isLoopback(adminHost);
  if (!local && adminAnonymousAccess === 'auto' && !(await users.list()).some(({ name }) => isAdmin(name)))
    throw new HeadraceError(
      'INVALID_SETTING',
      `${SETTINGS.adminHost.key} = ${adminHost} can be reached from elsewhere and no user has the grant admin:*: start with ` +
        `${SETTINGS.adminHost.key} = 127.0.0.1, run \`headrace user add NAME --grant admin:*\` and start again, or set ` +
        `${SETTINGS.adminAnonymousAccess.key} = denied to let in only who can read the data directory, ` +
        `or = full to let everybody do everything`,
    );
  const disk = new NodeDisk(core.options.dataDirectory);
  const token = Buffer.from(random.bytes(TOKEN_BYTES)).toString('hex');
  await writeToken(disk, token);
  return {
    principals: {
      get open() {
        return (
          adminAnonymousAccess === 'full' || (adminAnonymousAccess === 'auto' && local && !users.everExisted)
        );
      },
      token,
      find: (accessKeyId) => users.find(accessKeyId),
      isAdmin,
    },
    close: () => disk.remove(ADMIN_TOKEN_FILE),
  };
}

/** Made anew, so that it is nobody else's file and has our mode. */
async function writeToken(disk: NodeDisk, token: string): Promise<void> {
  await disk.remove(ADMIN_TOKEN_FILE);
  const file = await disk.create(ADMIN_TOKEN_FILE);
  try {
    await file.write(0, Buffer.from(`${token}\n`));
  } finally {
    await file.close();
  }
}
