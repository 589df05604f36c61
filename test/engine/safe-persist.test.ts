/** Conditional persists: what somebody else changed in the UFS is never overwritten silently. */
import t from 'tap';
import { HeadraceError } from '../../src/core/errors.js';
import { KIB, MIB, SECOND_MS } from '../../src/core/units.js';
import { objectKey } from '../../projections/records.js';
import { DEFAULT_PATH_CONFIG } from '../../src/engine/path-config.js';
import { replaced } from '../../simulations/armed-faults.js';
import { BUCKET, EngineWorld, SlowBody, type EngineWorldOptions } from '../support/engine-world.js';
import { makeBody } from '../support/object-model.js';
import { changeAtRandom } from './random-changes.js';

const body = (seed: number, size = 3 * KIB): Buffer => makeBody(seed, size);
const THEIRS = Buffer.from('put there by somebody else');

function open(options: EngineWorldOptions = {}): Promise<EngineWorld> {
  return EngineWorld.open({ ...options, engine: { safePersist: 'conditional', ...options.engine } });
}

async function phaseOf(world: EngineWorld, key: string): Promise<string | undefined> {
  return (await world.run(world.admin.persistStat(BUCKET, key)))?.persist?.phase;
}

void t.test('safe persist: own versions follow each other without a conflict', async (t) => {
  const world = await open();
  for (let at = 1; at <= 5; at++) {
    await world.put('key', body(at));
    await world.drained();
    t.same(world.inUfs('key'), body(at));
  }
  await world.delete('key');
  await world.drained();
  t.equal(world.inUfs('key'), undefined);
  await world.put('key', body(6));
  await world.drained();
  t.same(world.inUfs('key'), body(6), 'also after a delete');
  await world.run(world.admin.free({}));
  await world.put('key', body(7));
  await world.drained();
  t.same(world.inUfs('key'), body(7), 'and after an eviction');
  t.equal(world.state.uploads.quarantined, 0);
});

void t.test('safe persist: without it the last writer wins', async (t) => {
  const world = await EngineWorld.open();
  world.ufs.setFaults({ unavailable: 1 });
  await world.put('key', body(1));
  world.ufs.putOutOfBand(BUCKET, 'key', THEIRS);
  world.ufs.setFaults({});
  await world.drained();
  t.same(world.inUfs('key'), body(1));
});

void t.test('safe persist: an object that appears in the UFS meanwhile is not overwritten', async (t) => {
  const world = await open();
  world.ufs.arm('throttled', { operation: 'put', times: 3 });
  await world.put('key', body(1));
  world.ufs.putOutOfBand(BUCKET, 'key', THEIRS);
  await world.drained();
  t.same(world.inUfs('key'), THEIRS);
  t.equal(await phaseOf(world, 'key'), 'CONFLICT');
  t.same(await world.read('key'), body(1), 'ours is kept and served');
  const stat = await world.run(world.admin.persistStat(BUCKET, 'key'));
  t.match(stat?.persist?.message, /had no such object .* and now has one with ETag "sim-version-\d+"/);
  await world.restart();
  t.equal(await phaseOf(world, 'key'), 'CONFLICT', 'also after a restart');
});

void t.test('safe persist: an object that changes in the UFS meanwhile is not overwritten', async (t) => {
  const world = await open();
  await world.put('key', body(1));
  await world.drained();
  world.ufs.arm('throttled', { operation: 'put', times: 3 });
  await world.put('key', body(2));
  world.ufs.putOutOfBand(BUCKET, 'key', THEIRS);
  await world.drained();
  t.same(world.inUfs('key'), THEIRS);
  t.equal(await phaseOf(world, 'key'), 'CONFLICT');
});

void t.test('safe persist: an object that changed in the UFS is not deleted', async (t) => {
  const world = await open();
  await world.put('key', body(1));
  await world.drained();
  world.ufs.arm('throttled', { operation: 'head', times: 3 });
  await world.delete('key');
  world.ufs.putOutOfBand(BUCKET, 'key', THEIRS);
  await world.drained();
  t.same(world.inUfs('key'), THEIRS);
  t.equal(await phaseOf(world, 'key'), 'CONFLICT');
});

void t.test('safe persist: keeping ours writes it over what is there, once', async (t) => {
  const world = await open();
  world.ufs.arm('throttled', { operation: 'put', times: 3 });
  await world.put('key', body(1));
  world.ufs.putOutOfBand(BUCKET, 'key', THEIRS);
  await world.drained();
  await world.run(world.admin.persists.resolve({ bucket: BUCKET, key: 'key', keep: 'ours' }));
  await world.drained();
  t.same(world.inUfs('key'), body(1));
  t.equal(world.state.uploads.quarantined, 0);
});

void t.test('safe persist: keeping theirs gives ours up', async (t) => {
  const world = await open();
  world.ufs.arm('throttled', { operation: 'put', times: 3 });
  await world.put('key', body(1));
  world.ufs.putOutOfBand(BUCKET, 'key', THEIRS);
  await world.drained();
  await world.run(world.admin.persists.resolve({ bucket: BUCKET, key: 'key', keep: 'theirs' }));
  t.same(await world.read('key'), THEIRS);
  t.equal(world.state.uploads.pending, 0);
  await t.rejects(
    world.run(world.admin.persists.resolve({ bucket: BUCKET, key: 'key', keep: 'ours' })),
    { code: 'NO_SUCH_KEY' },
    'there is nothing to resolve any more',
  );
});

void t.test(
  'safe persist: lost answers, crashes and overtaken uploads make no false conflicts',
  async (t) => {
    for (let seed = 1; seed <= 12; seed++) {
      const world = await open({
        seed,
        ufs: { faults: { lostAnswer: 0.2, unavailable: 0.1 }, latencyMs: { min: 1, max: 200 } },
      });
      const { random } = world;
      const newest = new Map<string, Buffer | undefined>();
      for (let round = 0; round < 40; round++) {
        await changeAtRandom(world, newest, { last: 4, deletesOneIn: 6 });
        if (random.between(0, 3) === 0) await world.sleep(random.between(0, 2) * SECOND_MS);
        if (round === 20) {
          world.crash();
          await world.start();
        }
      }
      await world.drained();
      t.equal(world.state.uploads.quarantined, 0, `seed ${seed}`);
      for (const [key, bytes] of newest) t.same(world.inUfs(key), bytes, `seed ${seed}: ${key}`);
    }
  },
);

void t.test(
  'safe persist: a key that is overwritten often during one upload makes no conflict',
  async (t) => {
    const world = await open({ ufs: { latencyMs: { min: 400, max: 500 } } });
    await world.put('key', body(0));
    await world.sleep(450);
    for (let at = 1; at <= 40; at++) await world.put('key', body(at));
    await world.drained();
    t.equal(world.state.uploads.quarantined, 0);
    t.same(world.inUfs('key'), body(40));
  },
);

void t.test('safe persist: what appears behind a delete that was overtaken is not overwritten', async (t) => {
  const world = await open({ ufs: { latencyMs: { min: 400, max: 500 } } });
  await world.put('key', body(1));
  await world.drained();
  await world.delete('key');
  // The delete has taken effect in the UFS, and its answer is on its way.
  await world.until(() => world.inUfs('key') === undefined);
  await world.put('key', body(2));
  await world.until(() => world.ufs.calls('delete') === 1);
  world.ufs.putOutOfBand(BUCKET, 'key', THEIRS);
  await world.drained();
  t.same(world.inUfs('key'), THEIRS);
  t.equal(await phaseOf(world, 'key'), 'CONFLICT');
});

void t.test('safe persist: a write that failed leaves nothing that a later one is measured by', async (t) => {
  const world = await open();
  world.ufs.putOutOfBand(BUCKET, 'key', THEIRS);
  const failed = world.objects.putObject({
    bucket: BUCKET,
    key: 'key',
    body: { kind: 'chunks', chunks: [body(1)], size: body(1).length },
    headers: { system: {}, user: {} },
    md5: new Uint8Array(16),
  });
  await t.rejects(world.run(failed), { code: 'BAD_DIGEST' });
  world.ufs.putOutOfBand(BUCKET, 'key', body(2));
  await world.put('key', body(3));
  await world.drained();
  t.equal(world.state.uploads.quarantined, 0);
  t.same(world.inUfs('key'), body(3));
});

void t.test('safe persist: tags get there although the upload before lost its answer', async (t) => {
  const world = await open();
  world.ufs.arm('lostAnswer', { operation: 'put' });
  await world.put('key', body(1));
  await world.until(() => world.inUfs('key') !== undefined);
  await world.run(world.objects.setObjectTags(BUCKET, 'key', { colour: 'red' }));
  await world.drained();
  t.same(world.ufs.contents(BUCKET).get('key')?.headers.tags, { colour: 'red' });
});

void t.test(
  'safe persist: an access list does not carry an object over what changed in the UFS',
  async (t) => {
    const world = await open();
    world.ufs.putOutOfBand(BUCKET, 'key', body(1));
    t.same(await world.read('key'), body(1));
    world.ufs.arm('throttled', { operation: 'put', times: 3 });
    await world.run(world.objects.setObjectAcl(BUCKET, 'key', 'public-read'));
    world.ufs.putOutOfBand(BUCKET, 'key', THEIRS);
    await world.drained();
    t.same(world.inUfs('key'), THEIRS);
    t.equal(await phaseOf(world, 'key'), 'CONFLICT');
  },
);

void t.test('safe persist: pressure does not make a write go past the condition', async (t) => {
  const world = await open({
    engine: { pinnedSoftRatio: 0.1, pressureDelayMaxMs: SECOND_MS },
  });
  await world.run(
    world.admin.setPathConfig({
      ...DEFAULT_PATH_CONFIG,
      defaultRule: { policyMode: 'WRITE_BACK', properties: { onPressure: 'writeThrough' } },
    }),
  );
  await world.put('key', body(1));
  await world.drained();
  await world.run(world.admin.free({}));
  world.ufs.arm('throttled', { operation: 'put', times: 20 });
  for (let at = 0; at < 6; at++) await world.put(`held-${at}`, body(at, MIB));
  world.ufs.setFaults({});
  await world.put('key', body(2));
  await world.drained();
  await world.put('key', body(3));
  await world.drained();
  t.equal(world.state.uploads.quarantined, 0, 'no conflict with ourselves');
  t.same(world.inUfs('key'), body(3));
});

void t.test(
  'safe persist: a base that is known is not given up because the UFS does not answer',
  async (t) => {
    const world = await open();
    world.ufs.putOutOfBand(BUCKET, 'key', body(1));
    const headers = { system: {}, user: {} };
    const broken = { kind: 'chunks', chunks: [body(2)], size: body(2).length } as const;
    const failed = world.objects.putObject({
      bucket: BUCKET,
      key: 'key',
      body: broken,
      headers,
      md5: new Uint8Array(16),
    });
    await t.rejects(world.run(failed), { code: 'BAD_DIGEST' });
    world.ufs.arm('unavailable', { operation: 'head' });
    await world.put('key', body(3));
    await world.drained();
    t.equal(world.state.uploads.quarantined, 0);
    t.same(world.inUfs('key'), body(3));
  },
);

void t.test('safe persist: a stop does not wait for a UFS that does not say what it holds', async (t) => {
  const world = await open({ engine: { ufsTimeoutMs: 600 * SECOND_MS } });
  await world.put('key', body(1));
  await world.drained();
  world.ufs.arm('hang', { operation: 'head' });
  await world.delete('key');
  await world.sleep(SECOND_MS);
  const startedMs = world.clock.monotonicTimeMs();
  await world.stop();
  t.ok(world.clock.monotonicTimeMs() - startedMs < 10 * SECOND_MS);
  await world.start();
  await world.drained();
  t.equal(world.inUfs('key'), undefined);
});

for (const { goes, takeAway } of [
  {
    goes: 'goes with a delete',
    takeAway: async (world: EngineWorld) => {
      await world.delete('key');
      await world.drained();
    },
  },
  { goes: 'goes with an eviction', takeAway: (world: EngineWorld) => world.run(world.admin.free({})) },
]) {
  void t.test(
    `safe persist: a base that ${goes} while a write counts on it is kept for that write`,
    async (t) => {
      const world = await open();
      await world.put('key', body(1, MIB));
      await world.drained();
      const stream = new SlowBody();
      const writing = world.objects.putObject({
        bucket: BUCKET,
        key: 'key',
        headers: { system: {}, user: {} },
        body: { kind: 'stream', stream, size: MIB },
      });
      stream.send(body(2, MIB));
      await world.until(() => world.state.orphans.size === 1);
      await takeAway(world);
      t.equal(world.partition.index.get(objectKey(BUCKET, 'key')), undefined);
      world.ufs.putOutOfBand(BUCKET, 'key', THEIRS);
      stream.end();
      await world.run(writing);
      await world.drained();
      t.same(world.inUfs('key'), THEIRS);
      t.equal(await phaseOf(world, 'key'), 'CONFLICT');
    },
  );
}

void t.test('safe persist: a base that an eviction takes before it is durable is kept, too', async (t) => {
  const world = await open();
  world.ufs.putOutOfBand(BUCKET, 'key', body(1));
  await world.read('key');
  await world.sleep(SECOND_MS);
  t.ok(world.partition.index.get(objectKey(BUCKET, 'key')), 'read into the cache, without a base');
  world.ufs.arm('throttled', { operation: 'put', times: 3 });
  const { log } = world.partition;
  const before = log.nextOffset;
  const chunks = [body(2)];
  const writing = world.objects.putObject({
    bucket: BUCKET,
    key: 'key',
    headers: { system: {}, user: {} },
    body: { kind: 'chunks', chunks, size: 3 * KIB },
  });
  for (let turn = 0; turn < 1000 && log.nextOffset === before; turn++) await Promise.resolve();
  t.equal(log.nextOffset, before + 1, 'the base is decided');
  const freeing = world.admin.free({});
  for (let turn = 0; turn < 1000 && log.nextOffset === before + 1; turn++) await Promise.resolve();
  t.ok(log.nextOffset > before + 1, 'the eviction is decided');
  t.equal(log.durableOffset, before, 'and nothing of it is durable');
  await world.run(Promise.all([writing, freeing]));
  world.ufs.putOutOfBand(BUCKET, 'key', THEIRS);
  await world.drained();
  t.same(world.inUfs('key'), THEIRS);
  t.equal(await phaseOf(world, 'key'), 'CONFLICT');
});

void t.test('safe persist: a base that goes is not given up because the UFS does not answer', async (t) => {
  let answers = true;
  const refused = new HeadraceError('UFS_UNAVAILABLE', 'connection refused');
  const world = await open({
    observer: {
      wrapStore: (store) =>
        replaced(store, {
          // Before the eviction is durable.
          head: (...request) => (answers ? store.head(...request) : Promise.reject(refused)),
        }),
    },
  });
  await world.put('key', body(1));
  await world.drained();
  const { log } = world.partition;
  const before = log.nextOffset;
  const freeing = world.admin.free({});
  for (let turn = 0; turn < 1000 && log.nextOffset === before; turn++) await Promise.resolve();
  t.ok(log.nextOffset > before, 'the eviction is decided');
  t.equal(log.durableOffset, before, 'and not durable');
  answers = false;
  world.ufs.arm('throttled', { operation: 'put', times: 3 });
  await world.put('key', body(2));
  await world.run(freeing);
  answers = true;
  world.ufs.putOutOfBand(BUCKET, 'key', THEIRS);
  await world.drained();
  t.same(world.inUfs('key'), THEIRS);
  t.equal(await phaseOf(world, 'key'), 'CONFLICT');
});
