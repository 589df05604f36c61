/** The claims about faults, against the stand-in. */
import { objectStoreFaultContract } from '../../../contracts/object-store-faults.js';
import { startWebHdfsStandIn } from '../../../support/webhdfs-stand-in.js';
import { faultyStore } from './faulty-store.js';

objectStoreFaultContract('webhdfs (stand-in)', async (t) => {
  const server = await startWebHdfsStandIn();
  t.teardown(() => server.close());
  return faultyStore(t, server);
});
