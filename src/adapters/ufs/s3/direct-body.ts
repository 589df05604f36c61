/**
 * The streamed body of a request that goes past the AWS client: handed on piece by piece, without a copy.
 *
 * A piece of the source is valid until the next is asked for, and the next is asked for when the kernel has the one before
 * (`http-exchange.ts`). So a body of any size takes the memory of what the source reads ahead, and no page is touched for the
 * first time: that, and not the sending, is what buffered parts cost.
 *
 * The last byte goes out only when the source has ended: a body that is longer than it claims must not be stored cut.
 */
import type { StorePutRequest } from '../../../core/object-store.js';
import { bodyOf } from '../put-body.js';

export class DirectBody implements AsyncIterable<Uint8Array> {
  readonly sizeBytes: number;
  readonly #request: BodyRequest;
  readonly #onPiece: ((piece: Uint8Array) => void) | undefined;
  #error: unknown;
  #settle: () => void = () => undefined;
  #isOver = false;
  /** Resolves when the source was let go of, whatever became of the request. */
  readonly over = new Promise<void>((resolve) => {
    this.#settle = resolve;
  });

  /** Opens nothing yet. `onPiece` sees each piece before it goes out. */
  constructor(request: BodyRequest, onPiece?: (piece: Uint8Array) => void) {
    this.sizeBytes = request.size;
    this.#request = request;
    this.#onPiece = onPiece;
  }

  /** Why the source failed. */
  get error(): unknown {
    return this.#error;
  }

  get isOver(): boolean {
    return this.#isOver;
  }

  async *[Symbol.asyncIterator](): AsyncGenerator<Uint8Array, void, undefined> {
    let left = this.sizeBytes;
    let last: Uint8Array | undefined;
    try {
      for await (const piece of bodyOf(this.#request)) {
        if (piece.length === 0) continue;
        this.#onPiece?.(piece);
        left -= piece.length;
        if (left === 0) last = Uint8Array.of(piece[piece.length - 1] ?? 0);
        const now = left === 0 ? piece.subarray(0, -1) : piece;
        if (now.length > 0) yield now;
      }
      if (last !== undefined) yield last;
    } catch (error) {
      this.#error = error;
      throw error;
    } finally {
      this.#isOver = true;
      this.#settle();
    }
  }
}

export type BodyRequest = Pick<StorePutRequest, 'bucket' | 'key' | 'size' | 'open'>;
