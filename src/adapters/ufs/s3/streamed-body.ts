/**
 * A stream as the body of one request, and the signal that ends the request when the stream fails: the client would wait
 * for ever for the bytes that do not come.
 */
import { Readable } from 'node:stream';

export class StreamedBody {
  readonly readable: Readable;
  /** Aborts with the caller's signal too. */
  readonly signal: AbortSignal;
  /** Why the stream failed. */
  error: unknown;

  constructor(stream: AsyncIterable<Uint8Array>, signal: AbortSignal | undefined) {
    const failure = new AbortController();
    this.signal = signal === undefined ? failure.signal : AbortSignal.any([signal, failure.signal]);
    this.readable = Readable.from(stream, { objectMode: false });
    this.readable.on('error', (error) => {
      this.error ??= error;
      failure.abort(error);
    });
  }

  /** Lets go of the stream; to be called whatever became of the request. */
  close(): void {
    this.readable.destroy();
  }
}
