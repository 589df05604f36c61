/** The claims about faults, against a real HDFS. */
import t from 'tap';
import { SystemClock } from '../../../../src/adapters/system-clock.js';
import { SystemRandom } from '../../../../src/adapters/system-random.js';
import { WebHdfsObjectStore } from '../../../../src/adapters/ufs/webhdfs/webhdfs-object-store.js';
import { objectStoreFaultContract } from '../../../contracts/object-store-faults.js';
import { FaultProxy } from '../../../support/fault-proxy.js';
import { startHdfsServer } from '../../../support/hdfs-server.js';

// A whole HDFS starts first, in another language.
t.setTimeout(280_000);
const server = await startHdfsServer(t.testdir());
if ('skip' in server) {
  void t.test('webhdfs: a real HDFS behind faults', { skip: server.skip }, async () => {});
} else {
  t.teardown(() => server.close());
  objectStoreFaultContract('webhdfs (hdfs)', async (t) => {
    const proxy = new FaultProxy(server.namenode);
    await proxy.start();
    const [clock, random] = [new SystemClock(), new SystemRandom()];
    const namenodes = [proxy.address];
    const { user } = server;
    const store = new WebHdfsObjectStore({ secure: false, namenodes, user, base: '/ufs', clock, random });
    t.teardown(async () => {
      await proxy.close();
      await store.close();
    });
    return { store, proxy };
  });
}
