/** Large bodies hashed together while they stream in: whatever their lengths and pieces, the digests are those of node:crypto. */
import { createHash } from 'node:crypto';
import fc from 'fast-check';
import t from 'tap';
import { hexOf } from '../../src/core/hashing.js';
import { Md5Streams, type Md5Stream } from '../../src/core/md5-streams.js';

const KIB = 1024;

/** A body of `size` bytes that depends on `seed`. */
function bodyOf(seed: number, size: number): Buffer {
  const body = Buffer.allocUnsafe(size);
  let state = seed + 1;
  for (let i = 0; i < size; i++) {
    state = (Math.imul(state, 1664525) + 1013904223) >>> 0;
    body[i] = state >>> 24;
  }
  return body;
}

function md5Reference(body: Uint8Array): string {
  return createHash('md5').update(body).digest('hex');
}

const nextTurn = (callback: () => void): void => void setImmediate(callback);

/** Feeds a body a piece at a time, from a buffer that is overwritten as soon as it may be. */
async function digestOf(stream: Md5Stream, body: Buffer, pieceBytes: number): Promise<string> {
  const piece = Buffer.alloc(pieceBytes);
  for (let at = 0; at < body.length; at += pieceBytes) {
    const size = body.copy(piece, 0, at, at + pieceBytes);
    await stream.update(piece.subarray(0, size));
    piece.fill(0xff);
  }
  return hexOf(await stream.digest());
}

/** Digests of bodies that all come at the same time, in their order. */
function digestTogether(
  streams: Md5Streams,
  bodies: readonly Buffer[],
  pieceBytes: number,
): Promise<string[]> {
  const open = bodies.map((body) => ({ body, stream: streams.open() }));
  return Promise.all(open.map(({ body, stream }) => digestOf(stream, body, pieceBytes)));
}

void t.test('md5 streams: any lengths and pieces, in turn, give the digests of node:crypto', async (t) => {
  const size = fc.oneof(fc.nat(200), fc.nat(70_000), fc.nat(900_000));
  const sizes = fc.array(size, { minLength: 1, maxLength: 14 });
  await fc.assert(
    fc.asyncProperty(sizes, fc.integer({ min: 20_000, max: 300_000 }), async (lengths, pieceBytes) => {
      const bodies = lengths.map((length, seed) => bodyOf(seed, length));
      t.same(await digestTogether(new Md5Streams(nextTurn), bodies, pieceBytes), bodies.map(md5Reference));
    }),
    { numRuns: 25 },
  );
});

void t.test('md5 streams: every length around a block and around a slot is padded right', async (t) => {
  const around = (middle: number) => Array.from({ length: 80 }, (_, i) => middle - 70 + i);
  const streams = new Md5Streams(nextTurn);
  for (const lengths of [Array.from({ length: 130 }, (_, i) => i), around(256 * KIB), around(512 * KIB)]) {
    for (let first = 0; first < lengths.length; first += 16) {
      const bodies = lengths.slice(first, first + 16).map((length) => bodyOf(length, length));
      t.same(await digestTogether(streams, bodies, 64 * KIB), bodies.map(md5Reference));
    }
  }
});

void t.test('md5 streams: a fast body does not wait for silent ones', async (t) => {
  const streams = new Md5Streams(nextTurn);
  const silent = bodyOf(1, 100 * KIB);
  const opened = Array.from({ length: 6 }, () => streams.open());
  for (const stream of opened) t.equal(stream.update(silent), undefined);
  const fast = bodyOf(2, 3000 * KIB);
  t.equal(await digestOf(streams.open(), fast, 64 * KIB), md5Reference(fast));
  for (const each of opened) t.equal(hexOf(await each.digest()), md5Reference(silent));
});

void t.test('md5 streams: a stream that is abandoned while a piece waits takes no more of it', async (t) => {
  const streams = new Md5Streams(nextTurn);
  const first = streams.open();
  const abandoned = streams.open();
  const waiting = abandoned.update(bodyOf(1, 900 * KIB));
  t.ok(waiting, 'the piece is larger than the room for it');
  abandoned.abandon();
  await waiting;
  const body = bodyOf(2, 700 * KIB);
  t.equal(await digestOf(streams.open(), body, 100 * KIB), md5Reference(body), 'in the same slot');
  first.abandon();
});

void t.test(
  'md5 streams: slots of streams that ended are used again, and what finds none is hashed too',
  async (t) => {
    const streams = new Md5Streams(nextTurn);
    for (let round = 0; round < 3; round++) {
      const abandoned = Array.from({ length: 40 }, () => streams.open());
      for (const stream of abandoned) await stream.update(bodyOf(round, 1000));
      const bodies = Array.from({ length: 80 }, (_, i) => bodyOf(i, 5000 * (i % 3) + i));
      t.same(await digestTogether(streams, bodies, 4 * KIB), bodies.map(md5Reference));
      for (const stream of abandoned) stream.abandon();
    }
  },
);

void t.test('md5 streams: an end that is announced twice changes nothing', async (t) => {
  const streams = new Md5Streams(nextTurn);
  const alone = streams.open();
  const body = bodyOf(7, 300 * KIB);
  const second = streams.open();
  for (const stream of [alone, second]) await stream.update(body);
  const digests = [alone.digest(), second.digest()];
  for (const stream of [alone, second]) stream.abandon();
  for (const digest of digests) t.equal(hexOf(await digest), md5Reference(body));
});

void t.test('md5 streams: a body that is alone is joined by others later', async (t) => {
  const streams = new Md5Streams(nextTurn);
  const body = bodyOf(3, 900 * KIB);
  const alone = streams.open();
  await alone.update(body.subarray(0, 300 * KIB));
  const others = [bodyOf(4, 500 * KIB), bodyOf(5, 10), bodyOf(6, 600 * KIB)];
  const together = digestTogether(streams, others, 64 * KIB);
  await alone.update(body.subarray(300 * KIB));
  t.equal(hexOf(await alone.digest()), md5Reference(body));
  t.same(await together, others.map(md5Reference));
  const small = bodyOf(7, 1000);
  t.equal(await digestOf(streams.open(), small, 400), md5Reference(small), 'and is alone again');
});

void t.test('md5 streams: without SIMD the digests are the same', async (t) => {
  const bodies = Array.from({ length: 5 }, (_, i) => bodyOf(i, i * 100_000));
  const streams = new Md5Streams(nextTurn, { simd: false });
  t.same(await digestTogether(streams, bodies, 64 * KIB), bodies.map(md5Reference));
});
