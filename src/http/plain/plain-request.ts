/** A plain request: its head is here, its body comes by `take`, from the connection. */
import type { IncomingHttpHeaders } from 'node:http';
import type { Socket } from 'node:net';
import type { HttpRequest } from '../s3/http-messages.js';
import { POOLED_BODY_BYTES_MAX, type BodyMemory } from './body-memory.js';
import type { PlainHead } from './plain-head.js';

type DataListener = (bytes: Uint8Array) => void;
type EndListener = () => void;

/** What the request asks of its connection. */
export interface BodySource {
  readonly socket: Socket;
  readonly memory: BodyMemory;
  /** More of the body is wanted than before, or less. */
  flowChanged(): void;
  /** All of it was taken. */
  bodyTaken(): void;
}

export class PlainRequest implements HttpRequest {
  readonly method: string;
  readonly url: string;
  readonly httpVersion = '1.1';
  readonly headers: IncomingHttpHeaders;
  readonly rawHeaders: readonly string[];
  readonly #source: BodySource;
  readonly #bodyBytes: number;
  /** Of the body, how much was not handed out. */
  #restBytes: number;
  #state: 'unread' | 'flowing' | 'paused' = 'unread';
  #onData: DataListener | undefined;
  #onEnd: EndListener | undefined;
  /** Came before anybody wanted it; no more than one read. */
  #early: Uint8Array | undefined;
  /** Where a small body is put together. */
  #memory: Buffer | undefined;
  #keptBytes = 0;

  constructor(head: PlainHead, source: BodySource) {
    this.method = head.method;
    this.url = head.url;
    this.headers = head.headers;
    this.rawHeaders = head.rawHeaders;
    this.#bodyBytes = head.bodyBytes;
    this.#restBytes = head.bodyBytes;
    this.#source = source;
  }

  get socket(): Socket {
    return this.#source.socket;
  }

  get complete(): boolean {
    return this.#restBytes === 0;
  }

  /** Bytes of the body that the connection still has to bring. */
  get missingBytes(): number {
    return this.#restBytes - (this.#early?.length ?? 0);
  }

  /** Whether it takes more now: what is wanted, or one read of what may be. */
  get hasRoom(): boolean {
    return this.#state === 'flowing' || (this.#state === 'unread' && this.#early === undefined);
  }

  /** The next bytes of the body, from `start` to `end` (exclusive), at most `missingBytes`; they are not kept. */
  take(bytes: Buffer, start: number, end: number): void {
    const isWanted = this.#state === 'flowing';
    // Nobody keeps what is dropped.
    if (isWanted && this.#onData === undefined) this.#handOut(bytes.subarray(start, end));
    else if (isWanted) this.#handOut(this.#keep(bytes, start, end));
    else {
      const kept = this.#keep(bytes, start, end);
      this.#early = this.#early === undefined ? kept : Buffer.concat([this.#early, kept]);
    }
  }

  #handOut(bytes: Uint8Array): void {
    this.#restBytes -= bytes.length;
    this.#onData?.(bytes);
    if (this.#restBytes > 0) return;
    this.#onEnd?.();
    this.#source.bodyTaken();
  }

  on(event: 'data' | 'end', listener: DataListener | EndListener): void {
    if (event === 'end') {
      this.#onEnd = listener as EndListener;
      return;
    }
    this.#onData = listener;
    if (this.#state === 'unread') this.resume();
  }

  off(event: 'data' | 'end', listener: DataListener | EndListener): void {
    if (event === 'end' && this.#onEnd === listener) this.#onEnd = undefined;
    if (event === 'data' && this.#onData === listener) this.#onData = undefined;
  }

  pause(): void {
    if (this.#state === 'paused') return;
    this.#state = 'paused';
    this.#source.flowChanged();
  }

  resume(): void {
    if (this.#state === 'flowing') return;
    this.#state = 'flowing';
    // In a call of its own, as node:http does it: who resumes is seldom ready for bytes within the call.
    if (this.#early !== undefined) queueMicrotask(() => this.#handOutEarly());
    else this.#source.flowChanged();
  }

  /** The rest of the body is of no use. */
  drop(): void {
    this.#onData = undefined;
    this.resume();
  }

  #handOutEarly(): void {
    const early = this.#early;
    if (early === undefined || this.#state !== 'flowing') return;
    this.#early = undefined;
    this.#handOut(early);
    if (this.#state === 'flowing' && this.#restBytes > 0) this.#source.flowChanged();
  }

  #keep(bytes: Buffer, start: number, end: number): Buffer {
    if (this.#bodyBytes > POOLED_BODY_BYTES_MAX) {
      const copy = Buffer.allocUnsafeSlow(end - start);
      bytes.copy(copy, 0, start, end);
      return copy;
    }
    this.#memory ??= this.#source.memory.take(this.#bodyBytes);
    const at = this.#keptBytes;
    this.#keptBytes += bytes.copy(this.#memory, at, start, end);
    return this.#memory.subarray(at, this.#keptBytes);
  }

  /** What was handed out is no longer used: for a request that was carried out, and by nobody else. */
  release(): void {
    if (this.#memory === undefined) return;
    this.#source.memory.give(this.#memory);
    this.#memory = undefined;
  }
}
