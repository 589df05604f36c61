import { randomBytes } from 'node:crypto';
import fc from 'fast-check';
import t from 'tap';
import type { Extent } from '../../../src/core/object.js';
import {
  append,
  appendRandom,
  openFixture,
  readAll,
  readSmall,
  segmentPath,
  walkAll,
  writeLarge,
} from './fixture.js';

const MIB = 1024 ** 2;
const TINY = { smallSegmentBytes: MIB, batchBytes: 512 * 1024 };

void t.test(
  'segments: what was acknowledged is there after a crash, and nothing is appended to it',
  async (t) => {
    const { store, reopen, disk } = await openFixture(t, TINY);
    const small = await appendRandom(store, 10, 3000);
    const body = randomBytes(2 * MIB);
    const large = await writeLarge(store, 'large', body);
    const unfinished = await store.openWriter('unfinished', undefined);
    await unfinished.write(randomBytes(3 * MIB));

    const after = await reopen();
    const segment = small[0]?.segment ?? 0;
    t.same(
      (await walkAll(after, segment)).map(({ extent }) => extent),
      small,
    );
    for (const extent of small) t.equal((await readSmall(after, extent)).length, 3000);
    t.ok((await readAll(after, large)).equals(body));
    t.same(await walkAll(after, unfinished.segment), []);
    for (const { open } of after.segments()) t.equal(open, false);
    t.ok(((await disk.sizeOf(segmentPath(segment))) ?? MIB) < MIB, 'the hole at the end is cut off');

    const next = await append(after, 'next', randomBytes(10));
    t.ok(next.segment > unfinished.segment);
  },
);

void t.test('segments: zeros at the end of a body survive the cut after a crash', async (t) => {
  const { store, reopen } = await openFixture(t, TINY);
  const zeros = Buffer.alloc(256 * 1024);
  const extent = await append(store, 'zeros', zeros);
  const after = await reopen();
  t.ok((await readSmall(after, extent)).equals(zeros));
  t.same(await walkAll(after, extent.segment), [{ owner: 'zeros', extent }]);
});

void t.test('segments: a walk ends at what a torn write left', async (t) => {
  const { store, reopen, disk } = await openFixture(t, TINY);
  const kept = await appendRandom(store, 3, 5000);
  const torn = await append(store, 'torn', randomBytes(9000));
  const file = await disk.open(segmentPath(torn.segment));
  await file.write(torn.position - 64, randomBytes(100));
  await file.close();
  const after = await reopen();
  t.same(
    (await walkAll(after, torn.segment)).map(({ extent }) => extent),
    kept,
  );
});

void t.test('segments: walk finds exactly what was appended, also after a crash', async (t) => {
  await fc.assert(
    fc.asyncProperty(
      fc.array(fc.array(fc.nat(20_000), { maxLength: 6 }), { maxLength: 12 }),
      async (rounds) => {
        const { store, reopen } = await openFixture(t, TINY);
        const expected: { owner: string; extent: Extent }[] = [];
        for (const sizes of rounds) {
          const owners = sizes.map((size, index) => `${'k'.repeat(index * 50)}${size}`);
          const appended = sizes.map((size, index) => append(store, owners[index] ?? '', randomBytes(size)));
          const extents = await Promise.all(appended);
          extents.forEach((extent, index) => expected.push({ owner: owners[index] ?? '', extent }));
        }
        for (const state of [store, await reopen()]) {
          const found = [];
          for (const { id } of state.segments()) found.push(...(await walkAll(state, id)));
          t.same(found, expected);
        }
      },
    ),
    { numRuns: 15 },
  );
});

void t.test('segments: drop waits for readers and gives the space back', async (t) => {
  const { store, disk } = await openFixture(t);
  const body = randomBytes(3 * MIB);
  const extent = await writeLarge(store, 'owner', body);
  const small = await append(store, 'owner', randomBytes(10));
  const reader = store.read(extent, 0, extent.size - 1)[Symbol.asyncIterator]();
  await reader.next();
  let dropped = false;
  const dropping = store.drop(extent.segment).then(() => (dropped = true));
  await t.rejects(readAll(store, extent), { code: 'CORRUPT_EXTENT', details: { missing: true } });
  t.equal(dropped, false);
  const second = await reader.next();
  t.ok(Buffer.from(second.value ?? []).equals(body.subarray(MIB, 2 * MIB)));
  await reader.return?.();
  await dropping;
  t.equal(await disk.sizeOf(segmentPath(extent.segment)), undefined);
  t.notOk(store.segments().some(({ id }) => id === extent.segment));
  t.ok(store.fileBytes < 20_000);
  t.equal((await readSmall(store, small)).length, 10);
  await store.drop(extent.segment);
});

void t.test('segments: an id is not used again after its segment was dropped', async (t) => {
  const { store, reopen, disk } = await openFixture(t);
  const { segment } = await append(store, 'owner', randomBytes(10));
  await store.seal();
  await Promise.all([store.drop(segment), store.drop(segment)]);
  t.equal(store.fileBytes, 0);
  t.same(store.segments(), []);
  const after = await reopen();
  t.same(after.segments(), []);
  const next = await append(after, 'owner', randomBytes(10));
  t.ok(next.segment > segment);
  t.equal(
    await disk.sizeOf(segmentPath(segment)),
    undefined,
    'the marker goes when a higher name is durable',
  );
});

void t.test('segments: a file that is not a segment is left alone', async (t) => {
  const { store, reopen, disk } = await openFixture(t);
  await append(store, 'owner', randomBytes(10));
  const file = await disk.create('segments/notes.txt');
  await file.write(0, Buffer.from('notes'));
  await file.close();
  t.equal((await reopen()).segments().length, 1);
  t.equal(await disk.sizeOf('segments/notes.txt'), 5);
});

void t.test('segments: no more files are kept open than the limit', async (t) => {
  const { store, disk } = await openFixture(t, { openFilesMax: 4 });
  const extents: Extent[] = [];
  for (let i = 0; i < 10; i++) extents.push(await writeLarge(store, 'owner', randomBytes(1000)));
  const before = disk.openFiles;
  for (let round = 0; round < 3; round++) {
    for (const extent of extents) t.equal((await readSmall(store, extent)).length, 1000);
  }
  await Promise.all(extents.map((extent) => readSmall(store, extent)));
  await readSmall(store, extents[0] as Extent);
  t.ok(disk.openFiles - before <= 4, `${disk.openFiles - before} open files`);
});
