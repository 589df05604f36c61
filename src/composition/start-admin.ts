/** Starts the admin API: routes, metrics, readiness and who may use them, on the engine that is running. */
import { NodeDisk } from '../adapters/node-disk.js';
import type { Logger } from '../core/logger.js';
import { ReadinessProbe } from '../engine/readiness.js';
import { createAdminServer } from '../http/admin/admin-server.js';
import type { ServerStop } from '../http/admin/stop-routes.js';
import { RequestIds } from '../http/s3/request-ids.js';
import type { Settings } from '../settings/settings.js';
import { adminAccess } from './admin-access.js';
import { listenError } from './listen-error.js';
import type { OpenedEngine } from './open-engine.js';

export interface RunningAdmin {
  readonly port: number;
  readonly close: () => Promise<void>;
}

/** `INVALID_SETTING` for an address that nobody may use, `IO_FAILED` for one that cannot be listened on. */
export async function startAdmin(
  settings: Settings,
  { engine, random, measurements }: OpenedEngine,
  logger: Logger,
  { notReadyReason, stop }: { notReadyReason: () => string | undefined; stop: ServerStop },
): Promise<RunningAdmin> {
  const access = await adminAccess(settings, engine, random);
  const { core, persister } = engine;
  const probe = new ReadinessProbe({ core, persister, disk: new NodeDisk(core.options.dataDirectory) });
  const requestIds = new RequestIds(random);
  const server = createAdminServer({
    admin: engine.admin,
    settings,
    logger,
    notReadyReason,
    stop,
    readiness: () => probe.check(),
    access: access.principals,
    requestId: () => requestIds.next(),
    version: core.options.version,
    metrics: measurements.scrape(engine),
  });
  const closeAll = async (): Promise<void> => {
    await server.close();
    await access.close();
  };
  const { adminHost: host, adminPort: port } = settings;
  try {
    await server.listen({ host, port });
  } catch (error) {
    await closeAll();
    throw listenError(error, { hostKey: 'admin.host', host, portKey: 'admin.port', port });
  }
  const address = server.server.address();
  return {
    port: typeof address === 'object' && address !== null ? address.port : port,
    close: closeAll,
  };
}
