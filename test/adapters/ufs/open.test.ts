import path from 'node:path';
import t from 'tap';
import { SystemClock } from '../../../src/adapters/system-clock.js';
import { SystemRandom } from '../../../src/adapters/system-random.js';
import { checkNewMount, openMountedStore, openObjectStore } from '../../../src/adapters/ufs/open.js';
import { HeadraceError } from '../../../src/core/errors.js';
import { SILENT_LOGGER } from '../../../src/core/logger.js';
import { putRequest } from '../../contracts/object-store-subject.js';

const parts = { clock: new SystemClock(), random: new SystemRandom(), logger: SILENT_LOGGER };

void t.test('ufs: a path or a file URL is a directory, s3:// is S3', async (t) => {
  const descriptions: readonly (readonly [string, string])[] = [
    ['/data/ufs', 'directory /data/ufs'],
    ['file:///data/u%20fs', 'directory /data/u fs'],
    ['data/ufs', `directory ${path.resolve('data/ufs')}`],
    ['./ufs', `directory ${path.resolve('ufs')}`],
    ['s3://', 's3 aws'],
    ['s3://?endpoint=http://127.0.0.1:9000&pathStyle=true', 's3 http://127.0.0.1:9000'],
    ['s3://bucket/some/prefix', 's3 aws/bucket/some/prefix/'],
    ['S3://bucket/?region=eu-west-1', 's3 aws/bucket/'],
    ['hdfs://namenode', 'hdfs http://namenode:9870/'],
    ['webhdfs://nn:50070/a%20b/c/', 'hdfs http://nn:50070/a b/c'],
    ['HDFS://a,b:1,[::1]:2/x?user=me&replication=2', 'hdfs http://a:9870,b:1,[::1]:2/x'],
    ['swebhdfs://nn/x', 'hdfs https://nn:9871/x'],
    ['webhdfss://nn/x', 'hdfs https://nn:9871/x'],
  ];
  for (const [uri, description] of descriptions) {
    const store = await openObjectStore(uri, {}, parts);
    t.equal(store.description, description);
    await store.close();
  }
});

void t.test('ufs: a URI that is none names the value and what is allowed', async (t) => {
  for (const uri of [
    '',
    'hdfs://',
    'hdfs:///path',
    'hdfs://name node/path',
    'hdfs://nn:99999/path',
    'hdfs://nn,/path',
    'hdfs://nn/a/../b',
    'hdfs://nn/a:b',
    'hdfs://nn/%E0%A4%A',
    'hdfs://nn/x?unknown=1',
    'hdfs://nn/x?replication=many',
    'hdfs://nn/x?blockSizeBytes=7',
    'hdfs://nn/x?user=a%20b',
    'http://example.org',
    's3:bucket',
    's3:///prefix',
    's3://b?unknown=1',
    's3://b?accessKeyId=x',
    's3://b?pathStyle=maybe',
    's3://b?endpoint=nonsense',
    's3://b/%E0%A4%A',
    'file://host/path',
  ]) {
    const error = await openObjectStore(uri, {}, parts).catch((found: unknown) => found);
    if (!(error instanceof HeadraceError)) throw new Error(`${uri} was opened`);
    t.equal(error.code, 'INVALID_SETTING');
    t.ok(error.message.includes(uri), error.message);
  }
});

void t.test('ufs: half of the credentials are refused', async (t) => {
  await t.rejects(openObjectStore('s3://b', { accessKeyId: 'only' }, parts), { code: 'INVALID_SETTING' });
});

void t.test('ufs: a mounted directory is one bucket', async (t) => {
  const directory = path.join(t.testdir({ training: { 'a.txt': 'x' } }), 'training');
  const { store, bucket, prefix } = await openMountedStore(directory, {}, parts);
  t.teardown(() => store.close());
  t.equal(prefix, '');
  t.equal((await store.head(bucket, 'a.txt'))?.size, 1);
  await store.put(putRequest(bucket, 'b/c', 'x'));
  await t.rejects(openMountedStore('s3://', {}, parts), { code: 'INVALID_SETTING' });
  for (const uri of ['hdfs://nn', 'hdfs://nn/', 'hdfs://nn/.hidden']) {
    await t.rejects(openMountedStore(uri, {}, parts), { code: 'INVALID_SETTING' });
  }
  const hdfs = await openMountedStore('hdfs://nn/data/lake/raw?user=me', {}, parts);
  t.match(hdfs, { bucket: 'raw', prefix: '', store: { description: 'hdfs http://nn:9870/data/lake' } });
  const s3 = await openMountedStore('s3://bucket/prefix', {}, parts);
  t.match(s3, { bucket: 'bucket', prefix: '', store: { description: 's3 aws/bucket/prefix/' } });
});

void t.test(
  'ufs: a mount with an option that there is not is refused, with those that there are',
  async (t) => {
    const place = { clock: parts.clock, dataDirectory: '/data' };
    const check = (ufs: string, options: Record<string, string>): Promise<void> =>
      checkNewMount({ ufs, options }, ['own'], place);
    await check('s3://bucket', { region: 'eu-west-1', pathStyle: 'true', own: 'x' });
    await check('hdfs://nn/x', { user: 'me', replication: '2', blockSizeBytes: '1048576' });
    await t.rejects(check('s3://bucket', { endpont: 'http://x' }), {
      code: 'INVALID_SETTING',
      message: /has the option endpont = "http:\/\/x": there are endpoint, region, .*, own$/,
    });
    await t.rejects(check('s3://bucket', { secretKey: 'hush' }), { message: /secretKey = "\*{4}": / });
  },
);
