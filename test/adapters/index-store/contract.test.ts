import { mkdirSync, mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { Test } from 'tap';
import { NodeDisk } from '../../../src/adapters/node-disk.js';
import { SystemClock } from '../../../src/adapters/system-clock.js';
import { openIndexStore } from '../../../src/adapters/index-store/open-index-store.js';
import { SILENT_LOGGER } from '../../../src/core/logger.js';
import { Scheduler } from '../../../simulations/scheduler.js';
import { SimClock } from '../../../simulations/sim-clock.js';
import { openSimIndexStore, SimIndexStorage } from '../../../simulations/sim-index-store.js';
import { indexStoreContract } from '../../contracts/index-store.js';
import { type IndexStoreSubject, ITEM_CODEC } from '../../contracts/index-store-model.js';
import { HookedDisk, NEVER } from './hooked-disk.js';
import { IndexWorld, TINY_OPTIONS } from './world.js';

let seed = 0;

indexStoreContract('index store on a simulated disk', () => new IndexWorld(seed++));

function onRealDisk(t: Test): IndexStoreSubject {
  const root = mkdtempSync(join(tmpdir(), 'headrace-index-'));
  t.teardown(() => rmSync(root, { recursive: true, force: true }));
  mkdirSync(join(root, 'data'));
  /** A process that was killed changes nothing any more, though its code may still run here. */
  let living = {};
  return {
    open() {
      const process = living;
      const disk = new HookedDisk(new NodeDisk(root), () => (process === living ? undefined : NEVER));
      return openIndexStore({
        disk,
        directory: 'data/index',
        codec: ITEM_CODEC,
        clock: new SystemClock(),
        logger: SILENT_LOGGER,
        options: { ...TINY_OPTIONS, mergeRestMs: 0 },
      });
    },
    crash() {
      living = {};
    },
    run: (work) => work(),
  };
}

indexStoreContract('index store on a real disk', onRealDisk);

indexStoreContract('simulated index store', () => {
  const scheduler = new Scheduler();
  const storage = new SimIndexStorage();
  let clock = new SimClock(scheduler);
  return {
    open: () => openSimIndexStore({ storage, codec: ITEM_CODEC, clock }),
    crash() {
      clock.stop();
      clock = new SimClock(scheduler);
    },
    run: (work) => scheduler.complete(work()),
  };
});
