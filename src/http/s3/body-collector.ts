/**
 * A small body as the chunks it arrived in, without a copy; and the bound on what all of them together may hold.
 */
import type { BodyReceiver } from './body-reader.js';
import { S3Error } from './s3-error.js';

/** Collects up to `sizeMax` bytes; more is an EntityTooLarge. */
export class BodyCollector implements BodyReceiver {
  readonly #sizeMax: number;
  readonly #onEnd: (chunks: Uint8Array[], size: number) => void;
  readonly #onFail: (error: unknown) => void;
  readonly #chunks: Uint8Array[] = [];
  #size = 0;

  constructor(
    sizeMax: number,
    onEnd: (chunks: Uint8Array[], size: number) => void,
    onFail: (error: unknown) => void,
  ) {
    this.#sizeMax = sizeMax;
    this.#onEnd = onEnd;
    this.#onFail = onFail;
  }

  take(bytes: Uint8Array): void {
    this.#size += bytes.length;
    if (this.#size > this.#sizeMax)
      throw new S3Error('EntityTooLarge', undefined, {
        elements: { MaxSizeAllowed: String(this.#sizeMax) },
      });
    this.#chunks.push(bytes);
  }

  end(): void {
    this.#onEnd(this.#chunks, this.#size);
  }

  fail(error: unknown): void {
    this.#onFail(error);
  }
}

/**
 * Bytes that small bodies may hold in memory at a time. A body for which there is no room is not refused: it is read
 * as a stream, whose back-pressure needs none.
 */
export class BodyBudget {
  readonly #limitBytes: number;
  #heldBytes = 0;

  constructor(limitBytes: number) {
    this.#limitBytes = limitBytes;
  }

  get heldBytes(): number {
    return this.#heldBytes;
  }

  tryTake(bytes: number): boolean {
    if (this.#heldBytes + bytes > this.#limitBytes) return false;
    this.#heldBytes += bytes;
    return true;
  }

  release(bytes: number): void {
    this.#heldBytes -= bytes;
  }
}
