import t from 'tap';
import { S3ObjectStore } from '../../../../src/adapters/ufs/s3/s3-object-store.js';
import { UploadThread } from '../../../../src/adapters/ufs/s3/upload-thread.js';
import { SILENT_LOGGER } from '../../../../src/core/logger.js';
import { objectStoreContract } from '../../../contracts/object-store.js';
import { startS3Server } from '../../../support/s3-servers.js';

const server = await startS3Server();
if ('skip' in server) {
  void t.test('s3: an object store', { skip: server.skip }, async () => {});
} else {
  t.teardown(() => server.close());
  objectStoreContract(
    's3 with an upload thread',
    async (t) => {
      const { endpoint, accessKeyId, secretAccessKey } = server;
      const uploads = new UploadThread(SILENT_LOGGER);
      const store = new S3ObjectStore({ endpoint, accessKeyId, secretAccessKey }, { uploads });
      t.teardown(() => store.close());
      await uploads.ready();
      return { store, run: (work) => work() };
    },
    { listsOurTimes: false, unsupportedKeys: ['new\nline\ttab'] },
  );
  objectStoreContract(
    's3',
    async (t) => {
      const { endpoint, accessKeyId, secretAccessKey } = server;
      const store = new S3ObjectStore({ endpoint, accessKeyId, secretAccessKey });
      t.teardown(() => store.close());
      return { store, run: (work) => work() };
    },
    { listsOurTimes: false, unsupportedKeys: ['new\nline\ttab'] },
  );
}
