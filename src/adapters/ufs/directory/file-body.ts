/**
 * The bytes of an open file, as the body of a get.
 *
 * The descriptor is closed at the end, on the first error, when the consumer stops early, and by `destroy`, whichever
 * comes first. Chunks are small enough that the allocator reuses their memory, and are not touched again once yielded.
 */
import { HeadraceError } from '../../../core/errors.js';
import type { ByteRange } from '../../../core/object-store.js';
import { KIB } from '../../../core/units.js';
import { abortedError, runAbortable } from '../abortable.js';
import { closeFile, readSome } from './file-calls.js';
import { storeError } from './system-errors.js';

const CHUNK_BYTES = 64 * KIB;

export class FileBody implements AsyncIterable<Uint8Array>, AsyncIterator<Uint8Array, undefined> {
  readonly #file: string;
  readonly #signal: AbortSignal | undefined;
  #descriptor: number | undefined;
  #position: number;
  #reading: Promise<number> | undefined;
  readonly #end: number;

  constructor(file: string, descriptor: number, range: ByteRange, signal: AbortSignal | undefined) {
    this.#file = file;
    this.#descriptor = descriptor;
    this.#position = range.first;
    this.#end = range.last + 1;
    this.#signal = signal;
    signal?.addEventListener('abort', this.#onAbort, { once: true });
  }

  [Symbol.asyncIterator](): this {
    return this;
  }

  async next(): Promise<IteratorResult<Uint8Array, undefined>> {
    if (this.#position >= this.#end) return this.return();
    if (this.#signal?.aborted === true)
      throw abortedError(`reading ${this.#file}`, false, this.#signal.reason);
    const descriptor = this.#descriptor;
    if (descriptor === undefined) return { done: true, value: undefined };
    const length = Math.min(CHUNK_BYTES, this.#end - this.#position);
    const chunk = Buffer.allocUnsafe(length);
    try {
      const count = await runAbortable(`reading ${this.#file}`, this.#signal, () => {
        const reading = readSome(descriptor, chunk, length, this.#position);
        // A descriptor must not be closed, and its number reused, under a read that is still going on.
        this.#reading = reading;
        return reading;
      });
      if (count === 0) throw this.#shrunk();
      this.#position += count;
      return { done: false, value: count === length ? chunk : chunk.subarray(0, count) };
    } catch (error) {
      await this.return();
      throw storeError(`read ${this.#file}`, error);
    }
  }

  /** Closes the file; what was not read is not wanted. */
  async return(): Promise<IteratorResult<Uint8Array, undefined>> {
    const descriptor = this.#descriptor;
    this.#descriptor = undefined;
    this.#signal?.removeEventListener('abort', this.#onAbort);
    if (descriptor !== undefined) {
      const close = (): Promise<void> => closeFile(descriptor);
      const reading = this.#reading;
      if (reading === undefined) await close();
      // Not awaited: a read that hangs must not hold the consumer up.
      else void reading.then(close, close).catch(() => {});
    }
    return { done: true, value: undefined };
  }

  /** As `return`, for a body that nobody began to read. */
  destroy(): void {
    this.return().catch(() => {});
  }

  /** A body that nobody reads any more is closed with its call. */
  readonly #onAbort = (): void => this.destroy();

  #shrunk(): HeadraceError {
    return new HeadraceError(
      'UFS_UNAVAILABLE',
      `${this.#file} ended at byte ${this.#position} while it was read, before byte ${this.#end}`,
    );
  }
}

/** The bytes to read, as first and last. `UFS_REJECTED` when the range starts behind the end. */
export function rangeWithin(range: ByteRange | undefined, size: number, what: string): ByteRange {
  if (range === undefined) return { first: 0, last: size - 1 };
  if (range.first < 0 || range.first >= size || range.last < range.first) {
    throw new HeadraceError(
      'UFS_REJECTED',
      `${what} has ${size} bytes: there are no bytes ${range.first} to ${range.last}`,
      { details: { s3Code: 'InvalidRange' } },
    );
  }
  return { first: range.first, last: Math.min(range.last, size - 1) };
}
