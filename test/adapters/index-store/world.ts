/** An index store on a simulated disk, in which power can fail at any moment. */
import type { Logger } from '../../../src/core/logger.js';
import type { Disk } from '../../../src/core/ports.js';
import type { LsmIndexStore } from '../../../src/adapters/index-store/lsm-index-store.js';
import { openIndexStore, type OpenedIndexStore } from '../../../src/adapters/index-store/open-index-store.js';
import type { IndexStoreOptions } from '../../../src/adapters/index-store/options.js';
import { Scheduler } from '../../../simulations/scheduler.js';
import { SimClock } from '../../../simulations/sim-clock.js';
import { SimDisk } from '../../../simulations/sim-disk.js';
import { SimRandom } from '../../../simulations/sim-random.js';
import { type Item, ITEM_CODEC } from '../../contracts/index-store-model.js';

/** So small that a hundred entries make blocks, runs and merges. */
export const TINY_OPTIONS: Partial<IndexStoreOptions> = {
  blockBytes: 256,
  writeBytes: 1024,
  readBytes: 600,
  fanIn: 3,
  sliceMs: 0,
  mergeRestMs: 1,
  garbageEntriesMin: 12,
};

export type ItemStore = LsmIndexStore<Item>;

export class IndexWorld {
  readonly scheduler = new Scheduler();
  readonly warnings: string[] = [];
  readonly #random: SimRandom;
  readonly #logger: Logger;
  readonly #options: Partial<IndexStoreOptions>;
  #clock: SimClock;
  #disk: SimDisk;

  constructor(seed: number | string, options: Partial<IndexStoreOptions> = TINY_OPTIONS) {
    this.#random = new SimRandom(seed);
    this.#options = options;
    this.#disk = new SimDisk(this.scheduler, this.#random);
    this.#clock = new SimClock(this.scheduler);
    const note = (_fields: object, message: string): void => void this.warnings.push(message);
    this.#logger = { debug() {}, info() {}, warn: note, error: note };
  }

  get disk(): SimDisk {
    return this.#disk;
  }

  /** `wrap` may put something between the store and the disk. */
  open(wrap: (disk: Disk) => Disk = (disk) => disk): Promise<OpenedIndexStore<Item>> {
    return openIndexStore({
      disk: wrap(this.#disk),
      directory: 'index',
      codec: ITEM_CODEC,
      options: this.#options,
      clock: this.#clock,
      logger: this.#logger,
    });
  }

  /** Power fails: the process is gone, and what was not synced is lost, torn or kept. */
  crash(): void {
    this.#clock.stop();
    this.#clock = new SimClock(this.scheduler);
    this.#disk = this.#disk.crash(this.#random);
  }

  run<Value>(work: () => Promise<Value>): Promise<Value> {
    return this.scheduler.complete(work());
  }

  names(): Promise<string[]> {
    return this.#disk.list('index');
  }
}
