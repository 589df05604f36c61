import { createHash, randomBytes } from 'node:crypto';
import fc from 'fast-check';
import t from 'tap';
import { createMd5, createXxhash64, hexOf, md5, xxhash64 } from '../../src/core/hashing.js';
import { FunctionWriter, encodeModule } from '../../src/core/md5-assembler.js';
import { MD5_LANES_BODY_BYTES_MAX, Md5Lanes } from '../../src/core/md5-lanes.js';

/** Turns that pass only when the test says so. */
class ManualTurns {
  readonly #callbacks: (() => void)[] = [];

  readonly nextTurn = (callback: () => void): void => {
    this.#callbacks.push(callback);
  };

  get pending(): number {
    return this.#callbacks.length;
  }

  run(): void {
    for (const callback of this.#callbacks.splice(0)) callback();
  }
}

function md5Reference(bytes: Uint8Array): string {
  return createHash('md5').update(bytes).digest('hex');
}

/** Hashes all bodies in one turn and returns their digests in the order of the bodies. */
function digestTogether(bodies: readonly Uint8Array[], options: { simd?: boolean } = {}): string[] {
  const turns = new ManualTurns();
  const lanes = new Md5Lanes(turns.nextTurn, options);
  const digests: string[] = [];
  bodies.forEach((body, index) => {
    const middle = body.length >> 1;
    const chunks = [body.subarray(0, middle), body.subarray(middle)];
    lanes.digest(chunks, body.length, (digest) => (digests[index] = hexOf(digest)));
  });
  turns.run();
  return digests;
}

void t.test('hashing: MD5 equals the test suite of RFC 1321', async (t) => {
  const suite = {
    '': 'd41d8cd98f00b204e9800998ecf8427e',
    a: '0cc175b9c0f1b6a831c399e269772661',
    abc: '900150983cd24fb0d6963f7d28e17f72',
    'message digest': 'f96b697d7cb7938d525a2f31aaf161d0',
    abcdefghijklmnopqrstuvwxyz: 'c3fcd3d76192e4007dfb496cca67e13b',
  };
  const bodies = Object.keys(suite).map((text) => Buffer.from(text));
  t.same(digestTogether(bodies), Object.values(suite));
  t.same(
    bodies.map((body) => hexOf(md5([body]))),
    Object.values(suite),
  );
});

void t.test('hashing: MD5 does not depend on where the pieces are cut', async (t) => {
  const body = randomBytes(1000);
  const hash = createMd5();
  for (const byte of body) hash.update(Uint8Array.of(byte));
  t.equal(hexOf(hash.digest()), md5Reference(body));
  t.equal(hexOf(md5([body.subarray(0, 3), body.subarray(3)])), md5Reference(body));
  t.equal(hexOf(md5([])), md5Reference(new Uint8Array()));
});

void t.test('hashing: xxhash64 in pieces equals that in one, and a known value', async (t) => {
  t.equal(xxhash64(new Uint8Array()), 0xef46db3751d8e999n);
  const body = randomBytes(300_000);
  const hash = createXxhash64();
  hash.update(body.subarray(0, 7));
  hash.update(body.subarray(7, 200_000));
  hash.update(body.subarray(200_000));
  t.equal(hash.digest(), xxhash64(body));
});

void t.test('md5 lanes: every length from 0 to 200 is padded right', async (t) => {
  const bodies = Array.from({ length: 201 }, (_, size) => randomBytes(size));
  t.same(digestTogether(bodies), bodies.map(md5Reference));
});

void t.test('md5 lanes: bodies of one block count, for each number of lanes in use', async (t) => {
  for (let count = 1; count <= 40; count++) {
    const bodies = Array.from({ length: count }, () => randomBytes(1000));
    t.same(digestTogether(bodies), bodies.map(md5Reference), `${count} bodies`);
  }
});

void t.test('md5 lanes: any mixture of lengths gives the digests of node:crypto', async (t) => {
  const size = fc.oneof(fc.nat(200), fc.nat(5000), fc.nat(70_000));
  fc.assert(
    fc.property(fc.array(size, { minLength: 1, maxLength: 40 }), (sizes) => {
      const bodies = sizes.map((bytes) => randomBytes(bytes));
      t.same(digestTogether(bodies), bodies.map(md5Reference));
    }),
    { numRuns: 60 },
  );
});

void t.test('md5 lanes: the largest bodies, more of them than the memory holds at once', async (t) => {
  const bodies = Array.from({ length: 20 }, () => randomBytes(MD5_LANES_BODY_BYTES_MAX));
  t.same(digestTogether(bodies), bodies.map(md5Reference));
});

void t.test('md5 lanes: without SIMD the digests are the same', async (t) => {
  const bodies = Array.from({ length: 20 }, (_, index) => randomBytes(index * 100));
  t.same(digestTogether(bodies, { simd: false }), bodies.map(md5Reference));
});

void t.test(
  'md5 lanes: the bodies of a turn are hashed in the next one, and pieces may be reused at once',
  async (t) => {
    const turns = new ManualTurns();
    const lanes = new Md5Lanes(turns.nextTurn);
    const shared = Buffer.alloc(100, 'a');
    const digests: string[] = [];
    lanes.digest([shared], 100, (digest) => digests.push(hexOf(digest)));
    shared.fill('b');
    lanes.digest([shared], 100, (digest) => digests.push(hexOf(digest)));
    t.equal(turns.pending, 1);
    t.same(digests, []);
    turns.run();
    t.same(digests, [md5Reference(Buffer.alloc(100, 'a')), md5Reference(Buffer.alloc(100, 'b'))]);
  },
);

void t.test('md5 lanes: sixteen bodies do not wait for the next turn', async (t) => {
  const turns = new ManualTurns();
  const lanes = new Md5Lanes(turns.nextTurn);
  let done = 0;
  for (let i = 0; i < 16; i++) lanes.digest([Buffer.from(String(i))], String(i).length, () => done++);
  t.equal(done, 16);
  turns.run();
  t.equal(done, 16);
});

void t.test('md5 lanes: a callback may bring the next body', async (t) => {
  const turns = new ManualTurns();
  const lanes = new Md5Lanes(turns.nextTurn);
  const digests: string[] = [];
  const first = Buffer.from('first');
  const second = Buffer.from('second');
  lanes.digest([first], first.length, (digest) => {
    digests.push(hexOf(digest));
    lanes.digest([second], second.length, (next) => digests.push(hexOf(next)));
  });
  turns.run();
  turns.run();
  t.same(digests, [md5Reference(first), md5Reference(second)]);
});

void t.test('md5 assembler: a module has the bytes that the specification prescribes', async (t) => {
  const body = new FunctionWriter(1);
  const vector = body.local('v128');
  body.constant(-1).loadVector(300).set(vector);
  const sections = [
    '0061736d01000000', // magic, version 1
    '0105' + '01' + '60017f00', // one type: one i32 parameter, no result
    '0210' + '01' + '04686f7374' + '066d656d6f7279' + '020001', // import host.memory, at least one page
    '0302' + '01' + '00', // one function, of type 0
    '0705' + '01' + '0172' + '0000', // export function 0 as r
    '0a0f' + '01' + '0d' + '01017b' + '417f' + 'fd0000ac02' + '2101' + '0b', // one local; -1; load at 300; set; end
  ];
  t.equal(Buffer.from(encodeModule([{ name: 'r', body }])).toString('hex'), sections.join(''));
});
