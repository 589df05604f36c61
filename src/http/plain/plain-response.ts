/** The answer to a plain request, written to the socket as it is. */
import { STATUS_CODES } from 'node:http';
import type { Socket } from 'node:net';
import type { HttpResponse } from '../s3/http-messages.js';
import { TOKEN, VALUE, isAll } from './characters.js';

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
/** Headers whose values are made here. */
const OWN_NAMES = new Set([
  'x-amz-request-id',
  'x-amz-id-2',
  'Server',
  'Content-Length',
  'Last-Modified',
  'x-headrace-offset',
]);
/** How the lines of names that were looked at before begin; those of metadata are whatever clients choose. */
const beginnings = new Map<string, string>();
const BEGINNINGS_MAX = 1000;

/** How the line of a header begins. Metadata may come from files of the under-store, which anybody may have written. */
function beginningOf(name: string): string {
  const known = beginnings.get(name);
  if (known !== undefined) return known;
  if (name === '' || !isAll(name, TOKEN))
    throw new TypeError(`an answer cannot have a header ${JSON.stringify(name)}`);
  const beginning = `\r\n${name}: `;
  if (beginnings.size < BEGINNINGS_MAX) beginnings.set(name, beginning);
  return beginning;
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
    let head = `HTTP/1.1 ${status} ${STATUS_CODES[status] ?? 'unknown'}`;
    let hasLength = false;
    this.#status = status;
    this.#closing = this.#awaitsContinue || this.#sink.ended;
    for (let at = 0; at + 1 < headers.length; at += 2) {
      const name = headers[at] ?? '';
      const value = headers[at + 1] ?? '';
      const beginning = beginningOf(name);
      // Anything else could end the header early.
      if (!OWN_NAMES.has(name) && !isAll(value, VALUE))
        throw new TypeError(
          `the value of the header ${name} of an answer has a character that it cannot have`,
        );
      if (name === 'Content-Length') hasLength = true;
      else if (name === 'Connection') {
        this.#closing = true;
        continue;
      }
      head += beginning + value;
    }
    if (!hasLength && !this.#isHead && status !== 204 && status !== 304) {
      this.#isChunked = true;
      head += '\r\nTransfer-Encoding: chunked';
    }
    this.#head = `${head}\r\n${this.#sink.lastLines(this.#closing)}\r\n`;
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
