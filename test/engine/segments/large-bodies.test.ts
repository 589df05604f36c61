import { randomBytes } from 'node:crypto';
import fc from 'fast-check';
import t from 'tap';
import { append, openFixture, readAll, readSmall, segmentPath, walkAll, writeLarge } from './fixture.js';

const CHUNK = 256 * 1024;
const MIB = 1024 ** 2;

void t.test('segments: a large body of any length comes back, whatever pieces it came in', async (t) => {
  const { store, disk } = await openFixture(t);
  const sizes = [0, 1, CHUNK - 1, CHUNK, CHUNK + 1, MIB - 1, MIB, MIB + 1, 4 * CHUNK + 8, 3 * MIB + 12_345];
  for (const [index, size] of sizes.entries()) {
    const body = randomBytes(size);
    const extent = await writeLarge(store, 'owner', body, [1000, 65_536, MIB, 3 * MIB + 1][index % 4]);
    t.equal(extent.size, size);
    t.ok((await readAll(store, extent)).equals(body), `${size} bytes`);
    t.same(await walkAll(store, extent.segment), [{ owner: 'owner', extent }]);
    const entry = store.segments().find((segment) => segment.id === extent.segment);
    t.equal(entry?.open, false);
    t.ok((entry?.fileBytes ?? 0) - ((await disk.sizeOf(segmentPath(extent.segment))) ?? 0) < 8);
  }
});

void t.test('segments: any range of a large body is byte-exact', async (t) => {
  const { store } = await openFixture(t);
  const body = randomBytes(3 * MIB + 100_001);
  const extent = await writeLarge(store, 'owner', body);
  const near = fc
    .tuple(fc.nat(13), fc.integer({ min: -2, max: 2 }))
    .map(([chunk, delta]) => Math.min(Math.max(chunk * CHUNK + delta, 0), body.length - 1));
  const position = fc.oneof(near, fc.nat(body.length - 1));
  await fc.assert(
    fc.asyncProperty(position, position, async (a, b) => {
      const [first, last] = a < b ? [a, b] : [b, a];
      t.ok((await readAll(store, extent, first, last)).equals(body.subarray(first, last + 1)));
    }),
    { numRuns: 100 },
  );
});

void t.test('segments: a range of a small body is byte-exact', async (t) => {
  const { store } = await openFixture(t);
  const body = randomBytes(1000);
  const extent = await append(store, 'owner', body);
  t.ok((await readAll(store, extent, 10, 20)).equals(body.subarray(10, 21)));
  t.ok((await readAll(store, extent)).equals(body));
});

void t.test('segments: a large body is durable, and so is its name, when finish resolves', async (t) => {
  const { store, disk } = await openFixture(t);
  const extent = await writeLarge(store, 'owner', randomBytes(2 * MIB));
  const path = segmentPath(extent.segment);
  const lastWrite = disk.operations.lastIndexOf(`write ${path}`);
  t.ok(disk.operations.lastIndexOf(`sync ${path}`) > lastWrite);
  t.ok(disk.operations.includes('syncDirectory segments'));
  t.equal(store.statistics.payloadBytes, 2 * MIB);
  t.ok(store.statistics.writtenBytes < 2.01 * MIB);
});

void t.test('segments: an abandoned large body leaves nothing behind', async (t) => {
  const { store, disk, reopen } = await openFixture(t);
  const writer = await store.openWriter('owner', undefined);
  await writer.write(randomBytes(3 * MIB));
  t.equal(writer.size, 3 * MIB);
  t.match(store.segments(), [{ id: writer.segment, open: true }]);
  await writer.abandon();
  await writer.abandon();
  t.same(store.segments(), []);
  t.equal(store.fileBytes, 0);
  t.equal(disk.openFiles, 0);
  t.same((await reopen()).segments(), []);
});

void t.test('segments: after finish, abandon does nothing', async (t) => {
  const { store } = await openFixture(t);
  const writer = await store.openWriter('owner', undefined);
  await writer.write(Buffer.from('body'));
  const extent = await writer.finish();
  await writer.abandon();
  t.equal((await readSmall(store, extent)).toString(), 'body');
});

void t.test('segments: a failed write or sync fails the large body and removes its file', async (t) => {
  for (const operation of ['write', 'sync', 'syncDirectory'] as const) {
    const { store, disk } = await openFixture(t);
    disk.failNext(operation, operation === 'write' ? 'DISK_FULL' : 'IO_FAILED');
    await t.rejects(
      writeLarge(store, 'owner', randomBytes(2 * MIB)),
      { code: operation === 'write' ? 'DISK_FULL' : 'IO_FAILED' },
      operation,
    );
    for (const { open } of store.segments()) t.equal(open, true, 'only the writer may still hold it');
    await store.close();
    t.same(store.segments(), [], operation);
    t.equal(store.statistics.payloadBytes, 0);
  }
});

void t.test('segments: writers that wait for their clients do not hold up one that does not', async (t) => {
  const { store } = await openFixture(t, { writeBuffersMax: 2 });
  const slow = await Promise.all(Array.from({ length: 8 }, () => store.openWriter('slow', undefined)));
  const bodies = slow.map(() => randomBytes(700_000));
  for (const [index, writer] of slow.entries())
    await writer.write(bodies[index]?.subarray(0, 300_000) ?? slow0);
  const fast = randomBytes(5 * MIB);
  t.ok((await readAll(store, await writeLarge(store, 'fast', fast))).equals(fast));
  for (const [index, writer] of slow.entries()) {
    const body = bodies[index] ?? slow0;
    await writer.write(body.subarray(300_000));
    t.ok((await readAll(store, await writer.finish())).equals(body));
  }
});
const slow0 = Buffer.alloc(0);

void t.test('segments: readers beyond the memory for them read in smaller pieces', async (t) => {
  const { store } = await openFixture(t, { readBuffersMax: 1 });
  const body = randomBytes(2 * MIB + 1);
  const extent = await writeLarge(store, 'owner', body);
  const first = store.read(extent, 0, extent.size - 1)[Symbol.asyncIterator]();
  const piece = await first.next();
  t.ok(Buffer.from(piece.value ?? slow0).equals(body.subarray(0, MIB)));
  t.ok((await readAll(store, extent)).equals(body));
  await first.return?.();
  t.ok((await readAll(store, extent)).equals(body));
});

void t.test('segments: close abandons the bodies that are still being written', async (t) => {
  const { store, disk } = await openFixture(t);
  const writer = await store.openWriter('owner', undefined);
  await writer.write(randomBytes(100));
  await store.close();
  t.equal(disk.openFiles, 0);
  t.same(store.segments(), []);
});
