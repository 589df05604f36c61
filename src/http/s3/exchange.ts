/**
 * One request and its answer.
 *
 * Invariants: an operation ends in exactly one of `reply`, `replyBytes`, `replyXml`, `fail` and `finish`, also when the client
 * is gone; `onDone` is called exactly once, when the next request of the connection may begin; what the request held (its share
 * of the body budget) is given back by then.
 *
 * A connection stays usable after an answer that came before the body was read: a short rest is read and dropped; of a long
 * one a bounded part is, so that the client, which is still sending, gets to see the answer before the connection is closed
 * (RFC 9112, section 9.6). A client that was not told to continue sends no body, and its connection is closed.
 */
import type { IncomingHttpHeaders } from 'node:http';
import { AssertionError } from '../../core/assert.js';
import { KIB } from '../../core/units.js';
import type { Identity } from '../auth/authenticator.js';
import { withoutSecrets } from './authorize.js';
import type { BodyReader } from './body-reader.js';
import type { S3Context } from './context.js';
import { dropRest } from './drop-rest.js';
import { errorDocument } from './error-document.js';
import { toS3Error } from './error-mapper.js';
import type { HttpRequest, HttpResponse } from './http-messages.js';
import { logFailure, logRequest, offsetIn } from './request-log.js';
import { NOWHERE, type RequestTarget } from './request-target.js';
import { S3Error } from './s3-error.js';

/** A rest of a body that is read after the answer to keep the connection. */
const DRAIN_BYTES_MAX = 256 * KIB;

const NO_HEADERS: readonly string[] = [];
const ANONYMOUS: Identity = { accessKeyId: undefined, user: undefined };

export class Exchange {
  readonly context: S3Context;
  readonly request: HttpRequest;
  readonly response: HttpResponse;
  /** Those that came; once it is known who asks, also those that a presigned URL brings in its query. */
  headers: IncomingHttpHeaders;
  readonly method: string;
  readonly requestId: string;
  target: RequestTarget = NOWHERE;
  identity: Identity = ANONYMOUS;
  /** S3's name of the operation, once it is known. */
  operation = 'Unknown';
  /** What all answers to a request of another origin say. */
  corsHeaders: readonly string[] = NO_HEADERS;

  readonly #onDone: () => void;
  readonly #startedMs: number;
  #expectsContinue: boolean;
  #reader: BodyReader | undefined;
  #bodyError: unknown;
  #heldBytes = 0;
  #answered = false;
  #done = false;
  #gone = false;
  #hurry = false;
  #status = 0;
  /** For the access log: S3's code of an error, and the log offset of a write. */
  #code: string | undefined;
  #offset: string | undefined;
  #onGone: (() => void) | undefined;
  #endLinger: (() => void) | undefined;

  constructor(
    context: S3Context,
    request: HttpRequest,
    response: HttpResponse,
    expectsContinue: boolean,
    onDone: () => void,
  ) {
    this.context = context;
    this.request = request;
    this.response = response;
    this.headers = request.headers;
    this.method = request.method ?? '';
    this.requestId = context.requestIds.next();
    this.#expectsContinue = expectsContinue;
    this.#onDone = onDone;
    this.#startedMs =
      context.observer === undefined && !context.options.accessLog ? 0 : context.clock.monotonicTimeMs();
  }

  /** The client went away: no answer can reach it. */
  get gone(): boolean {
    return this.#gone;
  }

  /** As the client sees it. */
  get scheme(): 'http' | 'https' {
    return 'encrypted' in this.request.socket ? 'https' : 'http';
  }

  get answered(): boolean {
    return this.#answered;
  }

  /** Calls back when the client goes away before the answer is out. One at a time. */
  onGone(callback: (() => void) | undefined): void {
    this.#onGone = callback;
  }

  /** The body is wanted: a client that asked is told to send it. Its reader is stopped when the client goes away. */
  acceptBody(reader: BodyReader, heldBytes: number): void {
    this.#reader = reader;
    this.#heldBytes = heldBytes;
    if (this.#expectsContinue) {
      this.#expectsContinue = false;
      this.response.writeContinue();
    }
    reader.start();
  }

  /** The body came to a bad end. What the engine makes of it, the client is told this. */
  bodyFailed(error: unknown): void {
    this.#bodyError ??= error;
  }

  /** The connection is closed. What the engine is doing goes on; the exchange ends with it. */
  disconnected(): void {
    if (this.#gone || this.#done) return;
    this.#gone = true;
    this.#abortBody(
      new S3Error('IncompleteBody', 'The client closed the connection before the body was whole.'),
    );
    this.#onGone?.();
  }

  /** What comes can no longer be understood, or came to an early end; answers still reach the client. */
  broken(error: S3Error): void {
    this.#hurry = true;
    this.#abortBody(error);
    this.#endLinger?.();
  }

  /** Nothing moved on the connection for `idleTimeoutMs`. */
  idle(): void {
    if (this.#reader !== undefined && !this.#reader.drained && !this.#answered) {
      this.#hurry = true;
      this.#abortBody(new S3Error('RequestTimeout'));
    } else if (this.#answered) this.request.socket.destroy();
  }

  #abortBody(error: S3Error): void {
    const reader = this.#reader;
    if (reader === undefined || reader.drained) return;
    this.bodyFailed(error);
    reader.abort(error);
  }

  /** The headers that every answer has, as a flat list of names and values to add to. */
  startHeaders(): string[] {
    const { requestIds } = this.context;
    const headers = [
      'x-amz-request-id',
      this.requestId,
      'x-amz-id-2',
      requestIds.hostId,
      'Server',
      'Headrace',
    ];
    if (this.corsHeaders !== NO_HEADERS) headers.push(...this.corsHeaders);
    return headers;
  }

  /** Answers with a whole body; `headers` begins with `startHeaders()`. HEAD and 204 and 304 have none. */
  reply(status: number, headers: string[], body: string | Uint8Array = ''): void {
    if (!this.#begin(status, headers)) {
      this.finish();
      return;
    }
    const bodiless = this.method === 'HEAD' || status === 204 || status === 304;
    if (!bodiless)
      headers.push(
        'Content-Length',
        String(typeof body === 'string' ? Buffer.byteLength(body) : body.length),
      );
    const rest = this.#restOfBody();
    if (rest === 'long' || this.#hurry || this.context.closing) headers.push('Connection', 'close');
    this.response.writeHead(status, headers);
    if (rest === 'long') {
      if (bodiless || body.length === 0) this.response.flushHeaders();
      else this.response.write(body);
      this.#linger();
      return;
    }
    if (bodiless) this.response.end();
    else this.response.end(body);
    if (rest === 'short') this.request.resume();
    this.finish();
  }

  /** Answers with bytes that stay the engine's: `release` is called once they are out, or never will be. */
  replyBytes(status: number, headers: string[], bytes: Uint8Array, release: () => void): void {
    if (!this.#begin(status, headers)) {
      this.finish();
      release();
      return;
    }
    headers.push('Content-Length', String(bytes.length));
    if (this.context.closing) headers.push('Connection', 'close');
    try {
      this.response.writeHead(status, headers);
    } catch (error) {
      release();
      throw error;
    }
    const finish = (): void => {
      if (this.#done) return;
      this.finish();
      release();
    };
    this.#onGone = finish;
    this.response.end(bytes, finish);
  }

  /** Answers with XML. */
  replyXml(status: number, document: string, headers: string[] = this.startHeaders()): void {
    headers.push('Content-Type', 'application/xml');
    this.reply(status, headers, document);
  }

  /** Begins an answer whose body follows in pieces. False when there is nobody to answer. The caller ends both with `finish`. */
  beginAnswer(status: number, headers: string[]): boolean {
    if (!this.#begin(status, headers)) return false;
    if (this.context.closing) headers.push('Connection', 'close');
    this.response.writeHead(status, headers);
    return true;
  }

  /** Answers with an error, unless an answer was begun: then the connection is all that is left to tell it by. */
  fail(error: unknown): void {
    if (error instanceof AssertionError) throw error;
    if (this.#gone) {
      this.finish();
      return;
    }
    const failure = withoutSecrets(this, toS3Error(this.#bodyError ?? error));
    this.#code = failure.s3Code;
    if (failure.status >= 500 && failure.s3Code !== 'NotImplemented') logFailure(this, failure, error);
    if (this.#answered) {
      this.request.socket.destroy();
      this.finish();
      return;
    }
    const headers = this.startHeaders();
    headers.push(...failure.headers);
    this.replyXml(failure.status, errorDocument(failure, this), headers);
  }

  #begin(status: number, headers: readonly string[]): boolean {
    if (this.#answered || this.#gone) return false;
    if (this.context.options.accessLog) this.#offset = offsetIn(headers);
    this.#answered = true;
    this.#status = status;
    return true;
  }

  /** What is still to come of the request's body, and whether to wait for it. */
  #restOfBody(): 'none' | 'short' | 'long' {
    const { headers, request } = this;
    const length = headers['content-length'];
    if ((length === undefined || length === '0') && headers['transfer-encoding'] === undefined) return 'none';
    // node:http closes the connection of a client that was not told to continue.
    if (this.#expectsContinue || this.#hurry || this.#reader?.drained === true) return 'none';
    this.#reader?.abandon();
    if (request.complete || (length !== undefined && Number(length) <= DRAIN_BYTES_MAX)) return 'short';
    return 'long';
  }

  /** The whole answer is out but for its formal end, which waits for the client to stop sending. */
  #linger(): void {
    const end = dropRest(this.request, this.context.clock, () => {
      this.#endLinger = undefined;
      if (!this.#gone) this.response.end();
      this.finish();
    });
    this.#onGone = end;
    this.#endLinger = end;
  }

  /** Gives back what the request held and lets the next one of the connection begin. */
  finish(): void {
    if (this.#done) return;
    this.#done = true;
    this.#onGone = undefined;
    if (this.#heldBytes > 0) this.context.bodies.release(this.#heldBytes);
    const { observer, clock, options } = this.context;
    const durationMs = clock.monotonicTimeMs() - this.#startedMs;
    observer?.(this.operation, this.#status, durationMs);
    if (options.accessLog)
      logRequest(this, { status: this.#status, code: this.#code, offset: this.#offset, durationMs });
    this.#onDone();
  }
}
