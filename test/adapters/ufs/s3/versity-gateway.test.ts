/**
 * The claims about faults, against a second S3 server: what holds for one only would be chance. (Not the whole contract: this
 * server keeps objects as files, so it refuses the objects `a` and `a/b` together.)
 */
import t from 'tap';
import { S3ObjectStore } from '../../../../src/adapters/ufs/s3/s3-object-store.js';
import { objectStoreFaultContract } from '../../../contracts/object-store-faults.js';
import { FaultProxy } from '../../../support/fault-proxy.js';
import { startVersityGateway } from '../../../support/versity-gateway.js';

const server = await startVersityGateway();
if ('skip' in server) {
  void t.test('s3: an object store on the Versity S3 Gateway', { skip: server.skip }, async () => {});
} else {
  const { endpoint, accessKeyId, secretAccessKey } = server;
  t.teardown(() => server.close());
  objectStoreFaultContract('s3 (Versity S3 Gateway)', async (t) => {
    const proxy = new FaultProxy(endpoint.replace('http://', ''));
    await proxy.start();
    const store = new S3ObjectStore({ endpoint: `http://${proxy.address}`, accessKeyId, secretAccessKey });
    t.teardown(async () => {
      await proxy.close();
      await store.close();
    });
    return { store, proxy };
  });
}
