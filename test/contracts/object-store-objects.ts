/** Claims about buckets, objects, ranges and aborted calls. */
import { createHash } from 'node:crypto';
import { HeadraceError } from '../../src/core/errors.js';
import type { StorePutRequest } from '../../src/core/object-store.js';
import { MIB } from '../../src/core/units.js';
import {
  bytesOf,
  type Claim,
  contentOf,
  failsWith,
  listAll,
  md5Hex,
  putRequest,
  streamed,
  streamOf,
} from './object-store-subject.js';

export function bucketClaims(claim: Claim): void {
  claim('answers, and knows the buckets it has', async (t, store, bucket) => {
    await store.check();
    t.equal(await store.bucketExists(bucket), true);
    t.equal(await store.bucketExists(`${bucket}-other`), false);
    await store.createBucket(`${bucket}-b`);
    await store.createBucket(`${bucket}-a`);
    const names = (await store.listBuckets())
      .map((found) => found.name)
      .filter((name) => name.startsWith(bucket));
    t.same(names, [bucket, `${bucket}-a`, `${bucket}-b`]);
  });

  claim(
    'creating a bucket that is there, and deleting one that is not, changes nothing',
    async (t, store, bucket) => {
      await store.put(putRequest(bucket, 'a', 'here'));
      await store.createBucket(bucket);
      t.equal(await contentOf(store, bucket, 'a'), 'here');
      await store.deleteBucket(`${bucket}-absent`);
    },
  );

  claim('a bucket is deleted only when it is empty', async (t, store, bucket) => {
    await store.put(putRequest(bucket, 'deep/er/key', 'x'));
    await failsWith(t, ['BUCKET_NOT_EMPTY'], () => store.deleteBucket(bucket));
    t.equal(await contentOf(store, bucket, 'deep/er/key'), 'x');
    await store.delete(bucket, 'deep/er/key');
    await store.deleteBucket(bucket);
    t.equal(await store.bucketExists(bucket), false);
    await store.createBucket(bucket);
    t.same(await listAll(store, bucket), []);
  });

  claim(
    'in a bucket that is not there nothing is found, and nothing can be put',
    async (t, store, bucket) => {
      const absent = `${bucket}-absent`;
      t.equal(await store.head(absent, 'a'), undefined);
      t.equal(await store.get(absent, 'a'), undefined);
      await store.delete(absent, 'a');
      for (const key of ['a', 'a/b', 'odd//key']) {
        await failsWith(t, ['NO_SUCH_BUCKET'], () => store.put(putRequest(absent, key, 'x')));
      }
      await failsWith(t, ['NO_SUCH_BUCKET'], () => listAll(store, absent));
      t.equal(await store.bucketExists(absent), false);
    },
  );
}

export function objectClaims(claim: Claim): void {
  claim('what was put is read back, whole, until it is deleted', async (t, store, bucket) => {
    t.equal(await store.head(bucket, 'a/b'), undefined);
    t.equal(await store.get(bucket, 'a/b'), undefined);
    const put = await store.put(putRequest(bucket, 'a/b', 'first'));
    t.equal(put.size, 5);
    t.equal(await contentOf(store, bucket, 'a/b'), 'first');
    t.equal((await store.head(bucket, 'a/b'))?.storeEtag, put.storeEtag);
    await store.delete(bucket, 'a/b');
    t.equal(await store.head(bucket, 'a/b'), undefined);
    t.equal(await store.get(bucket, 'a/b'), undefined);
    t.same(await listAll(store, bucket), []);
  });

  claim('a put replaces the object with all that belongs to it', async (t, store, bucket) => {
    const first = putRequest(bucket, 'a', 'first');
    const headers = { system: { 'content-type': 'text/css' }, user: { old: 'yes' } };
    const before = await store.put({ ...first, headers });
    const after = await store.put(putRequest(bucket, 'a', 'other'));
    t.not(after.storeEtag, before.storeEtag);
    const head = await store.head(bucket, 'a');
    t.equal(head?.etag, md5Hex(Buffer.from('other')));
    t.same(head?.headers.user, {});
    t.equal(head?.headers.system['content-type'], 'text/plain');
    t.equal(await contentOf(store, bucket, 'a'), 'other');
  });

  claim('deleting an object that is not there changes nothing', async (t, store, bucket) => {
    await store.put(putRequest(bucket, 'a/b', 'x'));
    await store.delete(bucket, 'a');
    await store.delete(bucket, 'a/b/c');
    await store.delete(bucket, 'absent');
    t.equal(await contentOf(store, bucket, 'a/b'), 'x');
  });

  claim('an empty object is an object', async (t, store, bucket) => {
    await store.put(putRequest(bucket, 'empty', ''));
    await store.put(streamed(putRequest(bucket, 'empty-stream', ''), 10));
    t.equal((await store.head(bucket, 'empty'))?.size, 0);
    t.equal(await contentOf(store, bucket, 'empty'), '');
    t.equal(await contentOf(store, bucket, 'empty-stream'), '');
  });

  claim('a reader sees the old or the new object, never a mixture', async (t, store, bucket) => {
    const versions = ['a', 'b', 'c'].map((letter) => letter.repeat(200_000));
    await store.put(putRequest(bucket, 'k', versions[0] ?? ''));
    let writing = true;
    const writer = (async () => {
      for (let round = 0; round < 12; round++) {
        await store.put(streamed(putRequest(bucket, 'k', versions[round % 3] ?? ''), 64_000));
      }
      writing = false;
    })();
    while (writing) {
      const result = await store.get(bucket, 'k');
      if (result === undefined) throw new Error('the object was away');
      const bytes = await bytesOf(result.body);
      const known = versions.includes(bytes.toString());
      t.ok(known && result.object.etag === md5Hex(bytes), 'bytes and ETag belong together');
    }
    await writer;
  });

  claim('a body that fails, or is not as long as announced, stores nothing', async (t, store, bucket) => {
    const failing: StorePutRequest = {
      ...streamed(putRequest(bucket, 'k', 'x'.repeat(300_000)), 100_000),
      open: async function* () {
        yield Buffer.alloc(100_000, 'x');
        throw new HeadraceError('CORRUPT_EXTENT', 'a chunk is damaged');
      },
    };
    await failsWith(t, ['CORRUPT_EXTENT'], () => store.put(failing));
    t.equal(await store.head(bucket, 'k'), undefined);
    t.same(await listAll(store, bucket), []);
  });

  claim('a body of 20 MiB passes in chunks of a buffer that is used again', async (t, store, bucket) => {
    const bytes = Buffer.alloc(20 * MIB + 123);
    for (let at = 0; at < bytes.length; at += 4)
      bytes.writeUInt32LE(at >>> 0, Math.min(at, bytes.length - 4));
    await store.put(streamed(putRequest(bucket, 'big', bytes), 1_000_000));
    const result = await store.get(bucket, 'big');
    const hash = createHash('md5');
    let chunkBytesMax = 0;
    for await (const chunk of result?.body ?? []) {
      hash.update(chunk);
      chunkBytesMax = Math.max(chunkBytesMax, chunk.length);
    }
    t.equal(hash.digest('hex'), md5Hex(bytes));
    t.ok(chunkBytesMax < 4 * MIB, 'it was not gathered in memory');
  });
}

export function rangeClaims(claim: Claim): void {
  claim('a range reads just its bytes and tells the whole size', async (t, store, bucket) => {
    const text = '0123456789';
    await store.put(putRequest(bucket, 'k', text));
    for (const [first, last] of [
      [0, 9],
      [0, 0],
      [9, 9],
      [3, 6],
    ] as const) {
      const result = await store.get(bucket, 'k', { first, last });
      t.equal((await bytesOf(result?.body ?? streamOf())).toString(), text.slice(first, last + 1));
      t.equal(result?.object.size, 10);
      t.equal(result?.object.etag, md5Hex(Buffer.from(text)));
    }
    await failsWith(t, ['UFS_REJECTED'], () => store.get(bucket, 'k', { first: 10, last: 12 }));
  });

  claim('a body that is left early does no harm', async (t, store, bucket) => {
    await store.put(putRequest(bucket, 'k', Buffer.alloc(3 * MIB, 7)));
    for (let round = 0; round < 5; round++) {
      const result = await store.get(bucket, 'k');
      for await (const chunk of result?.body ?? []) {
        t.equal(chunk[0], 7);
        break;
      }
      await (await store.get(bucket, 'k'))?.body[Symbol.asyncIterator]().return?.();
    }
    t.equal((await store.head(bucket, 'k'))?.size, 3 * MIB);
  });
}
