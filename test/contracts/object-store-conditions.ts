/** Contract of `ObjectStore`: writes with a condition, of stores that keep them. */
import { isErrorCode } from '../../src/core/errors.js';
import type { StoreCondition } from '../../src/core/object-store.js';

import type { Claim } from './object-store-subject.js';

export function conditionClaims(claim: Claim): void {
  claim('a write whose condition does not hold changes nothing', async (t, store, bucket) => {
    if (store.conditions === undefined) {
      t.pass('it has no conditions, and says so');
      return;
    }
    const put = async (text: string, condition?: StoreCondition): Promise<string> => {
      const bytes = Buffer.from(text);
      const stored = await store.put({
        bucket,
        key: 'a/key',
        size: bytes.length,
        open: async function* () {
          yield bytes;
        },
        bytes,
        headers: { system: {}, user: {} },
        lastModifiedMs: Date.UTC(2024, 0, 1),
        ...(condition === undefined ? {} : { condition }),
      });
      return stored.storeEtag;
    };
    const isConflict = async (call: Promise<unknown>, message: string): Promise<void> => {
      const error: unknown = await call.then(
        () => undefined,
        (reason: unknown) => reason,
      );
      t.ok(isErrorCode(error, 'UFS_CONFLICT'), `${message}: ${String(error)}`);
    };
    const text = async (): Promise<string | undefined> => {
      const found = await store.get(bucket, 'a/key');
      if (found === undefined) return undefined;
      const chunks: Uint8Array[] = [];
      for await (const chunk of found.body) chunks.push(chunk);
      return Buffer.concat(chunks).toString();
    };

    await isConflict(put('lost', { ifMatch: 'nothing' }), 'there is nothing to match');
    t.equal(await text(), undefined);
    const first = await put('first', { ifMatch: undefined });
    await isConflict(put('lost', { ifMatch: undefined }), 'there is one already');
    t.equal(await text(), 'first', 'a refused write changes nothing');
    const second = await put('second', { ifMatch: first });
    await isConflict(put('lost', { ifMatch: first }), 'it has changed');
    t.equal(
      (await store.head(bucket, 'a/key'))?.storeEtag,
      second,
      'the answer of a put is what a head says',
    );

    await isConflict(store.delete(bucket, 'a/key', undefined, { ifMatch: first }), 'not the one to delete');
    t.equal(await text(), 'second');
    await store.delete(bucket, 'a/key', undefined, { ifMatch: second });
    t.equal(await text(), undefined);
    await store.delete(bucket, 'a/key', undefined, { ifMatch: second });
  });
}
