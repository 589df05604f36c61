/** Barriers: a flush returns when what was dirty at the call is in the UFS, and says what keeps it from that. */
import t from 'tap';
import { KIB, SECOND_MS } from '../../src/core/units.js';
import type { FlushProgress, FlushResult } from '../../src/engine/admin-service.js';
import { FLUSHES_MAX, type FlushRequest } from '../../src/engine/persist-barrier.js';
import { BUCKET, codeOf, EngineWorld } from '../support/engine-world.js';
import { makeBody } from '../support/object-model.js';
import { changeAtRandom } from './random-changes.js';

const body = (seed: number, size = 3 * KIB): Buffer => makeBody(seed, size);

/** A flush that has begun, and whether it has ended. */
function begin(
  world: EngineWorld,
  request: Partial<FlushRequest> = {},
): { ended: () => boolean; result: Promise<FlushResult> } {
  let done = false;
  const result = world.admin.flush({ path: '/', ...request }).finally(() => {
    done = true;
  });
  result.catch(() => undefined);
  return { ended: () => done, result };
}

void t.test('flush: with nothing dirty it returns at once', async (t) => {
  const world = await EngineWorld.open();
  const result = await world.run(world.admin.flush({ path: '/' }));
  t.equal(result.outcome, 'PERSISTED');
  t.equal(result.objects, 0);
});

void t.test('flush: returns only when everything that was dirty at the call is in the UFS', async (t) => {
  const world = await EngineWorld.open({ engine: { persistConcurrency: 2 } });
  world.ufs.setFaults({ unavailable: 1 });
  for (let at = 0; at < 40; at++) await world.put(`key-${at}`, body(at));
  const flush = begin(world);
  await world.sleep(20 * SECOND_MS);
  t.notOk(flush.ended(), 'it waits while the UFS is away');
  world.ufs.setFaults({});
  const result = await world.run(flush.result);
  t.equal(result.outcome, 'PERSISTED');
  t.equal(result.persistedObjects, 40);
  t.equal(result.persistedBytes, 40 * 3 * KIB);
  for (let at = 0; at < 40; at++) t.same(world.inUfs(`key-${at}`), body(at));
});

void t.test('flush: what is written after the call is not waited for', async (t) => {
  const world = await EngineWorld.open();
  await world.put('before', body(1));
  const flush = begin(world);
  world.ufs.arm('throttled', { operation: 'put', keyPrefix: 'after', times: 1000 });
  const put = world.beginPut('after', body(2));
  const result = await world.run(flush.result);
  await world.run(put);
  t.equal(result.outcome, 'PERSISTED');
  t.same(world.inUfs('before'), body(1));
});

void t.test('flush: an overwritten version is done only when the UFS has a newer one', async (t) => {
  const world = await EngineWorld.open();
  world.ufs.setFaults({ unavailable: 1 });
  await world.put('key', body(1));
  const flush = begin(world);
  await world.put('key', body(2, 5 * KIB));
  await world.sleep(SECOND_MS);
  t.notOk(flush.ended(), 'the first version left the queue, but the UFS has neither');
  world.ufs.setFaults({});
  t.equal((await world.run(flush.result)).outcome, 'PERSISTED');
  t.same(world.inUfs('key'), body(2, 5 * KIB));
});

void t.test('flush: a pending delete in scope is waited for', async (t) => {
  const world = await EngineWorld.open();
  await world.put('key', body(1));
  await world.drained();
  world.ufs.setFaults({ unavailable: 1 });
  await world.delete('key');
  const flush = begin(world, { path: `/${BUCKET}/key`, exact: true });
  await world.sleep(5 * SECOND_MS);
  t.notOk(flush.ended());
  world.ufs.setFaults({});
  t.equal((await world.run(flush.result)).outcome, 'PERSISTED');
  t.equal(world.inUfs('key'), undefined);
});

void t.test('flush: a prefix and a key wait for their own objects only', async (t) => {
  const world = await EngineWorld.open();
  world.ufs.arm('throttled', { operation: 'put', keyPrefix: 'b/1', times: 1_000_000 });
  world.ufs.arm('throttled', { operation: 'put', keyPrefix: 'a/11', times: 1_000_000 });
  for (const key of ['b/1', 'a/11', 'a/1', 'c/1']) await world.put(key, body(1));
  const key = await world.run(world.admin.flush({ path: `/${BUCKET}/a/1`, exact: true }));
  t.equal(key.outcome, 'PERSISTED', 'the key alone');
  const prefix = await world.run(world.admin.flush({ path: `/${BUCKET}/c/` }));
  t.equal(prefix.outcome, 'PERSISTED');
  const stuck = await world.run(world.admin.flush({ path: `/${BUCKET}/a/`, timeoutMs: 30 * SECOND_MS }));
  t.equal(stuck.outcome, 'TIMEOUT');
  t.equal(stuck.objects, 1);
  t.equal(stuck.oldest?.key, 'a/11', 'it says what it waits for');
  t.match(stuck.oldest?.cause, /^UFS_/, 'and why');
});

void t.test('flush: up to an offset waits for nothing behind it', async (t) => {
  const world = await EngineWorld.open();
  world.ufs.arm('throttled', { operation: 'put', keyPrefix: 'second', times: 1_000_000 });
  const first = await world.put('first', body(1));
  const second = await world.put('second', body(2));
  const flushed = await world.run(world.admin.flush({ path: '/', upToOffset: first.offset ?? '' }));
  t.equal(flushed.outcome, 'PERSISTED');
  const bare = await world.run(
    world.admin.flush({ path: '/', upToOffset: (second.offset ?? '').slice(2), timeoutMs: 5 * SECOND_MS }),
  );
  t.equal(bare.outcome, 'TIMEOUT', 'with one partition the bare offset will do');
  for (const upToOffset of ['1:999999', '7:1', 'later', '-1', '1:'])
    t.equal(await codeOf(world.run(world.admin.flush({ path: '/', upToOffset }))), 'INVALID_ARGUMENT');
});

void t.test('flush: what the UFS refused for good is named, once the rest is persisted', async (t) => {
  const world = await EngineWorld.open();
  // More metadata than an S3 store takes.
  await world.put('bad', body(1), { headers: { system: {}, user: { large: 'x'.repeat(3000) } } });
  await world.put('good', body(1));
  const result = await world.run(world.admin.flush({ path: '/' }));
  t.equal(result.outcome, 'BLOCKED');
  t.same(world.inUfs('good'), body(1));
  t.match(result.blocked, [{ bucket: BUCKET, key: 'bad', cause: 'UFS_REJECTED' }]);
  const again = await world.run(world.admin.flush({ path: `/${BUCKET}/bad` }));
  t.equal(again.outcome, 'BLOCKED', 'also when it was so before the call');
});

void t.test('flush: progress counts down and ends with the flush', async (t) => {
  const world = await EngineWorld.open({
    engine: { persistConcurrency: 1 },
    ufs: { latencyMs: { min: 200, max: 200 } },
  });
  for (let at = 0; at < 30; at++) await world.put(`key-${at}`, body(at));
  const steps: FlushProgress[] = [];
  await world.run(world.admin.flush({ path: '/', onProgress: (progress) => steps.push(progress) }));
  const left = steps.map(({ objects }) => objects);
  t.ok(left.length >= 5, `${left.length} steps`);
  t.same(
    left,
    [...left].toSorted((a, b) => b - a),
  );
  const { length } = steps;
  await world.sleep(10 * SECOND_MS);
  t.equal(steps.length, length, 'nothing more is told afterwards');
});

void t.test(
  'flush: ends when its client goes, when the engine stops, and is limited in number',
  async (t) => {
    const world = await EngineWorld.open();
    world.ufs.setFaults({ unavailable: 1 });
    await world.put('key', body(1));
    const controller = new AbortController();
    const flushes = Array.from({ length: FLUSHES_MAX }, (_, at) =>
      begin(world, at === 0 ? { signal: controller.signal } : {}),
    );
    t.equal(await codeOf(world.run(world.admin.flush({ path: '/' }))), 'SLOW_DOWN');
    controller.abort();
    t.equal(await codeOf(world.run<unknown>(flushes[0]?.result ?? Promise.resolve())), 'CLOSED');
    const next = begin(world);
    await world.sleep(SECOND_MS);
    t.notOk(next.ended(), 'there is room again');
    await world.stop();
    for (const { result } of [...flushes, next]) t.equal(await codeOf(result), 'CLOSED');
  },
);

void t.test('flush: under random writes, deletes and faults it never returns early', async (t) => {
  for (let seed = 1; seed <= 10; seed++) {
    const world = await EngineWorld.open({ seed, ufs: { faults: { unavailable: 0.2, lostAnswer: 0.05 } } });
    const { random } = world;
    for (let round = 0; round < 6; round++) {
      const newest = new Map<string, Buffer | undefined>();
      const running: Promise<unknown>[] = [];
      for (let at = 0; at < 25; at++) await changeAtRandom(world, newest, { last: 8, deletesOneIn: 5 });
      const flush = begin(world);
      const last = new Map(newest);
      for (let at = 0; at < 6; at++) {
        const key = `key-${random.between(0, 8)}`;
        last.delete(key);
        running.push(world.beginPut(key, body(at + 1)));
      }
      const { outcome } = await world.run(flush.result);
      t.equal(outcome, 'PERSISTED', `seed ${seed}`);
      for (const [key, bytes] of last) t.same(world.inUfs(key), bytes, `seed ${seed}: ${key}`);
      await world.run(Promise.all(running));
    }
  }
});

void t.test('flush: of a bucket that is not there is an error that names it', async (t) => {
  const world = await EngineWorld.open();
  for (const path of ['/misspelt', '/misspelt/dir/', '/No_Name/'])
    await t.rejects(world.run(world.admin.flush({ path })), {
      code: 'NO_SUCH_BUCKET',
      message: `there is no bucket "${path.split('/')[1]}"`,
    });
  world.ufs.putOutOfBand('theirs', 'key', body(1));
  const { outcome, isEmpty } = await world.run(world.admin.flush({ path: '/theirs' }));
  t.same({ outcome, isEmpty }, { outcome: 'PERSISTED', isEmpty: undefined }, 'the UFS has it');
});

void t.test('flush: says when nothing is stored at its path, be it here or in the UFS', async (t) => {
  const world = await EngineWorld.open();
  const isEmpty = async (path: string, exact = false): Promise<boolean> => {
    const result = await world.run(world.admin.flush({ path, exact }));
    t.equal(result.outcome, 'PERSISTED');
    return result.isEmpty ?? false;
  };
  t.ok(await isEmpty(`/${BUCKET}`));
  t.notOk(await isEmpty('/'), 'everything is never misspelt');
  await world.put('dir/key', body(1));
  t.notOk(await isEmpty(`/${BUCKET}/dir/`), 'it waited');
  t.notOk(await isEmpty(`/${BUCKET}/dir/`), 'it is there');
  t.ok(await isEmpty(`/${BUCKET}/dri/`));
  t.notOk(await isEmpty(`/${BUCKET}/dir/key`, true));
  t.ok(await isEmpty(`/${BUCKET}/dir/ke`, true), 'another key begins with it');
});

void t.test('flush: nothing is said of a path that the UFS cannot be asked about now', async (t) => {
  const world = await EngineWorld.open();
  world.ufs.setFaults({ unavailable: 1 });
  for (const path of ['/misspelt/', `/${BUCKET}/dir/`]) {
    const { outcome, isEmpty } = await world.run(world.admin.flush({ path }));
    t.same({ outcome, isEmpty }, { outcome: 'PERSISTED', isEmpty: undefined });
  }
  world.ufs.setFaults({ hang: 1 });
  const beganMs = world.clock.monotonicTimeMs();
  await world.run(world.admin.flush({ path: '/hanging/' }));
  t.ok(world.clock.monotonicTimeMs() - beganMs <= 6 * SECOND_MS, 'and it is not waited for long');
});
