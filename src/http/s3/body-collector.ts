/**
 * A small body as the chunks it arrived in, without a copy; and the bound on what all of them together may hold.
 */
import type { ObjectChecksum } from '../../core/object.js';
import type { BodyReceiver } from './body-reader.js';
import type { Exchange } from './exchange.js';
import { S3Error } from './s3-error.js';

/** Gets a body that is whole, with the checksum that was verified. */
export type UseOfBody = (chunks: Uint8Array[], size: number, checksum: ObjectChecksum | undefined) => void;

/** Collects up to `sizeMax` bytes for `use`; more is an EntityTooLarge. What goes wrong ends the exchange. */
export class BodyCollector implements BodyReceiver {
  readonly #exchange: Exchange;
  readonly #sizeMax: number;
  readonly #use: UseOfBody;
  readonly #chunks: Uint8Array[] = [];
  #size = 0;

  constructor(exchange: Exchange, sizeMax: number, use: UseOfBody) {
    this.#exchange = exchange;
    this.#sizeMax = sizeMax;
    this.#use = use;
  }

  take(bytes: Uint8Array): void {
    this.#size += bytes.length;
    if (this.#size > this.#sizeMax)
      throw new S3Error('EntityTooLarge', undefined, {
        elements: { MaxSizeAllowed: String(this.#sizeMax) },
      });
    this.#chunks.push(bytes);
  }

  end(checksum: ObjectChecksum | undefined): void {
    try {
      this.#use(this.#chunks, this.#size, checksum);
    } catch (error) {
      this.#exchange.fail(error);
    }
  }

  fail(error: unknown): void {
    this.#exchange.bodyFailed(error);
    this.#exchange.fail(error);
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
