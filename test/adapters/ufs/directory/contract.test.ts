import { DirectoryObjectStore } from '../../../../src/adapters/ufs/directory/directory-object-store.js';
import { SystemClock } from '../../../../src/adapters/system-clock.js';
import { SystemRandom } from '../../../../src/adapters/system-random.js';
import { SILENT_LOGGER } from '../../../../src/core/logger.js';
import { objectStoreContract } from '../../../contracts/object-store.js';

objectStoreContract(
  'directory',
  async (t) => {
    const store = new DirectoryObjectStore({
      root: t.testdir(),
      clock: new SystemClock(),
      random: new SystemRandom(),
      logger: SILENT_LOGGER,
    });
    t.teardown(() => store.close());
    return { store, run: (work) => work() };
  },
  { listsOurTimes: true },
);
