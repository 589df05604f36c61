/**
 * What every `ObjectStore` that is reached over a network does when the network, or the store, fails. Each claim fails each
 * request of an operation in turn, until the operation needs no more.
 */
import t, { type Test } from 'tap';
import { HeadraceError, type ErrorCode } from '../../src/core/errors.js';
import type { ObjectStore } from '../../src/core/object-store.js';
import type { Fault, FaultProxy } from '../support/fault-proxy.js';
import {
  bytesOf,
  contentOf,
  failsWith,
  listAll,
  md5Hex,
  nameOf,
  putRequest,
  streamed,
  streamOf,
} from './object-store-subject.js';

export interface FaultySubject {
  /** Reaches the service by way of the proxy. */
  readonly store: ObjectStore;
  readonly proxy: FaultProxy;
}

/** More requests than any operation makes. */
const REQUESTS_MAX = 40;
const PASSING: readonly ErrorCode[] = ['UFS_UNAVAILABLE', 'UFS_THROTTLED', 'UFS_UNKNOWN_OUTCOME'];

let subjects = 0;

export function objectStoreFaultContract(name: string, make: (t: Test) => Promise<FaultySubject>): void {
  const claim = (
    what: string,
    work: (t: Test, subject: FaultySubject, bucket: string) => Promise<void>,
  ): void => {
    void t.test(`${name}: ${what}`, async (t) => {
      const subject = await make(t);
      const bucket = `faulty-${process.pid}-${++subjects}`;
      await subject.store.createBucket(bucket);
      // The first request of a bucket may be another than those behind it.
      await subject.store.put(putRequest(bucket, 'first', 'x'));
      await subject.store.delete(bucket, 'first');
      await work(t, subject, bucket);
    });
  };
  bodyClaims(claim);
  putClaims(claim);
  hangClaims(claim);
}

type FaultClaim = (
  what: string,
  work: (t: Test, subject: FaultySubject, bucket: string) => Promise<void>,
) => void;

function bodyClaims(claim: FaultClaim): void {
  claim('a body that is cut is an error, never a short object', async (t, { store, proxy }, bucket) => {
    const bytes = Buffer.alloc(300_000, 7);
    await store.put(putRequest(bucket, 'k', bytes));
    for (const bodyBytes of [0, 1, 100_000, 299_999]) {
      await eachRequest(proxy, { kind: 'cutAnswer', bodyBytes }, async () => {
        try {
          const result = await store.get(bucket, 'k');
          t.equal(md5Hex(await bytesOf(result?.body ?? streamOf())), md5Hex(bytes));
        } catch (error) {
          isOneOf(t, error, ['UFS_UNAVAILABLE']);
        }
      });
    }
    const ranged = await store.get(bucket, 'k', { first: 10, last: 19 });
    t.equal((await bytesOf(ranged?.body ?? streamOf())).length, 10, 'and then all is well');
  });

  claim(
    'a listing whose answer is cut is an error, never a short list',
    async (t, { store, proxy }, bucket) => {
      const keys = Array.from({ length: 12 }, (_, index) => `k-${index + 10}`);
      for (const key of keys) await store.put(putRequest(bucket, key, key));
      for (const bodyBytes of [0, 300]) {
        await eachRequest(proxy, { kind: 'cutAnswer', bodyBytes }, async () => {
          try {
            t.same((await listAll(store, bucket)).map(nameOf), keys);
          } catch (error) {
            isOneOf(t, error, ['UFS_UNAVAILABLE']);
          }
        });
      }
    },
  );
}

function putClaims(claim: FaultClaim): void {
  const faults: readonly (readonly [string, Fault])[] = [
    ['whose answer is lost', { kind: 'loseAnswer' }],
    ['whose connection is cut in its body', { kind: 'cutRequest', bodyBytes: 1000 }],
    ['that meets a 503', { kind: 'status', status: 503 }],
  ];
  for (const [what, fault] of faults) {
    claim(
      `a put ${what} is whole or was not made, and may be repeated`,
      async (t, { store, proxy }, bucket) => {
        for (const pieces of [false, true]) {
          const versionOf = (letter: string) => {
            const request = putRequest(bucket, 'a/k', letter.repeat(200_000));
            return pieces ? streamed(request, 64_000) : request;
          };
          await eachRequest(proxy, fault, async () => {
            proxy.disarm();
            await store.put(versionOf('o'));
            proxy.arm();
            let made = true;
            try {
              await store.put(versionOf('n'));
            } catch (error) {
              isOneOf(t, error, PASSING);
              made = false;
            }
            proxy.disarm();
            const found = (await contentOf(store, bucket, 'a/k'))?.[0];
            t.ok(made ? found === 'n' : found === 'o' || found === 'n', 'the old or the new, whole');
            await store.put(versionOf('n'));
            t.equal(await contentOf(store, bucket, 'a/k'), 'n'.repeat(200_000));
            t.same((await listAll(store, bucket)).map(nameOf), ['a/k'], 'and nothing else');
          });
        }
      },
    );
  }

  claim('a delete whose answer is lost may be repeated', async (t, { store, proxy }, bucket) => {
    await eachRequest(proxy, { kind: 'loseAnswer' }, async () => {
      proxy.disarm();
      await store.put(putRequest(bucket, 'a/k', 'x'));
      proxy.arm();
      await store.delete(bucket, 'a/k').catch((error: unknown) => isOneOf(t, error, PASSING));
      proxy.disarm();
      await store.delete(bucket, 'a/k');
      t.equal(await store.head(bucket, 'a/k'), undefined);
    });
  });

  claim('a burst of 503 ends, and nothing was changed by it', async (t, { store, proxy }, bucket) => {
    await store.put(putRequest(bucket, 'k', 'old'));
    for (let round = 0; round < 5; round++) {
      proxy.inject({ kind: 'status', status: 503 });
      await failsWith(t, ['UFS_UNAVAILABLE', 'UFS_THROTTLED'], () =>
        store.put(putRequest(bucket, 'k', 'new')),
      );
      proxy.clear();
      // Not to be met by a clean-up behind the put.
      proxy.inject({ kind: 'status', status: 503, matches: (method) => method !== 'DELETE' });
      await failsWith(t, ['UFS_UNAVAILABLE', 'UFS_THROTTLED'], () => store.head(bucket, 'k'));
      proxy.clear();
    }
    t.equal(await contentOf(store, bucket, 'k'), 'old');
    await store.put(putRequest(bucket, 'k', 'new'));
    t.equal(await contentOf(store, bucket, 'k'), 'new');
  });
}

function hangClaims(claim: FaultClaim): void {
  for (const kind of ['hang', 'hangAfterEffect'] as const) {
    claim(
      `each call ends with its signal (${kind}), and may be repeated`,
      async (t, { store, proxy }, bucket) => {
        const calls: readonly (readonly [string, (signal: AbortSignal) => Promise<unknown>])[] = [
          ['put', (signal) => store.put(putRequest(bucket, 'k', 'x'), signal)],
          [
            'put in pieces',
            (signal) => store.put(streamed(putRequest(bucket, 'k', 'x'.repeat(9)), 2), signal),
          ],
          ['head', (signal) => store.head(bucket, 'k', signal)],
          [
            'get',
            (signal) =>
              store.get(bucket, 'k', undefined, signal).then((found) => bytesOf(found?.body ?? streamOf())),
          ],
          ['list', (signal) => listOnce(store, bucket, signal)],
          ['delete', (signal) => store.delete(bucket, 'k', signal)],
          ['check', (signal) => store.check(signal)],
        ];
        for (const [what, call] of calls) {
          await eachRequest(proxy, { kind }, async () => {
            proxy.disarm();
            await store.put(putRequest(bucket, 'k', 'before'));
            const controller = new AbortController();
            proxy.onHang = () => controller.abort(new Error('the deadline passed'));
            proxy.arm();
            await call(controller.signal).catch((error: unknown) => {
              isOneOf(t, error, ['UFS_UNAVAILABLE', 'UFS_UNKNOWN_OUTCOME'], what);
              t.ok(controller.signal.aborted, `${what} ended because of the hang`);
            });
            proxy.disarm();
            proxy.onHang = () => {};
          });
        }
        await store.put(putRequest(bucket, 'k', 'after'));
        t.equal(await contentOf(store, bucket, 'k'), 'after');
      },
    );
  }

  claim('a call that is only slow succeeds', async (t, { store, proxy }, bucket) => {
    let pass: () => void = () => {};
    const until = new Promise<void>((resolve) => (pass = resolve));
    proxy.inject({ kind: 'delay', until });
    const put = store.put(putRequest(bucket, 'k', 'x'));
    pass();
    t.equal((await put).size, 1);
    t.equal(await contentOf(store, bucket, 'k'), 'x');
  });
}

/**
 * Runs `work` again and again, with `fault` at its first, second, third … request, until a run needs fewer. When `work` arms the
 * proxy itself, requests are counted from there.
 */
async function eachRequest(proxy: FaultProxy, fault: Fault, work: () => Promise<void>): Promise<void> {
  for (let skipped = 0; skipped < REQUESTS_MAX; skipped++) {
    proxy.prepare(skipped, fault);
    await work();
    if (!proxy.happened()) return;
  }
  throw new Error(`an operation took more than ${REQUESTS_MAX} requests`);
}

async function listOnce(store: ObjectStore, bucket: string, signal: AbortSignal): Promise<unknown> {
  return store.list({ bucket, prefix: '', startAfter: '', delimiter: '', limit: 10 }, signal);
}

function isOneOf(t: Test, error: unknown, codes: readonly ErrorCode[], what = ''): void {
  if (!(error instanceof HeadraceError)) throw error;
  t.ok(codes.includes(error.code), `${what} ${error.code} is one of ${codes.join(', ')}: ${error.message}`);
}
