/** The contract against the stand-in, which is held to what a real HDFS does by the same claims. */
import t from 'tap';
import { SystemClock } from '../../../../src/adapters/system-clock.js';
import { SystemRandom } from '../../../../src/adapters/system-random.js';
import { WebHdfsObjectStore } from '../../../../src/adapters/ufs/webhdfs/webhdfs-object-store.js';
import { objectStoreContract } from '../../../contracts/object-store.js';
import { startWebHdfsStandIn } from '../../../support/webhdfs-stand-in.js';

const server = await startWebHdfsStandIn();
t.teardown(() => server.close());

objectStoreContract(
  'webhdfs (stand-in)',
  async (t) => {
    const { namenode, user } = server;
    const [clock, random] = [new SystemClock(), new SystemRandom()];
    const store = new WebHdfsObjectStore({
      secure: false,
      namenodes: [namenode],
      user,
      base: '/ufs',
      clock,
      random,
    });
    t.teardown(() => store.close());
    return { store, run: (work) => work() };
  },
  { listsOurTimes: true },
);
