/** Space: what is pinned stays, what was read stays longest, and what is freed goes back to the file system. */
import t, { type Test } from 'tap';
import { isErrorCode } from '../../src/core/errors.js';
import { KIB, MIB, SECOND_MS } from '../../src/core/units.js';
import { BUCKET, EngineWorld, codeOf } from '../support/engine-world.js';
import { makeBody } from '../support/object-model.js';

const CAPACITY_BYTES = 16 * MIB;

/** Holds after every step: what is in use or promised fits, and what is pinned stays below its limit. */
function checkLimits(t: Test, world: EngineWorld): void {
  const { admission, segments } = world.engine.core;
  t.ok(
    admission.pinnedBytes <= admission.pinnedLimitBytes,
    `${admission.pinnedBytes} of ${admission.pinnedLimitBytes} bytes are pinned`,
  );
  t.ok(
    segments.fileBytes <= admission.capacityBytes + MIB,
    `${segments.fileBytes} of ${admission.capacityBytes} bytes are used`,
  );
}

async function fill(world: EngineWorld, prefix: string, count: number, size: number): Promise<void> {
  for (let i = 0; i < count; i++) {
    const name = `${prefix}-${i}`;
    for (;;) {
      try {
        await world.put(name, makeBody(i, size));
        break;
      } catch (error) {
        if (!isErrorCode(error, 'OUT_OF_SPACE', 'SLOW_DOWN')) throw error;
        await world.sleep(100);
      }
    }
  }
  await world.drained();
}

for (const [name, size, count] of [
  ['small', 100 * KIB, 300],
  ['large', MIB, 40],
] as const) {
  void t.test(`LRU: of ${name} objects, those that are read survive and the unread go`, async (t) => {
    const world = await EngineWorld.open();
    const hot = ['hot-0', 'hot-1', 'hot-2'];
    await fill(world, 'hot', hot.length, size);
    for (let at = 0; at < count; at += 4) {
      await fill(world, `cold-${at}`, 4, size);
      for (const key of hot) t.same(await world.read(key), makeBody(hot.indexOf(key), size));
      checkLimits(t, world);
    }
    for (const key of hot) t.ok(await world.isCached(key), `${key} is still cached`);
    t.notOk(await world.isCached('cold-0-0'), 'the oldest of the others is not');
    t.same(await world.read('cold-0-0'), makeBody(0, size), 'and is read back from the UFS');
    const evicted = (await world.eventTypes()).filter((type) => type === 'ObjectEvicted').length;
    t.ok(evicted > 0);
  });

  void t.test(`a cache full of ${name} objects that were all read still takes new ones`, async (t) => {
    const world = await EngineWorld.open();
    for (let i = 0; i < count; i++) {
      await fill(world, `key-${i}`, 1, size);
      await world.read(`key-${i}-0`);
    }
    for (let i = 0; i < 5; i++) t.equal(await codeOf(world.put(`new-${i}`, makeBody(i, size))), 'success');
    checkLimits(t, world);
  });
}

void t.test('an evicted object comes back the same: bytes, ETag, headers and time', async (t) => {
  const world = await EngineWorld.open();
  const headers = {
    system: { 'content-type': 'text/x', 'content-disposition': 'attachment' },
    user: { a: 'b', colour: 'blau' },
    tags: { tag: 'value' },
  };
  const keys = ['small', 'large', 'empty', 'dir/ümläut €'];
  const sizes = [1000, 800 * KIB, 0, 10];
  const before = new Map<string, Awaited<ReturnType<EngineWorld['get']>>>();
  for (const [at, key] of keys.entries()) {
    await world.put(key, makeBody(at, sizes[at] ?? 0), { headers });
    before.set(key, await world.get(key));
  }
  await world.drained();
  await world.sleep(5000);
  const freed = await world.run(world.admin.free({}));
  t.equal(freed.objects, 4);
  t.equal(
    freed.bytes,
    sizes.reduce((sum, size) => sum + size),
  );
  t.equal(world.state.cache.objects, 0);
  for (const again of ['from the UFS', 'from the cache']) {
    for (const key of keys) {
      const old = before.get(key);
      const head = await world.run(world.objects.headObject({ bucket: BUCKET, key }));
      const read = await world.get(key);
      t.same(read?.body, old?.body, `${key} ${again}`);
      for (const object of [head, read?.object])
        t.match(object, {
          size: old?.object.size,
          etag: old?.object.etag,
          lastModifiedMs: old?.object.lastModifiedMs,
          headers,
        });
    }
    t.match(
      (await world.list()).map((entry) => (entry.kind === 'object' ? entry.etag : '')).toSorted(),
      keys.map((key) => before.get(key)?.object.etag ?? '').toSorted(),
    );
  }
  t.equal(world.state.cache.objects, 4, 'what was read is cached again');
});

void t.test('a range of an evicted object is read without fetching the whole', async (t) => {
  const world = await EngineWorld.open();
  const body = makeBody(1, 800 * KIB);
  await world.put('key', body);
  await world.drained();
  await world.run(world.admin.free({}));
  t.same((await world.get('key', { range: { first: 100, last: 199 } }))?.body, body.subarray(100, 200));
  t.same((await world.get('key', { range: { suffix: 10 } }))?.body, body.subarray(-10));
  t.equal(world.state.cache.objects, 0);
});

void t.test(
  'the pinned limit: a write beyond it is refused, says when to retry, and leaves nothing',
  async (t) => {
    const world = await EngineWorld.open();
    world.ufs.setFaults({ unavailable: 1 });
    const limit = CAPACITY_BYTES / 2;
    for (let i = 0; i < 8; i++) await world.put(`key-${i}`, makeBody(i, MIB - 1000));
    // From now on it is known that no upload will make room.
    await world.sleep(5 * SECOND_MS);
    const before = { live: world.liveBytes, pinned: world.engine.core.admission.pinnedBytes };
    for (const size of [200 * KIB, MIB]) {
      const error: unknown = await world.put('beyond', makeBody(9, size)).then(
        () => undefined,
        (reason: unknown) => reason,
      );
      t.match(error, { code: 'OUT_OF_SPACE', kind: 'OUT_OF_SPACE', details: { retryAfterMs: 1000 } });
      t.match(error, { message: new RegExp(`limit of ${limit}`) });
    }
    t.equal(await world.read('key-0').then((body) => body?.length), MIB - 1000);
    await world.sleep(SECOND_MS);
    t.same({ live: world.liveBytes, pinned: world.engine.core.admission.pinnedBytes }, before);
    t.equal(world.engine.core.admission.reservedBytes, 0);
    t.equal(world.state.orphans.size, 0);
    world.ufs.setFaults({});
    await world.drained();
    await world.put('beyond', makeBody(9, MIB));
    t.equal(world.engine.core.admission.pinnedBytes, MIB, 'with space again it is taken');
  },
);

void t.test(
  'a body of unknown size that outgrows the pinned limit is refused and leaves nothing',
  async (t) => {
    const world = await EngineWorld.open();
    world.ufs.setFaults({ unavailable: 1 });
    async function* endless(): AsyncGenerator<Uint8Array> {
      for (;;) yield makeBody(1, 256 * KIB);
    }
    const put = world.objects.putObject({
      bucket: BUCKET,
      key: 'key',
      body: { kind: 'stream', stream: endless(), size: undefined },
      headers: { system: {}, user: {} },
    });
    t.equal(await codeOf(world.run(put)), 'OUT_OF_SPACE');
    await world.sleep(SECOND_MS);
    t.equal(world.engine.core.admission.pinnedBytes, 0);
    t.equal(world.fileBytes, 0, 'its file is gone');
    t.match(await world.eventTypes('key'), ['WriteOpened', 'WriteAbandoned']);
  },
);

void t.test('un-persisted data is never evicted, however full the cache is', async (t) => {
  const world = await EngineWorld.open({ engine: { pinnedRatio: 1 } });
  world.ufs.setFaults({ unavailable: 1 });
  let stored = 0;
  for (;;) {
    const code = await codeOf(world.put(`key-${stored}`, makeBody(stored, 300 * KIB)));
    if (code !== 'success') break;
    stored++;
    checkLimits(t, world);
  }
  t.ok(stored >= 40, `${stored} objects fit`);
  t.equal(await codeOf(world.run(world.engine.core.admission.reserve(MIB))), 'OUT_OF_SPACE');
  for (let i = 0; i < stored; i++) t.same(await world.read(`key-${i}`), makeBody(i, 300 * KIB));
  const evicted = (await world.eventTypes()).filter((type) => type === 'ObjectEvicted');
  t.same(evicted, []);
});

void t.test('writers that wait for room at the same time never get the same room', async (t) => {
  const world = await EngineWorld.open({ engine: { pinnedRatio: 0.9 } });
  await fill(world, 'old', 30, 500 * KIB);
  const { admission, segments } = world.engine.core;
  const reservations = await world.run(
    Promise.allSettled(Array.from({ length: 40 }, () => admission.reserve(500 * KIB))),
  );
  const granted = reservations.filter(({ status }) => status === 'fulfilled').length;
  t.ok(granted >= 20, `${granted} were granted`);
  t.equal(admission.reservedBytes, granted * 500 * KIB);
  t.ok(segments.fileBytes + admission.reservedBytes <= CAPACITY_BYTES, 'used + reserved ≤ capacity');
  checkLimits(t, world);
});

void t.test('many clients at once: the limits hold at every moment, and nobody waits for ever', async (t) => {
  const world = await EngineWorld.open();
  let wrong = '';
  const watch = (): void => {
    const { admission } = world.engine.core;
    if (admission.pinnedBytes > admission.pinnedLimitBytes) wrong = `${admission.pinnedBytes} bytes pinned`;
    world.scheduler.schedule(1, watch);
  };
  watch();
  const client = async (name: number): Promise<number> => {
    let done = 0;
    for (let i = 0; i < 20; i++) {
      const code = await codeOf(world.beginPut(`key-${name}-${i}`, makeBody(i, (name + 1) * 60 * KIB)));
      if (code === 'success') done++;
      else await world.clock.sleep(200);
    }
    return done;
  };
  const done = await world.run(Promise.all(Array.from({ length: 12 }, (_, name) => client(name))));
  t.equal(wrong, '');
  t.ok(
    done.every((count) => count > 5),
    `${done.join(', ')} writes of each were taken`,
  );
});

void t.test('a disk with little free space is relieved by eviction before it is full', async (t) => {
  // 128 MiB stay free for the log, checkpoints and compaction.
  const world = await EngineWorld.open({
    engine: { capacityBytes: 64 * MIB, pinnedRatio: 0.9 },
    disk: { capacityBytes: 150 * MIB },
  });
  for (let i = 0; i < 30; i++) {
    t.equal(await codeOf(world.put(`key-${i}`, makeBody(i, MIB))), 'success');
    await world.drained();
  }
  const { freeBytes } = await world.run(world.disk.space());
  t.ok(freeBytes >= 126 * MIB, `${freeBytes} bytes are free`);
  world.ufs.setFaults({ unavailable: 1 });
  let code = 'success';
  for (let i = 0; i < 40 && code === 'success'; i++)
    code = await codeOf(world.put(`dirty-${i}`, makeBody(i, MIB)));
  t.equal(code, 'OUT_OF_SPACE', 'with nothing to evict a write is refused');
});
