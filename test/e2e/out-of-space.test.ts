/** A cache that is full of what must not be evicted refuses clearly, leaves nothing behind, and takes writes again later. */
import t from 'tap';
import { TestServer } from '../support/headrace-process.js';
import { makeBody } from '../support/object-model.js';
import { S3Client, xmlText, type S3Response } from '../support/s3-client.js';

const MIB = 1024 ** 2;
const PINNED_LIMIT_BYTES = 16 * MIB;

void t.test('out of space: the pinned limit refuses with a code, a message and Retry-After', async (t) => {
  const server = await TestServer.start(t, {
    environment: {
      HEADRACE_WORKER_PAGE_STORE_SIZE: '64MiB',
      HEADRACE_WORKER_PAGE_STORE_PINNED_FILE_CAPACITY_LIMIT_RATIO: '0.25',
    },
  });
  await server.process.s3('PUT', '/full');
  await server.process.setPolicies('TRANSIENT');
  const client = new S3Client(server.process.s3Port);
  t.teardown(() => client.close());

  const refusals: S3Response[] = [];
  let stored = 0;
  for (; refusals.length === 0 && stored < 40; stored++) {
    const response = await client.request('PUT', `/full/${stored}`, makeBody(stored, MIB));
    if (response.status !== 200) refusals.push(response);
  }
  stored -= refusals.length;
  t.ok(stored * MIB <= PINNED_LIMIT_BYTES && stored >= 14, `${stored} MiB fitted in 16 MiB`);
  // A large body and a part are refused as well, without taking what little is left.
  refusals.push(await client.request('PUT', '/full/large', makeBody(1000, 8 * MIB)));
  const created = await client.expect('POST', '/full/parts?uploads');
  const uploadId = encodeURIComponent(xmlText(created.body.toString(), 'UploadId') ?? '');
  refusals.push(
    await client.request('PUT', `/full/parts?partNumber=1&uploadId=${uploadId}`, makeBody(1001, 8 * MIB)),
  );
  for (const refusal of refusals) {
    const text = refusal.body.toString();
    t.equal(refusal.status, 503, text);
    t.match(xmlText(text, 'Code'), /\S/, text);
    t.match(xmlText(text, 'Message'), /space|pinned|full/i, text);
    t.match(refusal.headers['retry-after'], /^[1-9]\d*$/, 'Retry-After in seconds');
  }
  await client.expect('DELETE', `/full/parts?uploadId=${uploadId}`);

  const status = await server.status();
  t.equal(status.pinnedBytes, stored * MIB, 'what was refused left nothing behind');
  t.equal((await client.request('GET', `/full/${stored}`)).status, 404);
  t.equal((await client.request('GET', '/full/large')).status, 404);
  for (let i = 0; i < stored; i++) {
    const { body } = await client.expect('GET', `/full/${i}`);
    t.ok(body.equals(makeBody(i, MIB)), `object ${i} is untouched`);
  }

  await client.expect('DELETE', '/full/0');
  await client.expect('PUT', '/full/again', makeBody(2000, MIB));
  await server.process.kill();
  await server.restart();
  t.equal((await server.status()).pinnedBytes, stored * MIB, 'the figure is the same after a restart');
});
