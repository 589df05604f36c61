/**
 * `headrace log incarnate`: gives the log that was restored in FoundationDB a new incarnation, and this data directory with it.
 *
 * | a crash                                      | leaves                                                                      |
 * |----------------------------------------------|-----------------------------------------------------------------------------|
 * | before the log has its new incarnation       | everything as it was; the command is given again                            |
 * | before the data directory knows it           | a data directory that is refused until the command has been given again     |
 */
import { hostname } from 'node:os';
import { openDataDirectory, type DataDirectory } from '../adapters/data-directory.js';
import type { ImportModule } from '../adapters/foundationdb/binding.js';
import { openFoundationDatabase } from '../adapters/foundationdb/open.js';
import { bootId } from '../adapters/machine.js';
import { NodeDisk } from '../adapters/node-disk.js';
import { SystemClock } from '../adapters/system-clock.js';
import { SystemRandom } from '../adapters/system-random.js';
import type { IncarnatedLog } from '../cli/context.js';
import { HeadraceError } from '../core/errors.js';
import type { Logger } from '../core/logger.js';
import { CoordinatorKeys } from '../../log/fdb/coordinator-schema.js';
import { expectIdentity } from '../../log/fdb/identity.js';
import { incarnate } from '../../log/fdb/incarnate.js';
import type { Settings } from '../settings/settings.js';
import { incarnationName, readPlace, writePlace } from './log-place.js';
import { DATA_FORMAT_VERSION } from './open-engine.js';
import { ownLog } from './open-log-store.js';

export interface IncarnateContext {
  readonly logger: Logger;
  /** Instead of `import`, for optional packages. */
  readonly importModule?: ImportModule;
}

/**
 * Durable on return, in FoundationDB and in the data directory. `DATA_DIRECTORY_IN_USE`, `DATA_DIRECTORY_UNUSABLE` for one whose
 * log is not in FoundationDB or is another store's, `INVALID_SETTING`, `LOG_FENCED` while a server owns the log, `IO_FAILED`.
 */
export async function incarnateLog(settings: Settings, context: IncarnateContext): Promise<IncarnatedLog> {
  const data = await openDataDirectory(settings.dataDirectory, { formatVersion: DATA_FORMAT_VERSION });
  try {
    return await incarnateIn(data, settings, context);
  } finally {
    await data.release();
  }
}

async function incarnateIn(
  data: DataDirectory,
  settings: Settings,
  { logger, importModule }: IncarnateContext,
): Promise<IncarnatedLog> {
  const disk = new NodeDisk(data.path);
  const place = await readPlace(disk);
  if (place === undefined)
    throw new HeadraceError(
      'DATA_DIRECTORY_UNUSABLE',
      `the log of ${data.path} is not in FoundationDB: only such a log has incarnations`,
    );
  const { keyPrefix } = place;
  const clusterFile = settings.foundationdbClusterFile ?? place.clusterFile;
  const [clock, random] = [new SystemClock(), new SystemRandom()];
  const database = await openFoundationDatabase({
    clusterFile,
    connectTimeoutMs: settings.foundationdbConnectTimeoutMs,
    clock,
    ...(importModule === undefined ? {} : { importModule }),
  });
  try {
    const prefix = Buffer.from(keyPrefix);
    const storeId = Buffer.from(data.storeId.replaceAll('-', ''), 'hex');
    const store = { database, clock, prefix, storeId: storeId.readBigUInt64LE() };
    const { incarnation } = await expectIdentity(store);
    // Of the one that is there: a server that is alive is found by it.
    const ownership = await ownLog(
      settings,
      {
        clock,
        random,
        logger,
        storeId,
        place: { hostName: hostname(), bootId: bootId(), dataDirectory: data.path },
        onFenced: (error) => logger.error({ error }, 'a server took the log over'),
      },
      database,
      new CoordinatorKeys(prefix, incarnation),
    );
    try {
      const fresh = incarnationName(await incarnate({ ...store, random }));
      await writePlace(disk, { clusterFile, keyPrefix, incarnation: fresh });
      return { keyPrefix, incarnation: fresh };
    } finally {
      await ownership.release();
    }
  } finally {
    database.close();
  }
}
