/**
 * The log of a simulated machine in FoundationDB: a cluster that outlives every process, and for each process a connection, a log
 * store and the lease under which it owns the log, put together as production does.
 *
 * Invariant: a process that has ended hears of nothing any more; what it was committing may still take effect, also after the next
 * one has begun.
 */
import { CoordinatorKeys } from '../log/fdb/coordinator-schema.js';
import { FdbCoordinator } from '../log/fdb/coordinator.js';
import { FdbLogStore } from '../log/fdb/log-store.js';
import { CONTROL_PARTITION, type LogStore } from '../log/log-store.js';
import type { Logger } from '../src/core/logger.js';
import type { Clock } from '../src/core/ports.js';
import { SECOND_MS } from '../src/core/units.js';
import { Ownership } from '../src/engine/ownership.js';
import type { ReadLease } from '../src/engine/read-lease.js';
import type { Scheduler } from './scheduler.js';
import { SimDatabase, type SimDatabaseClient } from './sim-database.js';
import type { SimRandom } from './sim-random.js';

const PREFIX = Buffer.from('headrace/');
const LEASE_MS = 10 * SECOND_MS;
/** The same for each process of a machine: the next one waits for nobody. */
const WORKER_ID = 'simulated';

export interface DatabaseLogParts {
  readonly clock: Clock;
  readonly random: SimRandom;
  readonly logger: Logger;
  readonly storeId: bigint;
}

export class DatabaseLog {
  readonly database: SimDatabase;
  #client: SimDatabaseClient | undefined;
  #ownership: Ownership | undefined;

  constructor(scheduler: Scheduler, random: SimRandom) {
    this.database = new SimDatabase(scheduler, random);
  }

  /** The log as a process that starts finds it; its lease is held on return. */
  async open({
    clock,
    random,
    logger,
    storeId,
  }: DatabaseLogParts): Promise<{ readonly logStore: LogStore; readonly lease: ReadLease }> {
    const database = this.database.connect();
    this.#client = database;
    const logStore = new FdbLogStore({ database, clock, random, storeId, options: { prefix: PREFIX } });
    const { incarnation } = await logStore.identity();
    const keys = new CoordinatorKeys(PREFIX, incarnation);
    const ownership = await Ownership.acquire({
      coordinator: new FdbCoordinator({
        database,
        clock,
        random,
        keys,
        workerId: WORKER_ID,
        ttlMs: LEASE_MS,
      }),
      clock,
      logger,
      ttlMs: LEASE_MS,
      address: WORKER_ID,
      partition: CONTROL_PARTITION,
      // Nobody else is there to take it. Were it lost all the same, reads would be refused until the end, which is a violation.
      onLost: (error) => logger.error({ error }, 'the lease of the log was lost'),
    });
    this.#ownership = ownership;
    return { logStore, lease: ownership.lease };
  }

  /** Behind the stop of the engine. */
  async close(): Promise<void> {
    await this.#ownership?.release();
    this.#client?.close();
  }

  /** The process has ended. */
  end(): void {
    this.#client?.kill();
    this.#client = undefined;
    this.#ownership = undefined;
  }
}
