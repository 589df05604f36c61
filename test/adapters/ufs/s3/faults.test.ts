/** The claims about faults, against a real S3 server. */
import t from 'tap';
import { S3ObjectStore } from '../../../../src/adapters/ufs/s3/s3-object-store.js';
import { UploadThread } from '../../../../src/adapters/ufs/s3/upload-thread.js';
import { SILENT_LOGGER } from '../../../../src/core/logger.js';
import { objectStoreFaultContract } from '../../../contracts/object-store-faults.js';
import { FaultProxy } from '../../../support/fault-proxy.js';
import { startS3Server } from '../../../support/s3-servers.js';

const server = await startS3Server();
if ('skip' in server) {
  void t.test('s3: an object store behind faults', { skip: server.skip }, async () => {});
} else {
  t.teardown(() => server.close());
  for (const threaded of [false, true]) {
    objectStoreFaultContract(threaded ? 's3 with an upload thread' : 's3', async (t) => {
      const proxy = new FaultProxy(server.endpoint.replace('http://', ''));
      await proxy.start();
      const { accessKeyId, secretAccessKey } = server;
      const uploads = threaded ? new UploadThread(SILENT_LOGGER) : undefined;
      const options = { endpoint: `http://${proxy.address}`, accessKeyId, secretAccessKey };
      const store = new S3ObjectStore(options, { uploads });
      t.teardown(async () => {
        await proxy.close();
        await store.close();
      });
      await uploads?.ready();
      return { store, proxy };
    });
  }
}
