import { createHash, createHmac } from 'node:crypto';
import fc from 'fast-check';
import t from 'tap';
import { sha256Of, SigningKey } from '../../../src/core/signing-key.js';
import { isSameSignature, SigningKeys } from '../../../src/http/auth/signing-keys.js';

const byteString = fc.oneof(
  fc.uint8Array({ maxLength: 40 }),
  // Around the room that a key has for texts, and around that of canonical requests whose views are kept.
  fc.integer({ min: 500, max: 1100 }).map((length) => Buffer.alloc(length, 'x')),
);
const textOf = (bytes: Uint8Array): string => Buffer.from(bytes).toString('latin1');

void t.test(
  'signing keys: signatures are HMAC-SHA256, whatever was signed before with the same key',
  async (t) => {
    const calls = fc.array(
      fc.tuple(fc.constantFrom('', 'start\n', 'other start\n', 'x'.repeat(300)), byteString),
      {
        minLength: 1,
        maxLength: 8,
      },
    );
    fc.assert(
      fc.property(fc.uint8Array({ maxLength: 64 }), calls, (bytes, texts) => {
        const key = new SigningKey(bytes);
        for (const [start, rest] of texts) {
          const message = start + textOf(rest);
          const expected = createHmac('sha256', bytes).update(message, 'latin1').digest('hex');
          t.equal(key.sign(textOf(rest), start), expected);
          const digest = sha256Of(textOf(rest));
          t.equal(key.prepare(start).sign(digest), key.sign(digest, start));
          t.equal(
            key.derive(message).sign('a'),
            createHmac('sha256', Buffer.from(expected, 'hex')).update('a').digest('hex'),
          );
        }
      }),
      { numRuns: 60 },
    );
  },
);

void t.test('signing keys: a hash is that of the bytes of a text, long or short', async (t) => {
  for (const length of [0, 1, 55, 64, 1023, 1024, 1025, 16_384, 16_385, 40_000, 3]) {
    const text = '\xe9'.repeat(length);
    t.equal(sha256Of(text), createHash('sha256').update(text, 'latin1').digest('hex'), `${length} bytes`);
  }
});

void t.test('signing keys: a signature is the same only when each of its digits is', async (t) => {
  const signature = createHash('sha256').update('a').digest('hex');
  t.ok(isSameSignature(signature, `${signature}`));
  for (let at = 0; at < signature.length; at++) {
    const other = signature.slice(0, at) + (signature[at] === '0' ? '1' : '0') + signature.slice(at + 1);
    t.notOk(isSameSignature(signature, other), `digit ${at}`);
    t.notOk(isSameSignature(other, signature), `digit ${at}`);
  }
  t.notOk(isSameSignature(signature, signature.slice(1)));
  t.notOk(isSameSignature('', ''));
});

void t.test('signing keys: a key is kept for its scope, and follows its secret', async (t) => {
  const keys = new SigningKeys();
  const scope = { date: '20130524', region: 'us-east-1', service: 's3' };
  const first = keys.get('a', 'one', scope);
  t.equal(keys.get('a', 'one', scope), first);
  t.equal(keys.get('a', 'one', { ...scope }), first, 'by what a scope says');
  t.not(keys.get('b', 'one', scope), first);
  t.equal(keys.get('a', 'one', scope), first, 'of another user with the same scope');
  t.not(keys.get('a', 'two', scope), first);
  t.equal(keys.get('a', 'two', scope).sign('x'), new SigningKeys().get('a', 'two', scope).sign('x'));
  for (let index = 0; index < 1001; index++) keys.get(`k${index}`, 'one', { ...scope });
  t.not(keys.get('k0', 'one', scope), keys.get('k1', 'one', scope));
});
