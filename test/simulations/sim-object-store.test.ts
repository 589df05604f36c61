import t from 'tap';
import { Scheduler } from '../../simulations/scheduler.js';
import { SimObjectStore, type SimObjectStoreOptions } from '../../simulations/sim-object-store.js';
import { SimRandom } from '../../simulations/sim-random.js';
import { AssertionError } from '../../src/core/assert.js';
import { isErrorCode } from '../../src/core/errors.js';
import { contentOf, failsWith, md5Hex, putRequest } from '../contracts/object-store-subject.js';

async function makeWorld(options: SimObjectStoreOptions = {}, seed = 1) {
  const scheduler = new Scheduler();
  const store = new SimObjectStore(scheduler, new SimRandom(seed), options);
  const run = <Value>(work: () => Promise<Value>): Promise<Value> => scheduler.complete(work());
  await run(() => store.createBucket('bucket'));
  return { scheduler, store, run };
}

const put = (key: string, body: string) => putRequest('bucket', key, body);

void t.test(
  'simulated store: each fault strikes the calls it is armed for, with its effect and its error',
  async (t) => {
    const { store, run } = await makeWorld();
    const strike = async (fault: Parameters<SimObjectStore['arm']>[0], body: string): Promise<void> => {
      store.arm(fault, { operation: 'put', keyPrefix: 'k' });
      await run(() => store.put(put('other', 'x')));
      const code = {
        unavailable: 'UFS_UNAVAILABLE',
        throttled: 'UFS_THROTTLED',
        denied: 'UFS_DENIED',
        reset: 'UFS_UNKNOWN_OUTCOME',
        lostAnswer: 'UFS_UNKNOWN_OUTCOME',
      } as const;
      if (!Object.hasOwn(code, fault)) throw new Error(`${fault} is not meant`);
      await failsWith(t, [code[fault as keyof typeof code]], () => run(() => store.put(put('k', body))));
    };
    await run(() => store.put(put('k', 'old')));
    for (const fault of ['unavailable', 'throttled', 'denied', 'reset'] as const) {
      await strike(fault, 'new');
      t.equal(store.contents('bucket').get('k')?.etag, md5Hex(Buffer.from('old')), `${fault} has no effect`);
    }
    await strike('lostAnswer', 'new');
    t.equal(store.contents('bucket').get('k')?.etag, md5Hex(Buffer.from('new')));
    await run(() => store.put(put('k', 'at last')));
  },
);

void t.test(
  'simulated store: a late effect comes behind the newer version, and the history shows it',
  async (t) => {
    const { scheduler, store, run } = await makeWorld({ lateEffectMs: { min: 10_000, max: 10_000 } });
    store.arm('lateEffect', { operation: 'put' });
    await failsWith(t, ['UFS_UNKNOWN_OUTCOME'], () => run(() => store.put(put('k', 'older'))));
    await run(() => store.put(put('k', 'newer')));
    t.equal(await run(() => contentOf(store, 'bucket', 'k')), 'newer');
    await scheduler.runUntilIdle();
    t.same(
      store.history.map(({ etag }) => etag),
      [md5Hex(Buffer.from('newer')), md5Hex(Buffer.from('older'))],
    );
  },
);

void t.test('simulated store: a hung call ends with its signal', async (t) => {
  const { scheduler, store } = await makeWorld();
  store.arm('hang', { operation: 'delete' });
  const controller = new AbortController();
  const deleting = store.delete('bucket', 'k', controller.signal);
  let settled = false;
  deleting.catch(() => (settled = true));
  await scheduler.runUntilIdle();
  t.equal(settled, false);
  controller.abort(new Error('deadline'));
  await failsWith(t, ['UFS_UNKNOWN_OUTCOME'], () => deleting);
});

void t.test('simulated store: a body can break off', async (t) => {
  const { store, run } = await makeWorld();
  await run(() => store.put(put('k', 'x'.repeat(200_000))));
  store.arm('brokenBody');
  await failsWith(t, ['UFS_UNAVAILABLE'], () => run(() => contentOf(store, 'bucket', 'k')));
  t.equal((await run(() => contentOf(store, 'bucket', 'k')))?.length, 200_000);
});

void t.test('simulated store: a put that claims what is not so stops the simulation', async (t) => {
  const { store, run } = await makeWorld();
  const claims = [
    { ...put('k', 'x'), size: 2 },
    { ...put('k', 'x'), bytes: Buffer.from('y') },
    { ...put('k', 'x'), etag: md5Hex(Buffer.from('y')) },
    { ...put('k', 'xy'), partSizes: [1, 1] },
    { ...put('k', 'x'), partSizes: [1], etag: `${'0'.repeat(32)}-1` },
  ];
  for (const request of claims)
    await t.rejects(
      run(() => store.put(request)),
      AssertionError,
    );
});

void t.test(
  'simulated store: what a killed process had sent may arrive, and nothing settles for it',
  async (t) => {
    let arrived = 0;
    for (let seed = 1; seed <= 20; seed++) {
      const { scheduler, store, run } = await makeWorld({}, seed);
      let settled = false;
      const putting = store.put(put('k', 'last words'));
      putting.then(
        () => (settled = true),
        () => (settled = true),
      );
      await scheduler.run(scheduler.nowMs + 0.5);
      const next = store.kill();
      await scheduler.runUntilIdle();
      t.equal(settled, false);
      if (next.contents('bucket').has('k')) arrived += 1;
      scheduler.schedule(0, () => undefined);
      t.equal(await scheduler.complete(next.bucketExists('bucket')), true);
      t.ok(run);
    }
    t.ok(arrived > 0 && arrived < 20, `${arrived} of 20 arrived`);
  },
);

void t.test('simulated store: somebody else can change an object', async (t) => {
  const { store, run } = await makeWorld();
  store.putOutOfBand('foreign-bucket', 'k', Buffer.from('theirs'));
  t.equal(await run(() => contentOf(store, 'foreign-bucket', 'k')), 'theirs');
  store.deleteOutOfBand('foreign-bucket', 'k');
  t.equal(await run(() => store.head('foreign-bucket', 'k')), undefined);
  t.same(
    store.history.map(({ kind, generation }) => [kind, generation]),
    [
      ['put', 0],
      ['delete', 0],
    ],
  );
});

void t.test('simulated store: the same seed gives the same history, another seed another one', async (t) => {
  const historyOf = async (seed: number): Promise<unknown> => {
    const faults = { unavailable: 0.1, lostAnswer: 0.1, lateEffect: 0.1, reset: 0.1 };
    const { scheduler, store } = await makeWorld({}, seed);
    store.setFaults(faults);
    const puts = Array.from({ length: 60 }, (_, index) => store.put(put(`k${index % 5}`, `${index}`)));
    void Promise.allSettled(puts);
    await scheduler.runUntilIdle();
    for (const result of await Promise.allSettled(puts)) {
      if (
        result.status === 'rejected' &&
        !isErrorCode(result.reason, 'UFS_UNAVAILABLE', 'UFS_UNKNOWN_OUTCOME')
      ) {
        throw result.reason;
      }
    }
    return store.history;
  };
  t.same(await historyOf(7), await historyOf(7));
  t.notSame(await historyOf(7), await historyOf(8));
});
