/** Claims about calls whose signal aborts, and calls after the end. */
import type { ErrorCode } from '../../src/core/errors.js';
import type { StorePutRequest } from '../../src/core/object-store.js';
import { MIB } from '../../src/core/units.js';
import { type Claim, contentOf, failsWith, putRequest, streamed } from './object-store-subject.js';

export function abortClaims(claim: Claim): void {
  const codes: readonly ErrorCode[] = ['UFS_UNAVAILABLE', 'UFS_UNKNOWN_OUTCOME'];

  claim('an aborted signal ends each call, before anything is done', async (t, store, bucket) => {
    await store.put(putRequest(bucket, 'k', 'old'));
    const { signal } = abortedController();
    const calls: (() => Promise<unknown>)[] = [
      () => store.check(signal),
      () => store.listBuckets(signal),
      () => store.bucketExists(bucket, signal),
      () => store.createBucket(`${bucket}-never`, signal),
      () => store.put(putRequest(bucket, 'k', 'new'), signal),
      () => store.head(bucket, 'k', signal),
      () => store.get(bucket, 'k', undefined, signal),
      () => store.delete(bucket, 'k', signal),
      () => store.list({ bucket, prefix: '', startAfter: '', delimiter: '', limit: 1 }, signal),
    ];
    for (const call of calls) await failsWith(t, ['UFS_UNAVAILABLE'], call);
    t.equal(await contentOf(store, bucket, 'k'), 'old');
    t.equal(await store.bucketExists(`${bucket}-never`), false);
  });

  claim('a put whose body never ends is aborted and leaves nothing', async (t, store, bucket) => {
    const controller = new AbortController();
    const request: StorePutRequest = {
      ...streamed(putRequest(bucket, 'k', 'x'.repeat(1_000_000)), 100_000),
      open: async function* () {
        for (let chunk = 0; chunk < 5; chunk++) yield Buffer.alloc(100_000, 'x');
        controller.abort(new Error('enough'));
        yield Buffer.alloc(100_000, 'x');
      },
    };
    await failsWith(t, codes, () => store.put(request, controller.signal));
    t.equal(await store.head(bucket, 'k'), undefined);
    await store.put(putRequest(bucket, 'k', 'afterwards'));
    t.equal(await contentOf(store, bucket, 'k'), 'afterwards');
  });

  claim('a body can be aborted while it is read', async (t, store, bucket) => {
    await store.put(putRequest(bucket, 'k', Buffer.alloc(8 * MIB, 1)));
    const controller = new AbortController();
    const result = await store.get(bucket, 'k', undefined, controller.signal);
    await failsWith(t, ['UFS_UNAVAILABLE'], async () => {
      for await (const chunk of result?.body ?? []) {
        t.ok(chunk.length > 0);
        controller.abort(new Error('enough'));
      }
    });
  });

  claim('after close every call is refused', async (t, store, bucket) => {
    await store.close();
    await failsWith(t, ['CLOSED'], () => store.head(bucket, 'k'));
    await failsWith(t, ['CLOSED'], () => store.put(putRequest(bucket, 'k', 'x')));
  });
}

function abortedController(): AbortController {
  const controller = new AbortController();
  controller.abort(new Error('too late'));
  return controller;
}
