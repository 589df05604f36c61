/**
 * One connection of the load generator: sends a prebuilt request, waits for the whole answer, checks it, sends the next.
 *
 * A small body is sent in one write together with its head, from a buffer in which only the name changes. The answer is
 * read into one static buffer per connection. Both keep the generator's cost per request at a few microseconds.
 */
import { connect, type Socket } from 'node:net';
import { BODY_VARIANTS, scatteredName, type LoadPlan } from './load-plan.js';
import { RequestTemplate } from './request-template.js';
import { ResponseParser } from './response-parser.js';

/** Up to here the head and the body of a request share one buffer. */
const JOINED_BYTES_MAX = 64 * 1024;

/** What all connections of one run share. */
export interface LoadRun {
  readonly plan: LoadPlan;
  readonly blocks: readonly Buffer[];
  readonly md5s: readonly string[];
  /** The requests by their numbers, when they were made beforehand. */
  readonly made: readonly Buffer[] | undefined;
  /** The number of the next request, or undefined when the run is over. */
  next(): number | undefined;
  finished(number: number, latencyMs: number, etag: string | undefined, verified: boolean): void;
  failed(error: Error): void;
  idle(): void;
}

export class LoadConnection {
  readonly #run: LoadRun;
  readonly #plan: LoadPlan;
  readonly #parser: ResponseParser;
  readonly #socket: Socket;
  readonly #requests: readonly RequestTemplate[];
  #number = 0;
  #variant = 0;
  #startedMs = 0;
  #dueMs = 0;
  #unsentBytes = 0;
  #receivedBytes = 0;
  #verify = false;
  #differs = false;
  #responses = 0;
  #busy = false;

  /** `ordinal` is its number among the connections of the run. */
  constructor(run: LoadRun, ordinal: number) {
    this.#run = run;
    this.#plan = run.plan;
    this.#parser = new ResponseParser({
      body: (buffer, start, end) => this.#takeBody(buffer, start, end),
      end: () => this.#takeEnd(),
    });
    const { targets } = this.#plan;
    this.#requests =
      targets.kind === 'numbered' && run.made === undefined ? this.#prebuild(targets.prefix, ordinal) : [];
    this.#socket = connect({
      port: this.#plan.port,
      host: '127.0.0.1',
      noDelay: true,
      onread: {
        buffer: Buffer.allocUnsafeSlow(this.#plan.method === 'GET' ? 256 * 1024 : 16 * 1024),
        callback: (length, buffer) => this.#read(length, buffer),
      },
    });
    const { intervalMs = 0, concurrency } = this.#plan;
    this.#socket.on('connect', () => {
      // Paced connections take turns: together they ask at even intervals, not all at once.
      this.#dueMs = performance.now() + intervalMs * (ordinal / concurrency - 1);
      this.#sendInTurn();
    });
    this.#socket.on('drain', () => this.#sendBody());
    this.#socket.on('error', (error) => this.#fail(error));
    this.#socket.on('close', () => {
      if (this.#busy) this.#fail(new Error('the server closed the connection before it had answered'));
    });
  }

  close(): void {
    this.#busy = false;
    this.#socket.destroy();
  }

  #head(target: string): string {
    const size = this.#plan.method === 'PUT' ? `Content-Length: ${this.#plan.bodyBytes}\r\n` : '';
    return `${this.#plan.method} ${target} HTTP/1.1\r\nHost: 127.0.0.1:${this.#plan.port}\r\n${size}\r\n`;
  }

  #prebuild(prefix: string, ordinal: number): RequestTemplate[] {
    const { method, port, bodyBytes, signing } = this.#plan;
    const joined = method === 'PUT' && bodyBytes <= JOINED_BYTES_MAX;
    return this.#run.blocks.map(
      (block, variant) =>
        new RequestTemplate({
          ageSeconds: ordinal * BODY_VARIANTS + variant,
          method,
          port,
          prefix,
          bodyBytes: method === 'PUT' ? bodyBytes : undefined,
          body: joined ? block : undefined,
          signing,
        }),
    );
  }

  #send(): void {
    if (this.#socket.destroyed) return;
    const number = this.#run.next();
    if (number === undefined) {
      this.#run.idle();
      return;
    }
    this.#number = number;
    this.#variant = this.#plan.variant ?? number % BODY_VARIANTS;
    this.#busy = true;
    this.#receivedBytes = 0;
    this.#differs = false;
    this.#verify = this.#plan.verifyEvery > 0 && this.#responses++ % this.#plan.verifyEvery === 0;
    this.#startedMs = performance.now();
    const request = this.#request(number);
    this.#unsentBytes =
      this.#plan.method === 'PUT' && request.length < this.#plan.bodyBytes ? this.#plan.bodyBytes : 0;
    this.#socket.write(request);
    this.#sendBody();
  }

  #request(number: number): Buffer {
    const made = this.#run.made?.[number];
    if (made !== undefined) return made;
    const { targets } = this.#plan;
    if (targets.kind === 'listed') return Buffer.from(this.#head(targets.targets[number] ?? '/'));
    if (targets.kind === 'repeated') return Buffer.from(this.#head(targets.target));
    const request = this.#requests[this.#variant] as RequestTemplate;
    request.prepare(scatteredName(number));
    return request.bytes;
  }

  #sendBody(): void {
    const block = this.#run.blocks[this.#variant] as Buffer;
    while (this.#unsentBytes > 0) {
      const bytes = this.#unsentBytes >= block.length ? block : block.subarray(0, this.#unsentBytes);
      this.#unsentBytes -= bytes.length;
      if (!this.#socket.write(bytes)) return;
    }
  }

  #read(length: number, buffer: Uint8Array): boolean {
    try {
      this.#parser.push(buffer as Buffer, length);
    } catch (error) {
      this.#fail(error as Error);
    }
    return true;
  }

  #takeBody(buffer: Buffer, start: number, end: number): void {
    if (this.#verify && this.#plan.method === 'GET') this.#compare(buffer, start, end);
    this.#receivedBytes += end - start;
  }

  /** Compares received bytes with the repeated block they should be. */
  #compare(buffer: Buffer, start: number, end: number): void {
    const block = this.#run.blocks[this.#variant] as Buffer;
    let at = start;
    while (at < end && block.length > 0) {
      const blockAt = (this.#receivedBytes + at - start) % block.length;
      const size = Math.min(end - at, block.length - blockAt);
      if (block.compare(buffer, at, at + size, blockAt, blockAt + size) !== 0) this.#differs = true;
      at += size;
    }
  }

  #takeEnd(): void {
    const latencyMs = performance.now() - this.#startedMs;
    this.#busy = false;
    const problem = this.#problem();
    if (problem !== undefined) {
      this.#fail(new Error(`${this.#plan.method} number ${this.#number}: ${problem}`));
      return;
    }
    const etag = this.#plan.collectEtags ? this.#parser.header('etag') : undefined;
    this.#run.finished(this.#number, latencyMs, etag, this.#verify);
    this.#sendInTurn();
  }

  /** At once, or when the pace says so: one that is late does not hurry to catch up. */
  #sendInTurn(): void {
    const { intervalMs } = this.#plan;
    if (intervalMs === undefined) return this.#send();
    const nowMs = performance.now();
    this.#dueMs = Math.max(this.#dueMs + intervalMs, nowMs);
    if (this.#dueMs > nowMs) setTimeout(() => this.#send(), this.#dueMs - nowMs);
    else this.#send();
  }

  #problem(): string | undefined {
    const { status } = this.#parser;
    if (status !== 200 && !(status === 204 && this.#plan.method === 'DELETE'))
      return `expected status 200, got ${status} (${this.#parser.head.slice(0, 200)})`;
    if (
      this.#plan.method === 'GET' &&
      this.#plan.targets.kind !== 'repeated' &&
      this.#receivedBytes !== this.#plan.bodyBytes
    )
      return `expected ${this.#plan.bodyBytes} bytes, got ${this.#receivedBytes}`;
    if (this.#differs) return 'the body is not what was stored';
    if (this.#verify && this.#plan.method === 'PUT') {
      const expected = `"${this.#run.md5s[this.#variant]}"`;
      const etag = this.#parser.header('etag');
      if (etag !== expected) return `expected the ETag ${expected}, got ${etag ?? 'none'}`;
    }
    return undefined;
  }

  #fail(error: Error): void {
    this.close();
    this.#run.failed(error);
  }
}
