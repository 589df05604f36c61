/** The claims about faults, against a real HDFS. */
import t from 'tap';
import { objectStoreFaultContract } from '../../../contracts/object-store-faults.js';
import { startHdfsServer } from '../../../support/hdfs-server.js';
import { faultyStore } from './faulty-store.js';

// A whole HDFS starts first, in another language.
t.setTimeout(280_000);
const server = await startHdfsServer(t.testdir());
if ('skip' in server) {
  void t.test('webhdfs: a real HDFS behind faults', { skip: server.skip }, async () => {});
} else {
  t.teardown(() => server.close());
  objectStoreFaultContract('webhdfs (hdfs)', (t) => faultyStore(t, server));
}
