/** Multipart uploads against a real S3 server: they outlive the client, are listed, completed and aborted. */
import t from 'tap';
import { S3ObjectStore } from '../../../../src/adapters/ufs/s3/s3-object-store.js';
import { createMd5, hexOf, md5 } from '../../../../src/core/hashing.js';
import { MIB } from '../../../../src/core/units.js';
import { failsWith } from '../../../contracts/object-store-subject.js';
import { startS3Server } from '../../../support/s3-servers.js';
import { makeBody } from '../../../support/object-model.js';

const BUCKET = 'multipart';
const BODIES = [makeBody(1, 5 * MIB), makeBody(2, 6 * MIB), makeBody(3, 1000)];

function etagOf(bodies: readonly Uint8Array[]): string {
  const hash = createMd5();
  for (const body of bodies) hash.update(md5([body]));
  return `${hexOf(hash.digest())}-${bodies.length}`;
}

async function* pieces(body: Uint8Array): AsyncGenerator<Uint8Array> {
  for (let at = 0; at < body.length; at += MIB) yield body.subarray(at, at + MIB);
}

void t.test('s3 multipart', async (t) => {
  const server = await startS3Server();
  if ('skip' in server) {
    t.comment(server.skip);
    return;
  }
  t.teardown(() => server.close());
  const open = (options: { bucket?: string; prefix?: string } = {}): S3ObjectStore => {
    const store = new S3ObjectStore({ ...server, ...options });
    t.teardown(() => store.close());
    return store;
  };
  const store = open();
  await store.createBucket(BUCKET);
  const size = BODIES.reduce((sum, body) => sum + body.length, 0);
  const about = (key: string) => ({
    bucket: BUCKET,
    key,
    size,
    headers: { system: { 'content-type': 'text/x' }, user: { a: 'größe' } },
    etag: etagOf(BODIES),
    lastModifiedMs: 1_700_000_000_123,
  });
  const put = (of: S3ObjectStore, key: string, uploadId: string, at: number) => {
    const body = BODIES[at] ?? Buffer.alloc(0);
    const request = { bucket: BUCKET, key, uploadId, number: at + 1, size: body.length };
    return of.multipart.putPart({ ...request, open: () => pieces(body) });
  };

  await t.test(
    'an upload goes on with another client, and becomes the object when it is completed',
    async (t) => {
      const uploadId = await store.multipart.begin(about('k'));
      await put(store, 'k', uploadId, 0);
      const later = open();
      t.match(await later.multipart.listUploads(BUCKET, 'k'), [{ uploadId }]);
      t.same(await later.multipart.listUploads(BUCKET, ''), [], 'no other key');
      const name = { bucket: BUCKET, key: 'k', uploadId };
      t.match(await later.multipart.listParts(name), [
        { number: 1, size: 5 * MIB, etag: hexOf(md5([BODIES[0] ?? Buffer.alloc(0)])) },
      ]);
      await Promise.all([put(later, 'k', uploadId, 1), put(later, 'k', uploadId, 2)]);
      t.equal(await later.head(BUCKET, 'k'), undefined, 'nothing is visible yet');
      const parts = await later.multipart.listParts(name);
      const stored = await later.multipart.complete({ ...about('k'), uploadId, parts });
      t.match(stored, { etag: etagOf(BODIES), storeEtag: etagOf(BODIES), size });
      const read = await store.get(BUCKET, 'k');
      t.match(read?.object, { size, etag: etagOf(BODIES), headers: about('k').headers });
      const chunks: Uint8Array[] = [];
      for await (const chunk of read?.body ?? []) chunks.push(chunk);
      t.ok(Buffer.concat(chunks).equals(Buffer.concat(BODIES)));
      t.same(await store.multipart.listUploads(BUCKET, 'k'), []);
      await failsWith(t, ['NO_SUCH_UPLOAD'], () => store.multipart.listParts(name));
    },
  );

  await t.test('parts that are other bytes than the ETag says are not completed', async (t) => {
    const uploadId = await store.multipart.begin(about('damaged'));
    await put(store, 'damaged', uploadId, 0);
    const name = { bucket: BUCKET, key: 'damaged', uploadId };
    const parts = await store.multipart.listParts(name);
    await t.rejects(store.multipart.complete({ ...about('damaged'), uploadId, parts }), {
      code: 'UFS_UNAVAILABLE',
      details: { expected: etagOf(BODIES) },
    });
    await store.multipart.abort(name);
    t.same(await store.multipart.listUploads(BUCKET, 'damaged'), []);
    await store.multipart.abort(name);
    t.equal(await store.head(BUCKET, 'damaged'), undefined);
  });

  await t.test('through a mapping names are those below the prefix', async (t) => {
    const mapped = open({ bucket: BUCKET, prefix: 'below/' });
    const uploadId = await mapped.multipart.begin(about('k'));
    t.match(await mapped.multipart.listUploads(BUCKET, 'k'), [{ uploadId }]);
    t.match(await store.multipart.listUploads(BUCKET, 'below/k'), [{ uploadId }]);
    await mapped.multipart.abort({ bucket: BUCKET, key: 'k', uploadId });
    t.same(await store.multipart.listUploads(BUCKET, 'below/k'), []);
  });

  await t.test('a bucket that is not there', async (t) => {
    await failsWith(t, ['NO_SUCH_BUCKET'], () => store.multipart.begin({ ...about('k'), bucket: 'none' }));
  });
});
