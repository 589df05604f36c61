/**
 * Sends the parts of one multipart upload.
 *
 * A part for which the budget has room is read into memory and sent while the next is read. One for which it has none is
 * streamed, which holds the source back until it is through. The first failure stops the other parts.
 */
import { createMd5, hexOf } from '../../../core/hashing.js';
import type { PartSource } from './part-source.js';
import { damagedError } from './s3-errors.js';
import { contradicts, type EncryptionFields, md5HeaderOf, storeEtagOf } from './s3-metadata.js';
import type { S3Connection } from './s3-session.js';
import { StreamedBody } from './streamed-body.js';

const PARTS_IN_FLIGHT_MAX = 4;

/** Bytes of memory that several uploads share. */
export class BufferBudget {
  readonly #bytesMax: number;
  #bytes = 0;

  constructor(bytesMax: number) {
    this.#bytesMax = bytesMax;
  }

  tryTake(bytes: number): boolean {
    if (this.#bytes + bytes > this.#bytesMax) return false;
    this.#bytes += bytes;
    return true;
  }

  giveBack(bytes: number): void {
    this.#bytes -= bytes;
  }
}

export interface S3Upload {
  readonly Bucket: string;
  readonly Key: string;
  readonly UploadId: string;
}

export interface UploadedPart {
  readonly PartNumber: number;
  readonly ETag: string;
}

export class PartSender {
  readonly #connection: S3Connection;
  readonly #upload: S3Upload;
  readonly #buffers: BufferBudget;
  readonly #failure = new AbortController();
  readonly #signal: AbortSignal;
  readonly #inFlight = new Set<Promise<void>>();
  readonly #parts: UploadedPart[] = [];
  #encryption: EncryptionFields = {};

  constructor(
    connection: S3Connection,
    upload: S3Upload,
    buffers: BufferBudget,
    signal: AbortSignal | undefined,
  ) {
    this.#connection = connection;
    this.#upload = upload;
    this.#buffers = buffers;
    this.#signal =
      signal === undefined ? this.#failure.signal : AbortSignal.any([signal, this.#failure.signal]);
  }

  /** Sends parts of `sizes` bytes, which is all that `source` has, and closes it. Nothing is in flight on return. */
  async send(source: PartSource, sizes: readonly number[]): Promise<readonly UploadedPart[]> {
    try {
      for (const [index, size] of sizes.entries()) {
        this.#signal.throwIfAborted();
        if (this.#inFlight.size < PARTS_IN_FLIGHT_MAX && this.#buffers.tryTake(size)) {
          await this.#startBuffered(source, index + 1, size);
        } else {
          await this.#sendStreamed(source, index + 1, size);
        }
      }
      await source.finish();
    } catch (error) {
      this.#failure.abort(error);
    }
    await Promise.all(this.#inFlight);
    await source.close();
    // The first failure is the reason; the others are its consequence.
    if (this.#failure.signal.aborted) throw this.#failure.signal.reason;
    return this.#parts;
  }

  /** The ETag of the whole is made of those of the parts: `UFS_UNAVAILABLE` when that will not be `expected`. */
  verify(expected: string): void {
    const hash = createMd5();
    for (const { ETag } of this.#parts) {
      const etag = storeEtagOf({ ETag });
      if (md5HeaderOf(etag) === undefined) return;
      hash.update(Buffer.from(etag, 'hex'));
    }
    const combined = `${hexOf(hash.digest())}-${this.#parts.length}`;
    if (!contradicts(expected, combined, this.#encryption)) return;
    throw damagedError(`s3://${this.#upload.Bucket}/${this.#upload.Key}`, expected, combined);
  }

  /** Resolves when the part is in memory; it is sent behind. */
  async #startBuffered(source: PartSource, number: number, size: number): Promise<void> {
    let buffer: Uint8Array;
    try {
      buffer = await source.buffer(size);
    } catch (error) {
      this.#buffers.giveBack(size);
      throw error;
    }
    const settled = this.#sendPart(number, size, buffer, this.#signal)
      .catch((error: unknown) => this.#failure.abort(error))
      .finally(() => {
        this.#buffers.giveBack(size);
        this.#inFlight.delete(settled);
      });
    this.#inFlight.add(settled);
  }

  async #sendStreamed(source: PartSource, number: number, size: number): Promise<void> {
    const body = new StreamedBody(source.stream(size), this.#signal);
    try {
      await this.#sendPart(number, size, body.readable, body.signal);
    } catch (error) {
      throw body.error ?? error;
    } finally {
      body.close();
    }
  }

  async #sendPart(
    number: number,
    size: number,
    body: Uint8Array | StreamedBody['readable'],
    signal: AbortSignal,
  ): Promise<void> {
    const { client, sdk } = this.#connection;
    const command = new sdk.UploadPartCommand({
      ...this.#upload,
      PartNumber: number,
      Body: body,
      ContentLength: size,
    });
    const answer = await client.send(command, { abortSignal: signal });
    this.#encryption = answer;
    this.#parts[number - 1] = { PartNumber: number, ETag: answer.ETag ?? '' };
  }
}
