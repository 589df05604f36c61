import t from 'tap';
import { KIB } from '../../../src/core/units.js';
import { BodyMemory, POOLED_BODY_BYTES_MAX } from '../../../src/http/plain/body-memory.js';

void t.test('body memory: a piece is long enough, not much longer, and used again', async (t) => {
  const memory = new BodyMemory();
  for (const bytes of [1, 100, 4 * KIB, 10 * KIB, 16 * KIB, 16 * KIB + 1, POOLED_BODY_BYTES_MAX]) {
    const piece = memory.take(bytes);
    t.ok(piece.length >= bytes && piece.length <= 4 * bytes, `${piece.length} for ${bytes}`);
    t.not(memory.take(bytes), piece, 'one that is in use is nobody else’s');
    memory.give(piece);
    if (bytes >= 4 * KIB) t.equal(memory.take(bytes), piece);
  }
});

void t.test('body memory: what is kept is bounded', async (t) => {
  const memory = new BodyMemory();
  const pieces = Array.from({ length: 1000 }, () => memory.take(10 * KIB));
  for (const piece of pieces) memory.give(piece);
  const again = Array.from({ length: 1000 }, () => memory.take(10 * KIB));
  t.equal(again.filter((piece) => pieces.includes(piece)).length, 256);
});
