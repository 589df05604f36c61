/** The claims about faults, against the stand-in. */
import { SystemClock } from '../../../../src/adapters/system-clock.js';
import { SystemRandom } from '../../../../src/adapters/system-random.js';
import { WebHdfsObjectStore } from '../../../../src/adapters/ufs/webhdfs/webhdfs-object-store.js';
import { objectStoreFaultContract } from '../../../contracts/object-store-faults.js';
import { FaultProxy } from '../../../support/fault-proxy.js';
import { startWebHdfsStandIn } from '../../../support/webhdfs-stand-in.js';

objectStoreFaultContract('webhdfs (stand-in)', async (t) => {
  const server = await startWebHdfsStandIn();
  const proxy = new FaultProxy(server.namenode);
  await proxy.start();
  const [clock, random] = [new SystemClock(), new SystemRandom()];
  const namenodes = [proxy.address];
  const { user } = server;
  const store = new WebHdfsObjectStore({ secure: false, namenodes, user, base: '/ufs', clock, random });
  t.teardown(async () => {
    await proxy.close();
    await store.close();
    await server.close();
  });
  return { store, proxy };
});
