/** The thread that uploads small objects: who uploads what, and what becomes of uploads when it ends. */
import { createHash } from 'node:crypto';
import { once } from 'node:events';
import { createServer, type IncomingMessage, type ServerResponse } from 'node:http';
import type { AddressInfo } from 'node:net';
import t, { type Test } from 'tap';
import { S3ObjectStore } from '../../../../src/adapters/ufs/s3/s3-object-store.js';
import { UploadThread } from '../../../../src/adapters/ufs/s3/upload-thread.js';
import type { HeadraceError } from '../../../../src/core/errors.js';
import { SILENT_LOGGER } from '../../../../src/core/logger.js';
import { failsWith, putRequest } from '../../../contracts/object-store-subject.js';

type Reply = (response: ServerResponse, body: Buffer) => void;

const accept: Reply = (response, body) => {
  response.writeHead(200, { etag: `"${createHash('md5').update(body).digest('hex')}"` }).end();
};

/** A store, and from how many connections (so: threads) its requests came. */
async function storeOn(t: Test) {
  const answering = { reply: accept };
  const connections = new Set<unknown>();
  const bodies: string[] = [];
  const server = createServer((request: IncomingMessage, response) => {
    const chunks: Buffer[] = [];
    connections.add(request.socket);
    request.on('data', (chunk: Buffer) => chunks.push(chunk));
    request.on('end', () => {
      const body = Buffer.concat(chunks);
      bodies.push(body.toString());
      answering.reply(response, body);
    });
  });
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  const endpoint = `http://127.0.0.1:${(server.address() as AddressInfo).port}`;
  const errors: object[] = [];
  const uploads = new UploadThread({ ...SILENT_LOGGER, error: (fields: object) => void errors.push(fields) });
  const options = { endpoint, accessKeyId: 'a', secretAccessKey: 's' };
  const store = new S3ObjectStore(options, { uploads });
  t.teardown(async () => {
    await store.close();
    server.closeAllConnections();
    await new Promise((resolve) => server.close(resolve));
  });
  return { store, uploads, answering, connections, bodies, errors, options };
}

void t.test('upload thread: until it is ready, the caller uploads by itself', async (t) => {
  const { store, uploads, connections } = await storeOn(t);
  await store.put(putRequest('b', 'k', 'at once'));
  t.equal(connections.size, 1);
  await uploads.ready();
  await store.put(putRequest('b', 'k', 'elsewhere'));
  t.equal(connections.size, 2, 'the thread has connections of its own');
  const { bytes: _, ...streamed } = putRequest('b', 'k', 'a stream');
  await store.put(streamed);
  t.equal(connections.size, 2, 'a body that is not in memory stays here');
});

void t.test('upload thread: many uploads at once all arrive whole, more than it has room for', async (t) => {
  const { store, uploads, bodies } = await storeOn(t);
  await uploads.ready();
  const texts = Array.from({ length: 200 }, (_, at) => `body ${at} `.repeat(at + 1));
  const stored = await Promise.all(texts.map((text, at) => store.put(putRequest('b', `k${at}`, text))));
  t.same(
    stored.map(({ etag }) => etag),
    texts.map((text) => createHash('md5').update(text).digest('hex')),
  );
  t.same(bodies.toSorted(), texts.toSorted());
});

void t.test('upload thread: a body may be changed as soon as the call returns', async (t) => {
  const { store, uploads, bodies } = await storeOn(t);
  await uploads.ready();
  const request = putRequest('b', 'k', 'as it was');
  const putting = store.put(request);
  (request.bytes as Uint8Array).fill(0);
  await putting;
  t.same(bodies, ['as it was']);
});

void t.test(
  'upload thread: a crash leaves the outcome unknown, and the next upload starts it anew',
  async (t) => {
    const { store, uploads, answering, connections, errors } = await storeOn(t);
    await uploads.ready();
    const arrived = new Promise<void>((resolve) => {
      answering.reply = () => resolve();
    });
    const lost = store.put(putRequest('b', 'k', 'lost')).then(
      () => undefined,
      (error: HeadraceError) => error,
    );
    await arrived;
    await uploads.crash();
    t.match(await lost, { code: 'UFS_UNAVAILABLE', details: { outcomeUnknown: true } });
    t.match(errors, [{ uploads: 1, failures: 1 }]);
    answering.reply = accept;
    await store.put(putRequest('b', 'k', 'by the caller'));
    await uploads.ready();
    const before = connections.size;
    await store.put(putRequest('b', 'k', 'by the new thread'));
    t.equal(connections.size, before + 1);
  },
);

void t.test('upload thread: one that ends again and again is given up, and uploads go on', async (t) => {
  const { store, uploads, connections, errors } = await storeOn(t);
  for (let failure = 1; failure <= 3; failure++) {
    await uploads.ready();
    await uploads.crash();
  }
  t.equal(errors.length, 3);
  await uploads.ready();
  await store.put(putRequest('b', 'k', 'one'));
  await store.put(putRequest('b', 'k', 'two'));
  await store.put(putRequest('b', 'k', 'three'));
  t.ok(
    connections.size > 1 && connections.size <= 3,
    'all by the caller: the first through the client, the others past it',
  );
});

void t.test('upload thread: it serves several stores and ends with the last', async (t) => {
  const { store, uploads, options, bodies } = await storeOn(t);
  const other = new S3ObjectStore({ ...options, bucket: 'mapped', prefix: 'p/' }, { uploads });
  await uploads.ready();
  await store.put(putRequest('b', 'k', 'one'));
  await other.put(putRequest('mapped', 'k', 'two'));
  t.same(bodies, ['one', 'two']);
  await failsWith(t, ['NO_SUCH_BUCKET'], () => other.put(putRequest('another', 'k', 'x')));
  await other.close();
  await failsWith(t, ['CLOSED'], () => other.put(putRequest('mapped', 'k', 'x')));
  await store.put(putRequest('b', 'k', 'three'));
  await store.close();
  t.equal(uploads.isRunning, false);
  const again = new S3ObjectStore(options, { uploads });
  t.teardown(() => again.close());
  await uploads.ready();
  await again.put(putRequest('b', 'k', 'four'));
  t.same(bodies, ['one', 'two', 'three', 'four']);
});

/** Begins a small put; what becomes of it is in `outcome` once it is told. */
function beginSmall(store: S3ObjectStore, key: string, text: string) {
  const { bucket, headers, lastModifiedMs, bytes, etag } = putRequest('b', key, text);
  const puts = store.smallPuts;
  if (puts === undefined || bytes === undefined || etag === undefined) throw new Error('no small puts');
  let number: number | undefined;
  const outcome = new Promise<unknown>((resolve) => {
    number = puts.begin(
      { bucket, key, headers, lastModifiedMs, bytes, etag },
      { stored: (...etags) => resolve(etags), failed: resolve },
    );
  });
  return { puts, number, outcome, etag, bytes };
}

void t.test('upload thread: a small put tells its receiver what the store has, or why not', async (t) => {
  const { store, uploads, answering, bodies } = await storeOn(t);
  t.equal(
    beginSmall(store, 'k', 'too early').number,
    undefined,
    'it is not taken before the thread is ready',
  );
  await uploads.ready();
  await store.put(putRequest('b', 'first', 'the way to the bucket'));
  const { outcome, etag, bytes } = beginSmall(store, 'k', 'small');
  bytes.fill(0);
  t.same(await outcome, [etag, etag]);
  t.equal(bodies.at(-1), 'small', 'the body was copied');
  answering.reply = (response) => void response.writeHead(503).end();
  t.match(await beginSmall(store, 'k', 'refused').outcome, { code: 'UFS_UNAVAILABLE' });
});

void t.test('upload thread: a small put that nobody waits for is cut off', async (t) => {
  const { store, uploads, answering } = await storeOn(t);
  await uploads.ready();
  await store.put(putRequest('b', 'first', 'the way to the bucket'));
  const arrived = new Promise<void>((resolve) => {
    answering.reply = () => resolve();
  });
  const { puts, number, outcome } = beginSmall(store, 'k', 'held');
  await arrived;
  puts.cancel(number ?? -1);
  t.match(await outcome, { code: 'UFS_UNKNOWN_OUTCOME' });
});
