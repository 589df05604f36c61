import { createHash } from 'node:crypto';
import fc from 'fast-check';
import t from 'tap';
import { PieceHash } from '../../../src/http/s3/piece-hash.js';

void t.test(
  'piece hash: it is the SHA-256 of all pieces, however many there are and whether their size is known',
  async (t) => {
    fc.assert(
      fc.property(
        fc.array(fc.uint8Array({ maxLength: 40 }), { maxLength: 4 }),
        fc.boolean(),
        (pieces, known) => {
          const size = pieces.reduce((sum, piece) => sum + piece.length, 0);
          const hash = new PieceHash(known ? size : undefined);
          for (const piece of pieces) hash.update(piece);
          t.equal(hash.digest(), createHash('sha256').update(Buffer.concat(pieces)).digest('hex'));
        },
      ),
    );
  },
);
