/**
 * Reads one request's body: undoes its framing, checks it, and hands the bytes on as the slices they came in.
 *
 * Invariant: exactly one of `end` and `fail` is called, once, and nothing after it. `end` means that the body is
 * whole and everything the request said about it holds. A client that vanishes, or a body that is wrong, is a `fail`.
 */
import { PART_BYTES_MAX } from '../../core/object.js';
import type { ObjectChecksum } from '../../core/object.js';
import { AwsChunkedDecoder } from './aws-chunked.js';
import type { BodyPlan } from './body-plan.js';
import { BodyVerifier } from './body-verifier.js';
import type { HttpRequest } from './http-messages.js';
import { S3Error } from './s3-error.js';

export interface BodyReceiver {
  take(bytes: Uint8Array): void;
  /** The body is whole; with the checksum that was verified. */
  end(checksum: ObjectChecksum | undefined): void;
  fail(error: unknown): void;
}

const NO_TRAILERS: ReadonlyMap<string, string> = new Map();

export class BodyReader {
  readonly #request: HttpRequest;
  readonly #plan: BodyPlan;
  readonly #receiver: BodyReceiver;
  readonly #verifier: BodyVerifier | undefined;
  readonly #decoder: AwsChunkedDecoder | undefined;
  /** Listens for the end of a body whose length is not known. */
  #onEnd: (() => void) | undefined;
  #wireBytes = 0;
  #settled = false;
  #drained = false;

  constructor(request: HttpRequest, plan: BodyPlan, receiver: BodyReceiver) {
    this.#request = request;
    this.#plan = plan;
    this.#receiver = receiver;
    this.#verifier =
      plan.checksum === undefined && plan.sha256 === undefined ? undefined : new BodyVerifier(plan);
    this.#decoder =
      plan.framing === 'identity'
        ? undefined
        : new AwsChunkedDecoder({
            size: plan.size ?? 0,
            onData: (slice) => this.#deliver(slice),
            ...(plan.chunks === undefined ? {} : { verifier: plan.chunks }),
          });
  }

  /** Begins to read. The request must not have been read before. */
  start(): void {
    this.#request.on('data', this.#onData);
    // The last byte of a body of known length is its end; waiting for the event would cost a turn.
    if (this.#plan.wireSize === undefined) {
      this.#onEnd = () => this.#finish();
      this.#request.on('end', this.#onEnd);
    } else if (this.#plan.wireSize === 0) this.#finish();
  }

  /** Whether every byte came, so that the connection can be used for the next request. */
  get drained(): boolean {
    return this.#drained;
  }

  /** The checksum that was verified. */
  get checksum(): ObjectChecksum | undefined {
    return this.#verifier?.checksum;
  }

  pause(): void {
    this.#request.pause();
  }

  resume(): void {
    this.#request.resume();
  }

  /** Ends the reading with an error, unless it is over. */
  abort(error: unknown): void {
    if (this.#settled) return;
    this.abandon();
    this.#receiver.fail(error);
  }

  /** Stops without a word to the receiver. What has not arrived stays in the socket, until the answer is given. */
  abandon(): void {
    if (this.#settled) return;
    this.#stop();
    this.#request.pause();
  }

  readonly #onData = (bytes: Uint8Array): void => {
    this.#wireBytes += bytes.length;
    try {
      if (this.#decoder === undefined) this.#deliver(bytes);
      else this.#decoder.feed(bytes);
    } catch (error) {
      this.abort(error);
      return;
    }
    if (this.#wireBytes === this.#plan.wireSize) this.#finish();
  };

  #deliver(bytes: Uint8Array): void {
    if (this.#wireBytes > PART_BYTES_MAX && this.#plan.size === undefined)
      throw new S3Error('EntityTooLarge');
    this.#verifier?.update(bytes);
    this.#receiver.take(bytes);
  }

  #finish(): void {
    if (this.#settled) return;
    this.#drained = true;
    try {
      this.#decoder?.end();
      this.#verifier?.finish(this.#decoder?.trailers ?? NO_TRAILERS);
    } catch (error) {
      this.abort(error);
      return;
    }
    this.#stop();
    this.#receiver.end(this.checksum);
  }

  #stop(): void {
    this.#settled = true;
    this.#request.off('data', this.#onData);
    if (this.#onEnd !== undefined) this.#request.off('end', this.#onEnd);
  }
}
