/** The answer to a plain request, written to the socket as it is. */
import { STATUS_CODES } from 'node:http';
import type { Socket } from 'node:net';
import type { HttpResponse } from '../s3/http-messages.js';

/** What the response asks of its connection. */
export interface AnswerSink {
  readonly socket: Socket;
  /** The client will send nothing more. */
  readonly ended: boolean;
  /** `Date` and what keeps the connection, or closes it: whole lines. */
  lastLines(closing: boolean): string;
  /** Everything is with the socket. */
  answered(status: number, closing: boolean): void;
}

const CONTINUE = 'HTTP/1.1 100 Continue\r\n\r\n';
const LAST_CHUNK = '0\r\n\r\n';
/** What RFC 9110, section 5.5, keeps out of a value: anything else could end the header early. */
const NOT_IN_VALUE = /[^\t\x20-\x7e\x80-\xff]/;
const NAME = /^[\w!#$%&'*+\-.^`|~]+$/;
/** Names that were looked at before; those of metadata are whatever clients choose. */
const soundNames = new Set<string>();
const SOUND_NAMES_MAX = 1000;

/** Metadata may come from files of the under-store, which anybody may have written. */
function checkName(name: string): void {
  if (!NAME.test(name)) throw new TypeError(`an answer cannot have a header ${JSON.stringify(name)}`);
  if (soundNames.size < SOUND_NAMES_MAX) soundNames.add(name);
}

export class PlainResponse implements HttpResponse {
  readonly #sink: AnswerSink;
  readonly #isHead: boolean;
  /** The client was not told to send its body and will not: what follows its head could be either. */
  #awaitsContinue: boolean;
  #isChunked = false;
  #status = 0;
  #closing = false;
  /** The head, for as long as it was not written. */
  #head = '';

  constructor(sink: AnswerSink, method: string, expectsContinue: boolean) {
    this.#sink = sink;
    this.#isHead = method === 'HEAD';
    this.#awaitsContinue = expectsContinue;
  }

  writeContinue(): void {
    this.#awaitsContinue = false;
    this.#sink.socket.write(CONTINUE, 'latin1');
  }

  writeHead(status: number, headers: readonly string[]): void {
    let head = `HTTP/1.1 ${status} ${STATUS_CODES[status] ?? 'unknown'}\r\n`;
    let values = '';
    let hasLength = false;
    this.#status = status;
    this.#closing = this.#awaitsContinue || this.#sink.ended;
    for (let at = 0; at + 1 < headers.length; at += 2) {
      const name = headers[at] ?? '';
      const value = headers[at + 1] ?? '';
      if (!soundNames.has(name)) checkName(name);
      if (name === 'Content-Length') hasLength = true;
      else if (name === 'Connection') {
        this.#closing = true;
        continue;
      }
      head += `${name}: ${value}\r\n`;
      values += value;
    }
    // All at once: a look at each costs more than to write them.
    if (NOT_IN_VALUE.test(values)) throw new TypeError('a header of an answer has a control character');
    if (!hasLength && !this.#isHead && status !== 204 && status !== 304) {
      this.#isChunked = true;
      head += 'Transfer-Encoding: chunked\r\n';
    }
    this.#head = `${head}${this.#sink.lastLines(this.#closing)}\r\n`;
  }

  flushHeaders(): void {
    this.#writeHead();
  }

  write(bytes: string | Uint8Array, callback?: () => void): void {
    const { socket } = this.#sink;
    socket.cork();
    this.#writeHead();
    this.#writeBody(bytes, callback);
    socket.uncork();
  }

  end(bytes: string | Uint8Array = '', callback?: () => void): void {
    const { socket } = this.#sink;
    if (bytes.length === 0 && !this.#isChunked && callback === undefined) this.#writeHead();
    else {
      socket.cork();
      this.#writeHead();
      if (bytes.length > 0 || callback !== undefined) this.#writeBody(bytes, callback);
      if (this.#isChunked) socket.write(LAST_CHUNK, 'latin1');
      socket.uncork();
    }
    this.#sink.answered(this.#status, this.#closing);
  }

  #writeHead(): void {
    if (this.#head === '') return;
    this.#sink.socket.write(this.#head, 'latin1');
    this.#head = '';
  }

  #writeBody(bytes: string | Uint8Array, callback: (() => void) | undefined): void {
    const { socket } = this.#sink;
    const size = this.#isChunked ? Buffer.byteLength(bytes) : 0;
    if (size > 0) socket.write(`${size.toString(16)}\r\n`, 'latin1');
    // Called also when the socket is no more: then with an error, of which the connection tells.
    if (callback === undefined) socket.write(bytes);
    else socket.write(bytes, () => callback());
    if (size > 0) socket.write('\r\n', 'latin1');
  }
}
