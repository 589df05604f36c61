/** Conditional writes: decided atomically, also for objects that only the UFS has. */
import t from 'tap';
import type { PolicyMode } from '../../src/core/object.js';
import { EngineWorld, codeOf } from '../support/engine-world.js';
import { makeBody } from '../support/object-model.js';

const CREATE = { ifNoneMatch: ['*'] };
const body = (seed: number, size = 2000): Buffer => makeBody(seed, size);
const POLICIES: readonly PolicyMode[] = ['WRITE_BACK', 'TRANSIENT', 'WRITE_THROUGH', 'NO_CACHE'];

for (const policy of POLICIES) {
  void t.test(`${policy}: of many writers with If-None-Match: * exactly one wins`, async (t) => {
    const world = await EngineWorld.open({ policies: { default: policy } });
    for (const size of [2000, 300_000]) {
      const key = `key-${size}`;
      const puts = Array.from({ length: 8 }, (_, i) =>
        codeOf(world.beginPut(key, body(i, size), { conditions: CREATE })),
      );
      const codes = await world.run(Promise.all(puts));
      t.equal(codes.filter((code) => code === 'success').length, 1, codes.join(', '));
      t.equal(codes.filter((code) => code === 'PRECONDITION_FAILED').length, 7);
      t.same(await world.read(key), body(codes.indexOf('success'), size));
    }
  });

  void t.test(`${policy}: of writers that compare and swap, each change is made by one`, async (t) => {
    const world = await EngineWorld.open({ policies: { default: policy } });
    let { etag } = await world.put('key', body(0));
    for (let round = 1; round <= 5; round++) {
      const puts = Array.from({ length: 4 }, (_, i) =>
        codeOf(world.beginPut('key', body(round * 10 + i), { conditions: { ifMatch: [etag] } })),
      );
      const codes = await world.run(Promise.all(puts));
      t.equal(codes.filter((code) => code === 'success').length, 1, codes.join(', '));
      const read = await world.get('key');
      t.same(read?.body, body(round * 10 + codes.indexOf('success')));
      etag = read?.object.etag ?? '';
    }
  });

  void t.test(`${policy}: conditions on what is not there`, async (t) => {
    const world = await EngineWorld.open({ policies: { default: policy } });
    t.equal(await codeOf(world.put('key', body(1), { conditions: { ifMatch: ['*'] } })), 'NO_SUCH_KEY');
    t.equal(await codeOf(world.delete('key', { ifMatch: ['0'.repeat(32)] })), 'success');
    await world.put('key', body(1), { conditions: CREATE });
    await world.delete('key');
    await world.put('key', body(2), { conditions: CREATE });
    t.equal(await codeOf(world.delete('key', { ifMatch: ['0'.repeat(32)] })), 'PRECONDITION_FAILED');
    t.same(await world.read('key'), body(2), 'a deleted object can be created again');
    await world.delete('key', { ifMatch: ['*'] });
    t.equal(await world.read('key'), undefined);
  });
}

for (const policy of POLICIES) {
  void t.test(`${policy}: a delete can be bound to the size and the time of the object`, async (t) => {
    const world = await EngineWorld.open({ policies: { default: policy } });
    const wrong = { ifSize: 1999 };
    t.equal(await codeOf(world.delete('key', wrong)), 'success', 'what is not there fits');
    await world.put('key', body(1));
    const ifModifiedAtMs = (await world.get('key'))?.object.lastModifiedMs ?? 0;
    t.equal(await codeOf(world.delete('key', wrong)), 'PRECONDITION_FAILED');
    t.equal(
      await codeOf(world.delete('key', { ifSize: 2000, ifModifiedAtMs: ifModifiedAtMs + 2000 })),
      'PRECONDITION_FAILED',
    );
    t.same(await world.read('key'), body(1));
    await world.delete('key', { ifSize: 2000, ifModifiedAtMs });
    t.equal(await world.read('key'), undefined);
    t.equal(await codeOf(world.delete('key', wrong)), 'success');
  });
}

for (const policy of ['WRITE_BACK', 'WRITE_THROUGH', 'NO_CACHE'] as const) {
  void t.test(`${policy}: a delete sees the size of an object that only the UFS has`, async (t) => {
    const world = await EngineWorld.open({ policies: { default: policy } });
    world.ufs.putOutOfBand('bucket', 'foreign', body(1));
    t.equal(await codeOf(world.delete('foreign', { ifSize: 1 })), 'PRECONDITION_FAILED');
    await world.delete('foreign', { ifSize: 2000 });
    t.equal(await world.read('foreign'), undefined);
  });

  void t.test(`${policy}: conditions see an object that only the UFS has`, async (t) => {
    const world = await EngineWorld.open({ policies: { default: policy } });
    world.ufs.putOutOfBand('bucket', 'foreign', body(1));
    const { etag } = world.ufs.contents('bucket').get('foreign') ?? { etag: '' };
    t.equal(await codeOf(world.put('foreign', body(2), { conditions: CREATE })), 'PRECONDITION_FAILED');
    t.equal(
      await codeOf(world.put('foreign', body(2), { conditions: { ifMatch: ['0'.repeat(32)] } })),
      'PRECONDITION_FAILED',
    );
    const uploadId = await world.createUpload('foreign');
    const part = await world.putPart('foreign', uploadId, 1, body(3));
    t.equal(await codeOf(world.completeUpload('foreign', uploadId, [part], CREATE)), 'PRECONDITION_FAILED');
    await world.completeUpload('foreign', uploadId, [part], { ifMatch: [etag] });
    t.same(await world.read('foreign'), body(3));
  });

  void t.test(`${policy}: an eviction beside conditional writes never lets two writers win`, async (t) => {
    for (let seed = 1; seed <= 10; seed++) {
      const world = await EngineWorld.open({ seed, policies: { default: policy } });
      await world.put('key', body(0));
      await world.drained();
      const puts = Array.from({ length: 6 }, async (_, i) => {
        await world.clock.sleep(world.random.between(0, 6));
        return codeOf(world.beginPut('key', body(i + 1), { conditions: CREATE }));
      });
      const frees = Array.from({ length: 6 }, async () => {
        await world.clock.sleep(world.random.between(0, 6));
        await world.admin.free({});
      });
      const [codes] = await world.run(Promise.all([Promise.all(puts), Promise.all(frees)]));
      t.same(
        new Set(codes),
        new Set(['PRECONDITION_FAILED']),
        `seed ${seed}: the object exists all the time`,
      );
      t.same(await world.read('key'), body(0));
    }
  });
}

void t.test(
  'WRITE_BACK: conditions beside deletes that reach the UFS see the object gone, and nothing older',
  async (t) => {
    for (let seed = 1; seed <= 20; seed++) {
      const world = await EngineWorld.open({ seed });
      await world.put('key', body(0));
      await world.drained();
      await world.delete('key');
      const puts = Array.from({ length: 4 }, async (_, i) => {
        await world.clock.sleep(world.random.between(0, 30));
        return codeOf(world.beginPut('key', body(i + 1), { conditions: CREATE }));
      });
      const codes = await world.run(Promise.all(puts));
      t.equal(codes.filter((code) => code === 'success').length, 1, `seed ${seed}: ${codes.join(', ')}`);
      await world.drained();
      t.same(world.inUfs('key'), body(codes.indexOf('success') + 1));
    }
  },
);

void t.test(
  'a condition that fails on a write which is not durable yet is told only once it is',
  async (t) => {
    const world = await EngineWorld.open({ policies: { default: 'TRANSIENT' } });
    const first = world.beginPut('key', body(1), { conditions: CREATE });
    const second = codeOf(world.beginPut('key', body(2), { conditions: CREATE }));
    let isToldFirst = false;
    first.then(
      () => (isToldFirst = true),
      () => undefined,
    );
    t.equal(await world.run(second), 'PRECONDITION_FAILED');
    t.ok(isToldFirst);
  },
);
