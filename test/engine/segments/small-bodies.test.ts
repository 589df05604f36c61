import { randomBytes } from 'node:crypto';
import t from 'tap';
import type { Extent } from '../../../src/core/object.js';
import { SMALL_EXTENT_BYTES_MAX } from '../../../src/engine/segments/segment-format.js';
import { append, appendRandom, openFixture, readSmall, segmentPath, walkAll } from './fixture.js';

const MIB = 1024 ** 2;
const TINY = { smallSegmentBytes: MIB, batchBytes: 512 * 1024 };

void t.test('segments: a small body comes back byte for byte, whatever pieces it came in', async (t) => {
  const { store } = await openFixture(t);
  for (const size of [0, 1, 7, 8, 4096, 10_240, 256 * 1024]) {
    const body = randomBytes(size);
    const middle = size >> 1;
    const extent = await store.append('owner', [body.subarray(0, middle), body.subarray(middle)], size);
    t.equal(extent.size, size);
    t.ok((await readSmall(store, extent)).equals(body), `${size} bytes`);
  }
});

void t.test('segments: pieces may be reused as soon as append was called', async (t) => {
  const { store } = await openFixture(t);
  const piece = Buffer.alloc(100, 'a');
  const appended = append(store, 'owner', piece);
  piece.fill('b');
  t.ok((await readSmall(store, await appended)).equals(Buffer.alloc(100, 'a')));
});

void t.test('segments: bodies that complete in the same turn share one write', async (t) => {
  const { store, disk } = await openFixture(t);
  await appendRandom(store, 1, 10);
  const before = { writes: disk.count('write'), counted: store.statistics.writes };
  const extents = await appendRandom(store, 64, 10_240);
  t.equal(disk.count('write') - before.writes, 1);
  t.equal(store.statistics.writes - before.counted, 1);
  t.equal(new Set(extents.map((extent) => extent.position)).size, 64);
});

void t.test('segments: bodies that arrive during a write are the next one', async (t) => {
  const { store, disk } = await openFixture(t);
  await appendRandom(store, 1, 10);
  const before = disk.count('write');
  const release = disk.holdWrites();
  const first = append(store, 'first', randomBytes(100));
  await new Promise<void>((resolve) => setImmediate(() => setImmediate(resolve)));
  t.equal(disk.count('write') - before, 1);
  const later = appendRandom(store, 20, 100);
  release();
  await Promise.all([first, later]);
  t.equal(disk.count('write') - before, 2);
});

void t.test('segments: at most 1.1 bytes are written per byte stored', async (t) => {
  const { store } = await openFixture(t);
  for (let round = 0; round < 20; round++) await appendRandom(store, 16, 10_240);
  const { writtenBytes, payloadBytes } = store.statistics;
  t.equal(payloadBytes, 20 * 16 * 10_240);
  t.ok(writtenBytes / payloadBytes < 1.1, `${writtenBytes / payloadBytes}`);
});

void t.test(
  'segments: bodies beyond the batches wait, and more than the queue holds are refused',
  async (t) => {
    const size = 200 * 1024;
    const limits = { batchBytes: SMALL_EXTENT_BYTES_MAX, batchCount: 2, queueBytesMax: 2 * size };
    const { store, disk } = await openFixture(t, limits);
    await appendRandom(store, 1, 10);
    const release = disk.holdWrites();
    const bodies = Array.from({ length: 5 }, () => randomBytes(size));
    const appended = bodies.map((body) => append(store, 'owner', body));
    const refused: Promise<unknown> = appended.pop() ?? Promise.resolve();
    await t.rejects(refused, { code: 'SLOW_DOWN', kind: 'RETRY' });
    let done = 0;
    for (const extent of appended) void extent.then(() => done++);
    await new Promise<void>((resolve) => setImmediate(() => setImmediate(resolve)));
    t.equal(done, 0);
    release();
    for (const [index, extent] of (await Promise.all(appended)).entries()) {
      t.ok((await readSmall(store, extent)).equals(bodies[index] ?? Buffer.alloc(0)));
    }
  },
);

void t.test('segments: a full segment is cut to its used length and another one is opened', async (t) => {
  const { store, disk } = await openFixture(t, TINY);
  const extents: Extent[] = [];
  for (let round = 0; round < 30; round++) extents.push(...(await appendRandom(store, 10, 10_000)));
  const ids = [...new Set(extents.map((extent) => extent.segment))];
  t.ok(ids.length >= 3, `${ids.length} segments`);
  await store.seal();
  for (const id of ids) {
    const entry = store.segments().find((segment) => segment.id === id);
    t.equal(entry?.open, false);
    t.equal(await disk.sizeOf(segmentPath(id)), entry?.fileBytes);
    const found = await walkAll(store, id);
    t.same(
      found.map(({ extent }) => extent),
      extents.filter((extent) => extent.segment === id),
    );
  }
  const total = store.segments().reduce((sum, segment) => sum + segment.fileBytes, 0);
  t.equal(store.fileBytes, total);
});

void t.test('segments: after seal the next body goes to a higher segment', async (t) => {
  const { store } = await openFixture(t);
  const before = await append(store, 'owner', randomBytes(10));
  t.equal(store.smallSegment, before.segment);
  await store.seal();
  t.ok(store.smallSegment > before.segment);
  const after = await append(store, 'owner', randomBytes(10));
  t.equal(store.smallSegment, after.segment);
  t.ok(after.segment > before.segment);
  await store.seal();
  await store.seal();
});

void t.test(
  'segments: a full disk rejects its batch and the next one goes to the same segment',
  async (t) => {
    const { store, disk } = await openFixture(t);
    const before = await append(store, 'before', randomBytes(5000));
    disk.failNext('write', 'DISK_FULL');
    const failed = [append(store, 'one', randomBytes(10)), append(store, 'two', randomBytes(10))];
    for (const promise of failed) await t.rejects(promise, { code: 'DISK_FULL', kind: 'OUT_OF_SPACE' });
    const after = await append(store, 'after', randomBytes(5000));
    t.equal(after.segment, before.segment);
    await readSmall(store, before);
    await readSmall(store, after);
    t.equal(store.statistics.payloadBytes, 10_000);
  },
);

void t.test('segments: after a failed write nothing more goes to that segment', async (t) => {
  const { store, disk } = await openFixture(t);
  const body = randomBytes(5000);
  const before = await append(store, 'before', body);
  disk.failNext('write', 'IO_FAILED');
  await t.rejects(append(store, 'lost', randomBytes(10)), { code: 'IO_FAILED' });
  const after = await append(store, 'after', randomBytes(10));
  t.ok(after.segment > before.segment);
  t.ok((await readSmall(store, before)).equals(body));
  await store.seal();
  t.same(
    (await walkAll(store, before.segment)).map(({ owner }) => owner),
    ['before'],
  );
});

void t.test('segments: a segment that cannot be created rejects the batch and is tried again', async (t) => {
  for (const operation of ['create', 'write', 'sync', 'syncDirectory'] as const) {
    const { store, disk } = await openFixture(t);
    disk.failNext(operation, 'IO_FAILED');
    await t.rejects(append(store, 'lost', randomBytes(10)), { code: 'IO_FAILED' }, operation);
    const body = randomBytes(10);
    t.ok((await readSmall(store, await append(store, 'stored', body))).equals(body), operation);
    t.equal(store.segments().length, 1, `${operation}: nothing of the failed segment is left`);
  }
});

void t.test('segments: a name is durable before a body in its file is acknowledged', async (t) => {
  const { store, disk } = await openFixture(t);
  await append(store, 'owner', randomBytes(10));
  const last = disk.operations.findLastIndex((entry) => entry.startsWith('write '));
  t.ok(disk.operations.slice(0, last).includes('syncDirectory segments'));
});

void t.test('segments: close writes what was accepted and refuses the rest', async (t) => {
  const { store, reopen } = await openFixture(t);
  const body = randomBytes(100);
  const appended = append(store, 'owner', body);
  await store.close();
  const extent = await appended;
  await t.rejects(append(store, 'owner', body), { code: 'CLOSED' });
  await t.rejects(store.readSmall(extent), { code: 'CLOSED' });
  await t.rejects(store.openWriter('owner', 1), { code: 'CLOSED' });
  t.ok((await readSmall(await reopen(), extent)).equals(body));
});
