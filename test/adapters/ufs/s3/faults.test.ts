/** The claims about faults, against a real S3 server. */
import t from 'tap';
import { S3ObjectStore } from '../../../../src/adapters/ufs/s3/s3-object-store.js';
import { objectStoreFaultContract } from '../../../contracts/object-store-faults.js';
import { FaultProxy } from '../../../support/fault-proxy.js';
import { startS3Server } from '../../../support/s3-servers.js';

const server = await startS3Server();
if ('skip' in server) {
  void t.test('s3: an object store behind faults', { skip: server.skip }, async () => {});
} else {
  t.teardown(() => server.close());
  objectStoreFaultContract('s3', async (t) => {
    const proxy = new FaultProxy(server.endpoint.replace('http://', ''));
    await proxy.start();
    const { accessKeyId, secretAccessKey } = server;
    const store = new S3ObjectStore({ endpoint: `http://${proxy.address}`, accessKeyId, secretAccessKey });
    t.teardown(async () => {
      await proxy.close();
      await store.close();
    });
    return { store, proxy };
  });
}
