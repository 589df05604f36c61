import { createHmac, hash } from 'node:crypto';
import fc from 'fast-check';
import t from 'tap';
import { HASHED_BYTES_MAX, HmacKernel, hmacKernel } from '../../../src/http/auth/hmac-kernel.js';

const BLOCK_BYTES = 64;

function padded(key: Uint8Array, by: number): Buffer {
  const block = Buffer.alloc(BLOCK_BYTES, by);
  for (const [index, byte] of key.entries()) block[index] = by ^ byte;
  return block;
}

function hmac(key: Uint8Array, start: string, hashed: Uint8Array): string {
  return createHmac('sha256', key)
    .update(start, 'latin1')
    .update(hash('sha256', hashed, 'hex'))
    .digest('hex');
}

const kernel = new HmacKernel();

void t.test(
  'hmac kernel: starts of every length are hashed as node:crypto hashes them, in any order',
  async (t) => {
    const keys = [Buffer.alloc(0), Buffer.from('key'), Buffer.alloc(BLOCK_BYTES, 0xff)];
    const prepared = Array.from({ length: 300 }, (_, length) => {
      const key = keys[length % keys.length] ?? keys[0]!;
      const start = Buffer.alloc(length, length).toString('latin1');
      return { key, text: start, start: kernel.prepare(padded(key, 0x36), padded(key, 0x5c), start) };
    });
    for (let step = 0; step < 3 * prepared.length; step++) {
      const { key, text, start } = prepared[(step * 7) % prepared.length]!;
      const hashed = Buffer.alloc((step * 5) % 400, step);
      t.ok(kernel.fits(start, hashed, hmac(key, text, hashed)), `${text.length} characters`);
    }
  },
);

void t.test('hmac kernel: of a signature every digit counts, and nothing else is one', async (t) => {
  const key = Buffer.from('key');
  const start = kernel.prepare(padded(key, 0x36), padded(key, 0x5c), 'start');
  const hashed = Buffer.from('hashed');
  const right = hmac(key, 'start', hashed);
  t.ok(kernel.fits(start, hashed, right));
  for (let at = 0; at < right.length; at++)
    for (let bit = 0; bit < 8; bit++) {
      const other = String.fromCharCode(right.charCodeAt(at) ^ (1 << bit));
      t.notOk(
        kernel.fits(start, hashed, right.slice(0, at) + other + right.slice(at + 1)),
        `bit ${bit} of ${at}`,
      );
    }
  for (const other of ['', right.slice(1), `${right}0`, right.toUpperCase(), 'x'.repeat(64)])
    t.notOk(kernel.fits(start, hashed, other), other);
  t.ok(kernel.fits(start, hashed, right), 'what was wrong leaves nothing behind');
});

void t.test('hmac kernel: any key, start and request, from one kernel', async (t) => {
  const bytes = fc.uint8Array({ maxLength: BLOCK_BYTES });
  const text = fc.uint8Array({ maxLength: 400 }).map((all) => Buffer.from(all).toString('latin1'));
  const hex = fc.uint8Array({ minLength: 32, maxLength: 32 }).map((all) => Buffer.from(all).toString('hex'));
  const long = fc.uint8Array({ maxLength: HASHED_BYTES_MAX, size: 'max' });
  fc.assert(
    fc.property(bytes, text, long, hex, (key, begin, hashed, other) => {
      const start = kernel.prepare(padded(key, 0x36), padded(key, 0x5c), begin);
      t.ok(kernel.fits(start, hashed, hmac(key, begin, hashed)));
      t.notOk(kernel.fits(start, hashed, other));
    }),
    { numRuns: 300 },
  );
});

void t.test('hmac kernel: a process has one', async (t) => {
  t.ok(hmacKernel());
  t.equal(hmacKernel(), hmacKernel());
});
