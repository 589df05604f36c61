/** The embedded log keeps the contract of `LogStore`, on the disk of this machine and on the simulated one. */
import { EmbeddedLogStore } from '../../../log/embedded/log-store.js';
import { NodeDisk } from '../../../src/adapters/node-disk.js';
import { SystemClock } from '../../../src/adapters/system-clock.js';
import { SystemRandom } from '../../../src/adapters/system-random.js';
import { SILENT_LOGGER } from '../../../src/core/logger.js';
import { logStoreContract } from '../../contracts/log-store.js';
import { LogWorld, SMALL_SEGMENTS } from '../log-world.js';

const options = { ...SMALL_SEGMENTS, segmentBytes: 256 * 1024 };

logStoreContract('embedded log on this disk', (t) => {
  const disk = new NodeDisk(t.testdir());
  return {
    open: () =>
      new EmbeddedLogStore({
        disk,
        clock: new SystemClock(),
        random: new SystemRandom(),
        logger: SILENT_LOGGER,
        options,
      }),
    run: (work) => work(),
  };
});

logStoreContract('embedded log on a simulated disk', () => {
  const world = new LogWorld();
  return { open: () => world.store(options), run: (work) => world.run(work) };
});
