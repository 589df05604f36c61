/** Ranges of objects that only the UFS holds: little is fetched, nothing twice, and never of two versions. */
import t from 'tap';
import { KIB, MIB, SECOND_MS } from '../../src/core/units.js';
import { BUCKET, codeOf } from '../support/engine-world.js';
import { makeBody } from '../support/object-model.js';
import { worldWith } from './ufs-world.js';

const LARGE = makeBody(1, 6 * MIB);

void t.test('a range of a large missing object fetches its blocks only, once for many readers', async (t) => {
  const bytes = makeBody(10, 20 * MIB);
  const world = await worldWith({ key: bytes }, { engine: { ufsMetadataTtlMs: 10 * SECOND_MS } });
  const range = { first: 5 * MIB + 1000, last: 5 * MIB + 2999 };
  const reads = Array.from({ length: 16 }, () => world.beginGet('key', { range }));
  for (const read of await world.run(Promise.all(reads)))
    t.ok(read?.body.equals(bytes.subarray(range.first, range.last + 1)));
  t.equal(world.ufs.calls('get'), 1);
  t.equal(world.ufs.calls('head'), 0, 'nor is it asked for its size first');
  t.ok(world.ufs.sentBytes <= 512 * KIB, `${world.ufs.sentBytes} bytes were sent`);
  t.equal(world.state.cache.objects, 0);
});

void t.test('a reader that goes on where it ended is fetched ahead of; a random one is not', async (t) => {
  const bytes = makeBody(11, 24 * MIB);
  const world = await worldWith(
    { key: bytes },
    { engine: { ufsMetadataTtlMs: 60 * SECOND_MS, capacityBytes: 16 * MIB } },
  );
  for (let at = 0; at < bytes.length; at += 128 * KIB) {
    const range = { first: at, last: at + 128 * KIB - 1 };
    t.ok((await world.get('key', { range }))?.body.equals(bytes.subarray(at, at + 128 * KIB)));
  }
  t.ok(world.ufs.calls('get') <= 20, `${world.ufs.calls('get')} requests for 192 ranges`);
  t.equal(world.ufs.sentBytes, bytes.length, 'nothing is fetched twice');
});

void t.test('ranges of every shape are what the object has there', async (t) => {
  const bytes = makeBody(12, 3 * MIB + 77);
  const world = await worldWith(
    { key: bytes, small: bytes.subarray(0, 300 * KIB) },
    { engine: { ufsMetadataTtlMs: SECOND_MS } },
  );
  for (let i = 0; i < 40; i++) {
    const first = Math.floor(world.random.between(0, bytes.length - 1));
    const last = Math.floor(world.random.between(first, bytes.length + 1000));
    const read = await world.get('key', { range: { first, last } });
    t.ok(read?.body.equals(bytes.subarray(first, last + 1)), `${first}-${last}`);
  }
  t.ok((await world.get('key', { range: { suffix: 1000 } }))?.body.equals(bytes.subarray(-1000)));
  t.ok((await world.get('key', { range: { first: 0 } }))?.body.equals(bytes));
  t.equal(await codeOf(world.get('small', { range: { first: 300 * KIB } })), 'INVALID_RANGE');
  t.ok((await world.get('small', { range: { first: 5, last: 9 } }))?.body.equals(bytes.subarray(5, 10)));
  await world.until(() => world.state.cache.objects === 2, 60 * SECOND_MS);
  t.equal(await world.get('none', { range: { first: 5, last: 9 } }), undefined);
});

void t.test('ranges of an object that changed in the UFS are never of two versions', async (t) => {
  const bytes = makeBody(13, 8 * MIB);
  const other = makeBody(14, 9 * MIB);
  const world = await worldWith(
    { key: bytes },
    { engine: { ufsMetadataTtlMs: 10 * SECOND_MS, capacityBytes: 16 * MIB } },
  );
  await world.get('key', { range: { first: 0, last: 999 } });
  world.ufs.putOutOfBand(BUCKET, 'key', other);
  const range = { first: 4 * MIB, last: 4 * MIB + 999 };
  const read = await world.get('key', { range });
  t.ok(read?.body.equals(other.subarray(range.first, range.last + 1)), 'the change is noticed by the fetch');
  t.equal(read?.object.size, other.length);
});

void t.test('a range that breaks off is an error or goes on, never short', async (t) => {
  const bytes = makeBody(15, 8 * MIB);
  const world = await worldWith({ key: bytes }, { engine: { capacityBytes: 16 * MIB } });
  const range = { first: MIB, last: 5 * MIB };
  world.ufs.arm('brokenBody', { operation: 'get' });
  t.ok((await world.get('key', { range }))?.body.equals(bytes.subarray(MIB, 5 * MIB + 1)));
  world.ufs.setFaults({ brokenBody: 1 });
  for (let first = 5 * MIB; first < 7 * MIB; first += 100 * KIB) {
    const read = await world.get('key', { range: { first, last: first + MIB } }).catch((error: unknown) => {
      t.match(error, { code: 'UFS_UNAVAILABLE' });
    });
    t.ok(read?.body.equals(bytes.subarray(first, first + MIB + 1)) ?? true);
  }
});

void t.test('an object that is read by ranges is cached as a whole in the end', async (t) => {
  const bytes = makeBody(16, 4 * MIB);
  const world = await worldWith({ key: bytes });
  for (let at = 0; at < 3 * MIB; at += MIB)
    await world.get('key', { range: { first: at, last: at + MIB - 1 } });
  await world.until(() => world.state.cache.objects === 1);
  const calls = world.ufs.calls('get');
  t.ok((await world.read('key'))?.equals(bytes));
  t.equal(world.ufs.calls('get'), calls);
});

void t.test('a range that is read after a delete is not that of the object before it', async (t) => {
  const world = await worldWith({ key: LARGE }, { policies: { default: 'WRITE_THROUGH' } });
  const range = { first: 1000, last: 2000 };
  world.ufs.arm('hang', { operation: 'get' });
  const before = codeOf(world.beginGet('key', { range }));
  await world.sleep(SECOND_MS);
  await world.delete('key');
  t.equal(await world.get('key', { range }), undefined);
  t.equal(await world.run(before), 'UFS_UNAVAILABLE');
});
