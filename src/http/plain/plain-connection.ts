/**
 * One connection for as long as plain requests come on it; from the first other one on it is node:http's.
 *
 * Requests are read one after the other: what a client sends ahead is held, no more than one read of it, and nothing is read
 * until its turn. Between requests, and while one is answered, reading goes on, so that a client that leaves is noticed.
 */
import type { Socket } from 'node:net';
import { S3Error } from '../s3/s3-error.js';
import type { BodyMemory } from './body-memory.js';
import { parsePlainHead } from './plain-head.js';
import { PlainRequest, type BodySource } from './plain-request.js';
import { PlainResponse, type AnswerSink } from './plain-response.js';
import type { ReadBuffer } from './read-buffer.js';

export interface PlainLimits {
  /** Longest head of a plain request. */
  readonly headerBytesMax: number;
  /** How long a silent connection may wait for its first request to begin, and to be told that it did not. */
  readonly idleTimeoutMs: number;
  readonly headersTimeoutMs: number;
  /** How long it may wait for the next one. */
  readonly keepAliveTimeoutMs: number;
}

/** What all plain connections of a server share. */
export interface PlainServer {
  readonly reads: ReadBuffer;
  readonly memory: BodyMemory;
  readonly limits: PlainLimits;
  lastLines(closing: boolean): string;
  /** Takes over a connection whose next bytes follow. */
  takeOver(socket: Socket): void;
  refuse(error: S3Error, socket: Socket): void;
}

/** Who answers the requests of a connection. */
export interface PlainHandler {
  /** Begins to answer; calls back once when the next request may begin. */
  serve(request: PlainRequest, response: PlainResponse, expectsContinue: boolean, onDone: () => void): void;
  /** Nothing moved for `idleTimeoutMs` in the middle of a request or an answer. */
  idle(): void;
}

export class PlainConnection implements BodySource, AnswerSink {
  readonly socket: Socket;
  readonly #server: PlainServer;
  readonly #handler: PlainHandler;
  #request: PlainRequest | undefined;
  /** The request is answered; its body may still have to be read. */
  #isDone = false;
  /** A read is being taken. */
  #isTaking = false;
  /** Nothing is read. */
  #isStopped = false;
  /** The request was answered with a success: nothing is left to do for it. */
  #isCarriedOut = false;
  #isClosing = false;
  #isTakenOver = false;
  #ended = false;
  #used = false;
  #held: Buffer | undefined;
  #waitedMs = 0;
  /** The request that was there at the last sweep. */
  #seen: PlainRequest | undefined;
  #isWatched = false;

  constructor(server: PlainServer, socket: Socket, handler: PlainHandler) {
    this.#server = server;
    this.socket = socket;
    this.#handler = handler;
    socket.on('end', this.#onEnd);
    socket.on('error', this.#onError);
    socket.on('drain', this.#takeHeld);
    server.reads.read(socket, this.#onRead);
  }

  get memory(): BodyMemory {
    return this.#server.memory;
  }

  get ended(): boolean {
    return this.#ended && this.#held === undefined;
  }

  lastLines(closing: boolean): string {
    return this.#server.lastLines(closing);
  }

  /** Begins no more requests; what was answered, or is about to be, still goes out. */
  endSoon(): void {
    if (this.#isTakenOver) return;
    this.#isClosing = true;
    if (this.#request === undefined) this.socket.destroySoon();
  }

  /**
   * Called every `passedMs`: ends a connection that waits for too long, and watches a request that has not ended since the last
   * call, or whose answer is not out. Nearly all have and are, and are spared a timer.
   */
  sweep(passedMs: number): void {
    const { idleTimeoutMs, headersTimeoutMs, keepAliveTimeoutMs } = this.#server.limits;
    if (this.#isTakenOver) return;
    const request = this.#request;
    if (request !== undefined || this.socket.writableLength > 0) {
      if (request === this.#seen) this.#watch(idleTimeoutMs);
      this.#seen = request;
      return;
    }
    this.#unwatch();
    this.#seen = undefined;
    this.#waitedMs += passedMs;
    if (this.#waitedMs > (this.#used ? keepAliveTimeoutMs : idleTimeoutMs)) this.socket.destroy();
    else if (!this.#used && !this.#isClosing && this.#waitedMs > headersTimeoutMs) {
      this.#isClosing = true;
      this.#server.refuse(new S3Error('RequestTimeout'), this.socket);
    }
  }

  /** From here on the request has to move. */
  #watch(idleTimeoutMs: number): void {
    if (this.#isWatched) return;
    this.#isWatched = true;
    // Not with the timeout: that would call back once.
    this.socket.on('timeout', this.#onTimeout);
    this.socket.setTimeout(idleTimeoutMs);
  }

  #unwatch(): void {
    if (!this.#isWatched) return;
    this.#isWatched = false;
    this.socket.off('timeout', this.#onTimeout);
    this.socket.setTimeout(0);
  }

  readonly #onRead = (bytes: Buffer, length: number): boolean => {
    this.#take(bytes, length, false);
    this.#isStopped = !this.#reads();
    return !this.#isStopped;
  };

  /** The first `length` bytes, which stay as they are if they are `isKept`. */
  #take(bytes: Buffer, length: number, isKept: boolean): void {
    this.#isTaking = true;
    let at = 0;
    while (at < length && !this.#isTakenOver) {
      const request = this.#request;
      if (request === undefined && this.#isClosing) at = length;
      // A client that does not read its answers is not given more.
      else if (request === undefined && !this.socket.writableNeedDrain) at = this.#begin(bytes, at, length);
      else if (request !== undefined && request.missingBytes > 0) {
        const end = Math.min(length, at + request.missingBytes);
        request.take(bytes, at, end);
        at = end;
      } else {
        const rest = bytes.subarray(at, length);
        this.#held = isKept ? rest : Buffer.from(rest);
        break;
      }
    }
    this.#isTaking = false;
  }

  /** Brings the socket in line with what is wanted; within a read, its end does so. */
  #update(): void {
    if (this.#isTaking || this.#isTakenOver || this.#reads() === !this.#isStopped) return;
    this.#isStopped = !this.#isStopped;
    if (this.#isStopped) this.socket.pause();
    else this.socket.resume();
  }

  #reads(): boolean {
    if (this.#held !== undefined) return false;
    const request = this.#request;
    return request === undefined || request.missingBytes === 0 || request.hasRoom;
  }

  /** Returns where the body begins, or the end when the connection is no longer read here. */
  #begin(bytes: Buffer, start: number, end: number): number {
    const head = parsePlainHead(bytes, start, Math.min(end, start + this.#server.limits.headerBytesMax));
    if (head === undefined) {
      this.#handOver(bytes.subarray(start, end));
      return end;
    }
    this.#used = true;
    this.#waitedMs = 0;
    const request = new PlainRequest(head, this);
    this.#request = request;
    this.#handler.serve(
      request,
      new PlainResponse(this, head.method, head.expectsContinue),
      head.expectsContinue,
      this.#onDone,
    );
    return head.end;
  }

  #handOver(bytes: Buffer): void {
    this.#isTakenOver = true;
    this.#unwatch();
    const { socket } = this;
    socket.off('end', this.#onEnd);
    socket.off('error', this.#onError);
    socket.off('drain', this.#takeHeld);
    this.#server.reads.release(socket);
    const copy = Buffer.from(bytes);
    this.#server.takeOver(socket);
    socket.unshift(copy);
    if (this.#isStopped) socket.resume();
  }

  readonly #onDone = (): void => {
    this.#isDone = true;
    const isOver = this.#isClosing || this.ended;
    if (!isOver && this.#request?.complete === false) this.#request.drop();
    else this.#next();
  };

  /** Once the request is answered and its body is out of the way. */
  #next(): void {
    if (!this.#isDone) return;
    if (this.#isClosing || this.ended) {
      this.#request = undefined;
      this.#isClosing = true;
      this.socket.destroySoon();
      return;
    }
    const request = this.#request;
    // What failed may have been given up on by somebody who still reads it.
    if (this.#isCarriedOut && !this.socket.destroyed) request?.release();
    this.#request = undefined;
    this.#isDone = false;
    this.#isCarriedOut = false;
    this.#unwatch();
    this.#waitedMs = 0;
    if (this.#held === undefined) this.#update();
    else queueMicrotask(this.#takeHeld);
  }

  /** In a call that does not nest. */
  readonly #takeHeld = (): void => {
    const held = this.#held;
    if (held === undefined || this.#request !== undefined) return;
    if (this.socket.destroyed || this.socket.writableNeedDrain) return;
    this.#held = undefined;
    this.#take(held, held.length, true);
    this.#update();
  };

  flowChanged(): void {
    this.#update();
  }

  bodyTaken(): void {
    this.#next();
  }

  answered(status: number, closing: boolean): void {
    this.#isCarriedOut = status >= 200 && status < 300;
    if (closing) this.#isClosing = true;
  }

  readonly #onEnd = (): void => {
    this.#ended = true;
    const request = this.#request;
    // What was sent ahead is answered first.
    if (this.#held !== undefined) return;
    if (request === undefined) this.socket.end();
    else if (this.#isDone) this.socket.destroySoon();
    else if (request.missingBytes > 0) this.#server.refuse(new S3Error('IncompleteBody'), this.socket);
  };

  readonly #onTimeout = (): void => {
    if (this.#request === undefined) this.socket.destroy();
    else this.#handler.idle();
  };

  readonly #onError = (): void => {
    this.socket.destroy();
  };
}
