import { Scheduler } from '../../simulations/scheduler.js';
import { SimObjectStore } from '../../simulations/sim-object-store.js';
import { SimRandom } from '../../simulations/sim-random.js';
import { objectStoreContract } from '../contracts/object-store.js';

objectStoreContract(
  'simulated object store',
  async () => {
    const scheduler = new Scheduler();
    const store = new SimObjectStore(scheduler, new SimRandom(1));
    return { store, run: (work) => scheduler.complete(work()) };
  },
  { listsOurTimes: true },
);
