/** Claims about what is kept beside the bytes: headers, metadata, tags, ETags and times. */
import { createHash } from 'node:crypto';
import type { StoredObject } from '../../src/core/object-store.js';
import { MIB } from '../../src/core/units.js';
import {
  bytesOf,
  type Claim,
  listAll,
  md5Hex,
  MODIFIED_MS,
  type ObjectStoreTraits,
  putRequest,
  streamed,
  streamOf,
} from './object-store-subject.js';

export function headerClaims(claim: Claim): void {
  claim('headers, user metadata and tags come back', async (t, store, bucket) => {
    const headers = {
      system: {
        'content-type': 'application/x-parquet; charset=utf-8',
        'content-encoding': 'gzip',
        'content-language': 'de, en',
        'content-disposition': 'attachment; filename="grün 日本.txt"',
        'cache-control': 'max-age=3600',
        expires: 'Wed, 21 Oct 2026 07:28:00 GMT',
      },
      user: {
        plain: 'value with spaces',
        unicode: 'Größe 日本 \u{1f600}',
        'looks-encoded': '=?UTF-8?B?YWJj?=',
        'x.dotted-name-2': 'a=b;c="d", \\e',
        padded: '  spaces around  ',
      },
      tags: { team: 'data + ml', 'a:b': 'x=y/z@_.-' },
    };
    const request = { ...putRequest(bucket, 'k', 'body'), headers };
    await store.put(request);
    const check = (object: StoredObject | undefined): void => {
      t.match(object?.headers.system, headers.system);
      t.same(object?.headers.user, headers.user);
      t.same(object?.headers.tags, headers.tags);
      t.equal(object?.lastModifiedMs, MODIFIED_MS);
    };
    check(await store.head(bucket, 'k'));
    const result = await store.get(bucket, 'k');
    check(result?.object);
    t.equal((await bytesOf(result?.body ?? streamOf())).toString(), 'body');
    await store.put({ ...streamed(request, 2), key: 'streamed' });
    check(await store.head(bucket, 'streamed'));
  });

  claim('user metadata of 2 KiB, all that S3 takes, is kept', async (t, store, bucket) => {
    const user = { m: 'v'.repeat(2047) };
    await store.put({ ...putRequest(bucket, 'k', 'x'), headers: { system: {}, user } });
    const head = await store.head(bucket, 'k');
    t.same(head?.headers.user, user);
    t.equal(head?.etag, md5Hex(Buffer.from('x')));
  });
}

export function etagClaims(claim: Claim, traits: ObjectStoreTraits): void {
  claim('the ETag and the time are kept beside the object', async (t, store, bucket) => {
    const put = await store.put(putRequest(bucket, 'k', 'x'));
    t.equal(put.etag, md5Hex(Buffer.from('x')));
    for (const object of [await store.head(bucket, 'k'), (await store.get(bucket, 'k'))?.object]) {
      t.equal(object?.etag, put.etag);
      t.equal(object?.lastModifiedMs, MODIFIED_MS);
      t.equal(object?.size, 1);
    }
    const [listed] = await listAll(store, bucket);
    t.match(listed, { kind: 'object', key: 'k', size: 1, etag: put.etag });
    if (traits.listsOurTimes) t.match(listed, { lastModifiedMs: MODIFIED_MS });
  });

  claim('without an ETag of ours the store tells the MD5 of the body', async (t, store, bucket) => {
    const { etag, ...request } = streamed(putRequest(bucket, 'k', 'seen only by the store'), 7);
    t.equal((await store.put(request)).etag, etag);
    t.equal((await store.head(bucket, 'k'))?.etag, etag);
  });

  claim('an object in parts keeps the ETag of its parts', async (t, store, bucket) => {
    const sizes = [5 * MIB, 6 * MIB + 1, 5 * MIB, 77];
    const bytes = Buffer.alloc(sizes.reduce((sum, size) => sum + size, 0));
    for (let at = 0; at < bytes.length; at += 1000) bytes[at] = at / 1000;
    const hash = createHash('md5');
    let position = 0;
    for (const size of sizes) {
      hash.update(
        createHash('md5')
          .update(bytes.subarray(position, position + size))
          .digest(),
      );
      position += size;
    }
    const etag = `${hash.digest('hex')}-${sizes.length}`;
    const headers = { system: { 'content-type': 'image/png' }, user: { part: 'no' } };
    const request = {
      ...streamed(putRequest(bucket, 'parts', bytes), 999_983),
      etag,
      headers,
      partSizes: sizes,
    };
    t.equal((await store.put(request)).etag, etag);
    const result = await store.get(bucket, 'parts');
    t.equal(result?.object.etag, etag);
    t.equal(result?.object.lastModifiedMs, MODIFIED_MS);
    t.match(result?.object.headers, headers);
    t.equal(md5Hex(await bytesOf(result?.body ?? streamOf())), md5Hex(bytes));
    t.match(await listAll(store, bucket), [{ key: 'parts', size: bytes.length, etag }]);
  });

  claim('an object that came in one part keeps the ETag of that', async (t, store, bucket) => {
    const bytes = Buffer.from('one part');
    const etag = `${createHash('md5').update(createHash('md5').update(bytes).digest()).digest('hex')}-1`;
    await store.put({ ...putRequest(bucket, 'k', bytes), etag, partSizes: [bytes.length] });
    t.equal((await store.head(bucket, 'k'))?.etag, etag);
  });
}
