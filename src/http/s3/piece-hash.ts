/**
 * SHA-256 of bytes that mostly come in one piece, as small bodies and chunks do: such a piece is hashed in one call, without a
 * hash object, which costs as much as hashing some KiB and which the garbage collector has to find again.
 */
import { createHash, hash } from 'node:crypto';
import type { Hash } from 'node:crypto';
import { assert } from '../../core/assert.js';

const EMPTY = hash('sha256', '', 'hex');

export class PieceHash {
  readonly #size: number | undefined;
  #digest = EMPTY;
  #hash: Hash | undefined;

  /** `size` is that of all pieces, in bytes, when it is known. */
  constructor(size: number | undefined) {
    this.#size = size;
  }

  update(bytes: Uint8Array): void {
    if (bytes.length === 0) return;
    assert(this.#digest === EMPTY, 'there are no more bytes than was said');
    if (this.#hash === undefined && bytes.length === this.#size) this.#digest = hash('sha256', bytes, 'hex');
    else (this.#hash ??= createHash('sha256')).update(bytes);
  }

  /** Lower-case hexadecimal digits. Call it once, last. */
  digest(): string {
    return this.#hash === undefined ? this.#digest : this.#hash.digest('hex');
  }
}
