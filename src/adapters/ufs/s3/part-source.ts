/**
 * One stream of bytes, handed out in parts of given sizes, one after the other.
 *
 * A chunk of the stream is valid until the next is asked for, while the HTTP client may hold on to what it was given:
 * so everything that leaves here is a copy.
 */
import { assert } from '../../../core/assert.js';
import { KIB } from '../../../core/units.js';

/** Copies are cut to this, so that the allocator reuses their memory. */
const COPY_BYTES_MAX = 64 * KIB;

export class PartSource {
  readonly #iterator: AsyncIterator<Uint8Array>;
  #chunk: Uint8Array = new Uint8Array(0);
  #position = 0;

  constructor(stream: AsyncIterable<Uint8Array>) {
    this.#iterator = stream[Symbol.asyncIterator]();
  }

  /** The next `size` bytes, in one piece. */
  async buffer(size: number): Promise<Uint8Array> {
    const target = Buffer.allocUnsafeSlow(size);
    let filled = 0;
    while (filled < size) {
      const piece = await this.#take(size - filled);
      target.set(piece, filled);
      filled += piece.length;
    }
    return target;
  }

  /** The next `size` bytes, as a stream. */
  async *stream(size: number): AsyncGenerator<Uint8Array, void, undefined> {
    let left = size;
    while (left > 0) {
      const piece = await this.#take(Math.min(left, COPY_BYTES_MAX));
      left -= piece.length;
      yield Buffer.from(piece);
    }
  }

  /**
   * All `size` bytes, as a stream, each piece past `onPiece`. The last one is given out only when nothing comes behind it: a
   * body that is too long must not be stored cut.
   */
  async *whole(
    size: number,
    onPiece: (piece: Uint8Array) => void,
  ): AsyncGenerator<Uint8Array, void, undefined> {
    let left = size;
    for await (const piece of this.stream(size)) {
      left -= piece.length;
      onPiece(piece);
      if (left === 0) await this.finish();
      yield piece;
    }
  }

  /** Reads on to the end, where the stream tells whether it was as long as it should be. */
  async finish(): Promise<void> {
    const { done } = await this.#iterator.next();
    assert(done === true, 'a put has a byte more than its size, unnoticed');
  }

  /** Lets go of the stream, wherever it stands. */
  async close(): Promise<void> {
    await this.#iterator.return?.();
  }

  async #take(bytesMax: number): Promise<Uint8Array> {
    while (this.#position === this.#chunk.length) {
      const next = await this.#iterator.next();
      assert(next.done !== true, 'the parts of a put are larger than its body');
      this.#chunk = next.value;
      this.#position = 0;
    }
    const piece = this.#chunk.subarray(this.#position, this.#position + bytesMax);
    this.#position += piece.length;
    return piece;
  }
}
