/** A simulated FoundationDB cluster with logs on it: virtual time, faults, and clients that can be killed. */
import { FdbLogStore, type FdbLogOptions } from '../../../log/fdb/log-store.js';
import type { PartitionLog } from '../../../log/log-store.js';
import { Scheduler } from '../../../simulations/scheduler.js';
import { SimClock } from '../../../simulations/sim-clock.js';
import { SimDatabase, type SimDatabaseClient } from '../../../simulations/sim-database.js';
import { SimRandom } from '../../../simulations/sim-random.js';

export const PARTITION = 1;

export interface FdbProcess {
  readonly clock: SimClock;
  readonly client: SimDatabaseClient;
  readonly store: FdbLogStore;
  /** The process dies. What it was committing may still take effect. */
  kill(): void;
}

export class FdbWorld {
  readonly scheduler = new Scheduler();
  readonly random: SimRandom;
  readonly database: SimDatabase;
  #processes = 0;

  constructor(seed: number | string = 1) {
    this.random = new SimRandom(seed);
    this.database = new SimDatabase(this.scheduler, this.random.fork('database'));
  }

  /** Lets `work` come to its end in virtual time. */
  run<Value>(work: () => Promise<Value>): Promise<Value> {
    return this.scheduler.complete(work());
  }

  process(options: Partial<FdbLogOptions> = {}, storeId?: bigint): FdbProcess {
    const clock = new SimClock(this.scheduler);
    const client = this.database.connect();
    const random = this.random.fork(`process ${this.#processes++}`);
    const store = new FdbLogStore({ database: client, clock, random, storeId, options });
    const kill = (): void => {
      client.kill();
      clock.stop();
    };
    return { clock, client, store, kill };
  }

  open(process: FdbProcess = this.process()): Promise<PartitionLog> {
    return this.run(() => process.store.openPartition(PARTITION));
  }
}
