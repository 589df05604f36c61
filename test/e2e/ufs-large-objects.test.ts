/**
 * Large objects between the real server and a real S3 store: uploads that go on after kill -9, and reads that fetch no more
 * than they need.
 */
import t, { type Test } from 'tap';
import { KIB, MIB } from '../../src/core/units.js';
import { FaultyUfs } from '../support/faulty-ufs.js';
import { eventually, TestServer } from '../support/headrace-process.js';
import { makeBody, multipartContent, ObjectModel, singleContent } from '../support/object-model.js';
import { S3Client, xmlText } from '../support/s3-client.js';
import { completeUpload } from '../support/s3-load.js';

const PART_BYTES = 6 * MIB;
const PARTS = 6;
/** Less than the parts that are sent at once, so that others hang. */
const PARTS_BEFORE_KILL = 2;
const LARGE_BYTES = 24 * MIB;
/** Each reader keeps it whole. */
const WHOLE_BYTES = 4 * MIB;
const READERS = 64;
/** A range is fetched by blocks of 256 KiB; nothing else should be. */
const RANGE_BYTES_MAX = MIB;

t.setTimeout(120_000);

const started = await FaultyUfs.start(t);
const skip = 'skip' in started ? started.skip : false;

async function startBehindProxy(
  t: Test,
  environment: Readonly<Record<string, string>> = {},
): Promise<{ ufs: FaultyUfs; server: TestServer; client: S3Client }> {
  if ('skip' in started) throw new Error(started.skip);
  const ufs = started;
  ufs.proxy.weather = () => undefined;
  const server = await TestServer.start(t, {
    ufs: 's3://',
    environment: { ...ufs.environment, ...environment },
  });
  const client = new S3Client(server.process.s3Port);
  t.teardown(() => client.close());
  await client.expect('PUT', '/large');
  await server.process.setPolicies('WRITE_BACK');
  return { ufs, server, client };
}

void t.test(
  'upload in parts goes on after kill -9: no part that was acknowledged is sent again',
  { skip },
  async (t) => {
    const { ufs, server, client } = await startBehindProxy(t);
    const { proxy } = ufs;
    let passing = 0;
    proxy.weather = (_method, url) =>
      url.includes('partNumber=') && ++passing > PARTS_BEFORE_KILL ? { kind: 'hang' } : undefined;

    const created = await client.expect('POST', '/large/key?uploads', undefined, { 'x-amz-meta-of': 'us' });
    const uploadId = xmlText(created.body.toString(), 'UploadId') ?? '';
    const parts = Array.from({ length: PARTS }, (_, i) => singleContent(i, PART_BYTES));
    for (const i of parts.keys())
      await client.expect(
        'PUT',
        `/large/key?partNumber=${i + 1}&uploadId=${encodeURIComponent(uploadId)}`,
        makeBody(i, PART_BYTES),
      );
    const upload = { target: '/large/key', uploadId, parts, ending: true };
    await completeUpload(client, new ObjectModel(), upload);
    await eventually(
      async () => (await uploadedBytes(server)) === PARTS_BEFORE_KILL * PART_BYTES,
      async () => `${await uploadedBytes(server)} bytes were sent`,
    );
    const sentBefore = answeredParts(ufs);
    t.equal(sentBefore.length, PARTS_BEFORE_KILL);
    await server.process.kill();
    proxy.weather = () => undefined;
    await server.restart();
    const flushed = await server.cli('flush', '--json', '--timeout', '60s');
    t.equal(flushed.code, 0, `${flushed.stdout} ${flushed.stderr}`);

    const sent = answeredParts(ufs);
    t.same(
      sent.toSorted((a, b) => a - b),
      [1, 2, 3, 4, 5, 6],
      'each part was answered once',
    );
    t.equal(
      proxy.asked.filter((asked) => /^POST .*[?&]uploads/.test(asked)).length,
      1,
      'one upload was begun',
    );
    const found = await ufs.get('large', 'key');
    const { etag } = multipartContent(parts);
    t.match({ etag: found?.etag, of: found?.metadata['of'] }, { etag, of: 'us' });
    t.ok(found?.body.equals(Buffer.concat(parts.map((_, i) => makeBody(i, PART_BYTES)))), 'byte for byte');
    t.same(await ufs.openUploads('large'), []);
  },
);

async function uploadedBytes(server: TestServer): Promise<number> {
  const { stdout } = await server.cli('async-persist', 'stat', '--path', '/large/key', '--json');
  return (JSON.parse(stdout) as { persist?: { uploadedBytes?: number } }).persist?.uploadedBytes ?? 0;
}

/** Numbers of the parts that the store took and said so. */
function answeredParts({ proxy }: FaultyUfs): number[] {
  return proxy.exchanges
    .filter(({ status, delivered }) => status === 200 && delivered)
    .flatMap(({ method, url }) => {
      const number = /[?&]partNumber=(\d+)/.exec(url)?.[1];
      return method === 'PUT' && number !== undefined ? [Number(number)] : [];
    });
}

void t.test(
  `object that only the UFS holds: ${READERS} readers cause one fetch, and a range fetches a range`,
  { skip },
  async (t) => {
    const { ufs, client } = await startBehindProxy(t);
    const { proxy } = ufs;
    const body = makeBody(7, LARGE_BYTES);
    const whole = makeBody(8, WHOLE_BYTES);
    await ufs.put('large', 'whole', whole);
    await ufs.put('large', 'range', body);
    const fetched = (key: string) => {
      const gets = proxy.exchanges.filter(
        ({ method, url }) => method === 'GET' && url.startsWith(`/large/${key}`),
      );
      return { gets: gets.length, bytes: gets.reduce((sum, { answeredBytes }) => sum + answeredBytes, 0) };
    };

    const range = await client.request('GET', '/large/range', undefined, {
      range: 'bytes=20000000-20000999',
    });
    t.equal(range.status, 206);
    t.ok(range.body.equals(body.subarray(20_000_000, 20_001_000)));
    const { bytes } = fetched('range');
    t.ok(
      bytes >= 1000 && bytes <= RANGE_BYTES_MAX,
      `${Math.round(bytes / KIB)} KiB were fetched for 1000 bytes`,
    );

    let letPass = (): void => undefined;
    const until = new Promise<void>((resolve) => (letPass = resolve));
    proxy.weather = (method, url) =>
      method === 'GET' && url.startsWith('/large/whole') ? { kind: 'delay', until } : undefined;
    const reads = Promise.all(Array.from({ length: READERS }, () => client.request('GET', '/large/whole')));
    await eventually(
      async () => fetched('whole').gets > 0,
      () => 'the store was not asked',
    );
    letPass();
    const answers = await reads;
    t.ok(
      answers.every(({ status, body: read }) => status === 200 && read.equals(whole)),
      'all got it whole',
    );
    t.same(fetched('whole'), { gets: 1, bytes: WHOLE_BYTES });
  },
);

void t.test(
  'object that somebody else replaces in the UFS is noticed: cached, and not',
  { skip },
  async (t) => {
    const { ufs, server, client } = await startBehindProxy(t, {
      HEADRACE_UFS_METADATA_CACHE_TTL: '100ms',
      HEADRACE_UFS_REVALIDATE_INTERVAL: '100ms',
    });
    for (const key of ['cached', 'foreign']) await ufs.put('large', key, 'first');
    await client.expect('PUT', '/large/written', 'first');
    t.equal((await server.cli('flush', '--timeout', '60s')).code, 0);
    t.equal((await client.expect('GET', '/large/cached')).body.toString(), 'first');
    t.equal((await client.expect('HEAD', '/large/foreign')).headers['content-length'], '5');
    for (const key of ['cached', 'foreign', 'written']) {
      const etag = await ufs.put('large', key, `second ${key}`);
      await eventually(
        async () => (await client.expect('GET', `/large/${key}`)).body.toString() === `second ${key}`,
        () => `${key} is still the first`,
      );
      t.equal((await client.expect('HEAD', `/large/${key}`)).headers.etag, etag, key);
    }
  },
);
