/** The contract against a real HDFS. */
import t from 'tap';
import { SystemClock } from '../../../../src/adapters/system-clock.js';
import { SystemRandom } from '../../../../src/adapters/system-random.js';
import { WebHdfsObjectStore } from '../../../../src/adapters/ufs/webhdfs/webhdfs-object-store.js';
import { objectStoreContract } from '../../../contracts/object-store.js';
import { startHdfsServer } from '../../../support/hdfs-server.js';

// A whole HDFS starts first, in another language.
t.setTimeout(280_000);
const server = await startHdfsServer(t.testdir());
if ('skip' in server) {
  void t.test('webhdfs: an object store on a real HDFS', { skip: server.skip }, async () => {});
} else {
  t.teardown(() => server.close());
  const storeOn = (namenode: string): WebHdfsObjectStore => {
    const { user } = server;
    const [clock, random] = [new SystemClock(), new SystemRandom()];
    return new WebHdfsObjectStore({
      secure: false,
      namenodes: [namenode],
      user,
      base: '/ufs',
      clock,
      random,
    });
  };
  objectStoreContract(
    'webhdfs (hdfs)',
    async (t) => {
      const store = storeOn(server.namenode);
      t.teardown(() => store.close());
      return { store, run: (work) => work() };
    },
    { listsOurTimes: true },
  );
}
