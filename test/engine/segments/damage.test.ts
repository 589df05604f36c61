import { randomBytes } from 'node:crypto';
import t from 'tap';
import { xxhash64 } from '../../../src/core/hashing.js';
import { encodeSegmentHeader } from '../../../src/engine/segments/segment-format.js';
import {
  append,
  appendRandom,
  flipBit,
  openFixture,
  readAll,
  readSmall,
  segmentPath,
  walkAll,
  writeLarge,
} from './fixture.js';

const CHUNK = 256 * 1024;
const HEADER = 48;

void t.test('segments: every flipped bit of a small payload is found', async (t) => {
  const { store, disk } = await openFixture(t);
  const body = randomBytes(40);
  const extent = await append(store, 'owner', body);
  const path = segmentPath(extent.segment);
  for (let bit = 0; bit < body.length * 8; bit++) {
    await flipBit(disk, path, extent.position + (bit >> 3), bit & 7);
    await t.rejects(store.readSmall(extent), { code: 'CORRUPT_EXTENT', kind: 'CORRUPT' });
    await flipBit(disk, path, extent.position + (bit >> 3), bit & 7);
  }
  t.ok((await readSmall(store, extent)).equals(body));
});

void t.test('segments: a flipped bit in an extent header hides it from walk, and only it', async (t) => {
  const { store, disk } = await openFixture(t);
  const body = randomBytes(40);
  const [first, second, third] = await Promise.all([
    append(store, 'first', randomBytes(40)),
    append(store, 'second', body),
    append(store, 'third', randomBytes(40)),
  ]);
  const path = segmentPath(second.segment);
  const headerStart = second.position - HEADER - 8;
  for (let bit = 0; bit < (HEADER + 'second'.length) * 8; bit++) {
    await flipBit(disk, path, headerStart + (bit >> 3), bit & 7);
    const found = await walkAll(store, second.segment);
    t.same(
      found.map(({ extent }) => extent),
      [first, third],
    );
    await flipBit(disk, path, headerStart + (bit >> 3), bit & 7);
  }
  t.ok((await readSmall(store, second)).equals(body), 'a read needs no header');
});

void t.test('segments: a damaged chunk stops a large read before it is handed out', async (t) => {
  const { store, disk } = await openFixture(t);
  const body = randomBytes(9 * CHUNK + 5);
  const extent = await writeLarge(store, 'owner', body);
  await flipBit(disk, segmentPath(extent.segment), extent.position + 6 * CHUNK + 17);
  const pieces: Buffer[] = [];
  const reading = (async (): Promise<void> => {
    for await (const piece of store.read(extent, 0, extent.size - 1)) pieces.push(Buffer.from(piece));
  })();
  await t.rejects(reading, { code: 'CORRUPT_EXTENT', details: { segment: extent.segment } });
  t.ok(body.subarray(0, 6 * CHUNK).indexOf(Buffer.concat(pieces)) === 0, 'what came before is right');
  t.ok((await readAll(store, extent, 7 * CHUNK, 8 * CHUNK)).equals(body.subarray(7 * CHUNK, 8 * CHUNK + 1)));
});

void t.test('segments: every flipped bit of the table of checksums is found', async (t) => {
  const { store, disk } = await openFixture(t);
  const extent = await writeLarge(store, 'owner', randomBytes(2 * CHUNK + 3));
  const path = segmentPath(extent.segment);
  const table = Math.ceil((extent.position + extent.size) / 8) * 8;
  for (let bit = 0; bit < 3 * 8 * 8; bit++) {
    await flipBit(disk, path, table + (bit >> 3), bit & 7);
    await t.rejects(readAll(store, extent, 0, 0), { code: 'CORRUPT_EXTENT' });
    await flipBit(disk, path, table + (bit >> 3), bit & 7);
  }
  t.equal((await readAll(store, extent)).length, extent.size);
});

void t.test('segments: a file that ends too early is corruption', async (t) => {
  const { store, disk } = await openFixture(t);
  const small = await append(store, 'owner', randomBytes(1000));
  const large = await writeLarge(store, 'owner', randomBytes(2 * CHUNK));
  await store.seal();
  for (const extent of [small, large]) {
    const file = await disk.open(segmentPath(extent.segment));
    await file.truncate(extent.position + extent.size - 1);
    await file.close();
    await t.rejects(readAll(store, extent), { code: 'CORRUPT_EXTENT', message: /ends at/ });
  }
});

void t.test('segments: a payload that looks like an extent is not taken for one', async (t) => {
  const { store, disk } = await openFixture(t);
  const inner = await append(store, 'inner', randomBytes(100));
  const copy = Buffer.alloc(8192);
  const file = await disk.open(segmentPath(inner.segment));
  await file.read(4096, copy);
  await file.close();
  const outer = await append(store, 'outer', copy);
  await append(store, 'last', randomBytes(10));
  await flipBit(disk, segmentPath(outer.segment), outer.position - HEADER);
  t.same(
    (await walkAll(store, inner.segment)).map(({ owner }) => owner),
    ['inner', 'last'],
  );
});

void t.test('segments: a damaged segment header is logged and its extents are still found', async (t) => {
  const { store, disk } = await openFixture(t);
  const extents = await appendRandom(store, 3, 100);
  const segment = extents[0]?.segment ?? 0;
  await flipBit(disk, segmentPath(segment), 20);
  t.same(
    (await walkAll(store, segment)).map(({ extent }) => extent),
    extents,
  );
});

void t.test('segments: the segments of another store or of a newer format are refused', async (t) => {
  const { store, reopen, disk } = await openFixture(t);
  const { segment } = await append(store, 'owner', randomBytes(10));
  await t.rejects(reopen({ storeId: new Uint8Array(16) }), { code: 'DATA_DIRECTORY_UNUSABLE' });
  const header = Buffer.alloc(64);
  encodeSegmentHeader(header, new Uint8Array(16).fill(7), segment);
  header.writeUInt16LE(2, 12);
  header.writeBigUInt64LE(xxhash64(header.subarray(8)), 0);
  const file = await disk.open(segmentPath(segment));
  await file.write(0, header);
  await file.close();
  await t.rejects(reopen(), { code: 'UNSUPPORTED_FORMAT', message: /format 2/ });
});
