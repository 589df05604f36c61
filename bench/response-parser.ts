/**
 * Reads HTTP/1.1 responses from a socket's bytes with as little work as is possible: the load generator must cost much less
 * than any server that it measures. Bodies with a Content-Length, chunked bodies, and none (RFC 9112).
 */

const CRLF = Buffer.from('\r\n');
const HEAD_END = Buffer.from('\r\n\r\n');
/** A head longer than this is not one that a server under test should send. */
const HEAD_BYTES_MAX = 64 * 1024;

export interface ResponseEvents {
  /** Body bytes `start` (inclusive) to `end` (exclusive) of `buffer`, which is only valid during the call. */
  body(buffer: Buffer, start: number, end: number): void;
  /** The response is complete; `status` and `head` are its own. */
  end(): void;
}

type State = 'head' | 'sized' | 'chunk-size' | 'chunk' | 'chunk-end' | 'trailer';

export class ResponseParser {
  readonly #events: ResponseEvents;
  #state: State = 'head';
  /** The start of a head, chunk line or trailer of which the rest has not arrived. */
  #held: Buffer | undefined;
  #remaining = 0;
  status = 0;
  /** Status line and headers, without the empty line. */
  head = '';

  constructor(events: ResponseEvents) {
    this.#events = events;
  }

  /** The value of a header of the current response. */
  header(name: string): string | undefined {
    return new RegExp(`\\r\\n${name}: *([^\\r]*)`, 'i').exec(this.head)?.[1];
  }

  /** Takes the first `length` bytes of `buffer`. Throws when they are not an HTTP/1.1 response. */
  push(buffer: Buffer, length: number): void {
    let bytes = buffer;
    let at = 0;
    let end = length;
    if (this.#held !== undefined) {
      bytes = Buffer.concat([this.#held, buffer.subarray(0, length)]);
      end = bytes.length;
      this.#held = undefined;
    }
    while (at < end) {
      const next = this.#step(bytes, at, end);
      if (next < 0) {
        if (end - at > HEAD_BYTES_MAX)
          throw new Error(`a response head of more than ${HEAD_BYTES_MAX} bytes`);
        this.#held = Buffer.from(bytes.subarray(at, end));
        return;
      }
      at = next;
    }
  }

  /** Returns where the next step starts, or -1 when more bytes are needed. */
  #step(bytes: Buffer, at: number, end: number): number {
    switch (this.#state) {
      case 'head':
        return this.#readHead(bytes, at, end);
      case 'sized':
      case 'chunk':
        return this.#readBody(bytes, at, end);
      case 'chunk-size':
      case 'chunk-end':
      case 'trailer':
        return this.#readLine(bytes, at, end);
    }
  }

  #readHead(bytes: Buffer, at: number, end: number): number {
    const headEnd = bytes.indexOf(HEAD_END, at);
    if (headEnd < 0 || headEnd >= end) return -1;
    this.head = bytes.toString('latin1', at, headEnd);
    this.status = Number(this.head.slice(9, 12));
    if (!this.head.startsWith('HTTP/1.1 ') || !(this.status >= 100))
      throw new Error(`not an HTTP/1.1 response: ${JSON.stringify(this.head.slice(0, 80))}`);
    const next = headEnd + HEAD_END.length;
    if (this.status < 200) return next;
    if (/\r\ntransfer-encoding: *chunked/i.test(this.head)) {
      this.#state = 'chunk-size';
      return next;
    }
    const sized = /\r\ncontent-length: *(\d+)/i.exec(this.head);
    this.#remaining = sized === null || this.status === 204 || this.status === 304 ? 0 : Number(sized[1]);
    if (this.#remaining === 0) this.#events.end();
    else this.#state = 'sized';
    return next;
  }

  #readBody(bytes: Buffer, at: number, end: number): number {
    const next = Math.min(end, at + this.#remaining);
    this.#events.body(bytes, at, next);
    this.#remaining -= next - at;
    if (this.#remaining > 0) return next;
    if (this.#state === 'chunk') {
      this.#state = 'chunk-end';
    } else {
      this.#state = 'head';
      this.#events.end();
    }
    return next;
  }

  #readLine(bytes: Buffer, at: number, end: number): number {
    const lineEnd = bytes.indexOf(CRLF, at);
    if (lineEnd < 0 || lineEnd + CRLF.length > end) return -1;
    const next = lineEnd + CRLF.length;
    if (this.#state === 'chunk-size') {
      this.#remaining = Number.parseInt(bytes.toString('latin1', at, lineEnd), 16);
      if (Number.isNaN(this.#remaining)) throw new Error('a chunk without a size');
      this.#state = this.#remaining === 0 ? 'trailer' : 'chunk';
    } else if (this.#state === 'chunk-end') {
      this.#state = 'chunk-size';
    } else if (lineEnd === at) {
      this.#state = 'head';
      this.#events.end();
    }
    return next;
  }
}
