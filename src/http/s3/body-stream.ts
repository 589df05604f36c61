/**
 * A large body as an iterator with back-pressure: the socket is paused while the reader is behind.
 *
 * At most `HIGH_WATER_BYTES` and one read of the socket are queued. The iterator throws when the client goes away or the
 * body turns out to be wrong, always before it says it is done, so that nothing is stored.
 */
import type { BodyReader, BodyReceiver } from './body-reader.js';

const HIGH_WATER_BYTES = 256 * 1024;
const LOW_WATER_BYTES = 64 * 1024;

interface Waiter {
  readonly resolve: (result: IteratorResult<Uint8Array, undefined>) => void;
  readonly reject: (error: unknown) => void;
}

const DONE: IteratorResult<Uint8Array, undefined> = { done: true, value: undefined };

export class BodyStream implements BodyReceiver, AsyncIterableIterator<Uint8Array, undefined> {
  readonly #queue: Uint8Array[] = [];
  readonly #onFail: (error: unknown) => void;
  #reader: BodyReader | undefined;
  #queuedBytes = 0;
  #paused = false;
  #ended = false;
  #failed = false;
  #error: unknown;
  #waiter: Waiter | undefined;

  /** `onFail` is told what the iterator throws, whether anybody asks it or not. */
  constructor(onFail: (error: unknown) => void) {
    this.#onFail = onFail;
  }

  /** The reader that feeds this stream. */
  attach(reader: BodyReader): void {
    this.#reader = reader;
  }

  take(bytes: Uint8Array): void {
    const waiter = this.#waiter;
    if (waiter !== undefined) {
      this.#waiter = undefined;
      waiter.resolve({ done: false, value: bytes });
      return;
    }
    this.#queue.push(bytes);
    this.#queuedBytes += bytes.length;
    if (this.#queuedBytes < HIGH_WATER_BYTES || this.#paused) return;
    this.#paused = true;
    this.#reader?.pause();
  }

  end(): void {
    this.#ended = true;
    this.#waiter?.resolve(DONE);
    this.#waiter = undefined;
  }

  fail(error: unknown): void {
    this.#failed = true;
    this.#error = error;
    this.#onFail(error);
    this.#waiter?.reject(error);
    this.#waiter = undefined;
  }

  next(): Promise<IteratorResult<Uint8Array, undefined>> {
    if (this.#failed) return Promise.reject(this.#error as Error);
    const bytes = this.#queue.shift();
    if (bytes !== undefined) {
      this.#queuedBytes -= bytes.length;
      if (this.#paused && this.#queuedBytes <= LOW_WATER_BYTES) {
        this.#paused = false;
        this.#reader?.resume();
      }
      return Promise.resolve({ done: false, value: bytes });
    }
    if (this.#ended) return Promise.resolve(DONE);
    return new Promise((resolve, reject) => {
      this.#waiter = { resolve, reject };
    });
  }

  /** The consumer has enough: what is left of the body waits for the answer, which discards it. */
  return(): Promise<IteratorResult<Uint8Array, undefined>> {
    this.#reader?.abandon();
    this.#queue.length = 0;
    this.#queuedBytes = 0;
    this.#ended = true;
    return Promise.resolve(DONE);
  }

  [Symbol.asyncIterator](): this {
    return this;
  }
}
