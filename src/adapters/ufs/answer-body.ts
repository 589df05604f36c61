/**
 * The body of a get: the answer's stream with its length checked and its failures in the words of the port.
 *
 * The connection is given back at the end, and cut on the first error, when the consumer stops early, and by `destroy`.
 */
import type { Readable } from 'node:stream';
import { HeadraceError } from '../../core/errors.js';
import { abortedError } from './abortable.js';

export class AnswerBody implements AsyncIterable<Uint8Array>, AsyncIterator<Uint8Array, undefined> {
  readonly #what: string;
  readonly #stream: Readable;
  readonly #iterator: AsyncIterator<Uint8Array>;
  readonly #signal: AbortSignal | undefined;
  readonly #size: number;
  #received = 0;
  #ended = false;

  /** `size` is how many bytes have to come. */
  constructor(what: string, stream: Readable, size: number, signal: AbortSignal | undefined) {
    this.#what = what;
    this.#stream = stream;
    this.#size = size;
    this.#signal = signal;
    this.#iterator = stream[Symbol.asyncIterator]() as AsyncIterator<Uint8Array>;
    // An error that comes while nobody reads is found by the next read; it must not end the process.
    stream.on('error', () => {});
    signal?.addEventListener('abort', this.#onAbort, { once: true });
  }

  [Symbol.asyncIterator](): this {
    return this;
  }

  async next(): Promise<IteratorResult<Uint8Array, undefined>> {
    if (this.#ended) return { done: true, value: undefined };
    try {
      const { done, value } = await this.#iterator.next();
      if (done !== true) {
        this.#received += value.length;
        return { done: false, value };
      }
    } catch (error) {
      this.#end();
      throw this.#failure(error);
    }
    this.#end();
    if (this.#received !== this.#size) throw this.#failure(undefined);
    return { done: true, value: undefined };
  }

  return(): Promise<IteratorResult<Uint8Array, undefined>> {
    this.#end();
    return Promise.resolve({ done: true, value: undefined });
  }

  /** As `return`, for a body that nobody began to read. */
  destroy(): void {
    this.#end();
  }

  #end(): void {
    this.#ended = true;
    this.#signal?.removeEventListener('abort', this.#onAbort);
    // After the end it does nothing, so the connection is used again.
    this.#stream.destroy();
  }

  readonly #onAbort = (): void => {
    this.#stream.destroy(new Error('aborted'));
  };

  #failure(cause: unknown): HeadraceError {
    if (this.#signal?.aborted === true) return abortedError(this.#what, false, this.#signal.reason);
    return new HeadraceError(
      'UFS_UNAVAILABLE',
      `${this.#what} broke off after ${this.#received} of ${this.#size} bytes`,
      { cause },
    );
  }
}
