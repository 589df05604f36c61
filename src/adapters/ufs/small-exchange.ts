/**
 * HTTP/1.1 requests with a small body and a small answer, through undici: a third of what node:http takes for the same, which is
 * most of what an upload of 10 KiB costs.
 *
 * Every wait ends: for the connection, for something to move on it, and when the caller's signal aborts. An answer that breaks off
 * is an error. Nothing is repeated here. Requests that find all connections taken wait for one; how many there can be is the
 * caller's to bound.
 */
import { Pool, type Dispatcher } from 'undici';
import { MIB } from '../../core/units.js';

export interface SmallExchangeOptions {
  readonly connectTimeoutMs: number;
  /** A connection on which nothing moves for this long while it is waited for is given up. */
  readonly idleTimeoutMs: number;
  /** One that nobody needs is closed after so long, or earlier when the store says that it does not keep it. */
  readonly unusedTimeoutMs: number;
  /** To each store. */
  readonly connectionsMax: number;
}

export interface SmallRequest {
  /** `https://host:port` */
  readonly origin: string;
  readonly method: 'PUT' | 'DELETE' | 'GET' | 'HEAD';
  readonly path: string;
  readonly headers: Readonly<Record<string, string>>;
  /** Must stay as it is until the answer has come. */
  readonly body: Uint8Array;
}

export interface SmallAnswer {
  readonly status: number;
  /** Names in lower case; the values of one that comes again are joined with a comma. */
  readonly headers: Readonly<Record<string, string>>;
  readonly body: Buffer;
}

/** Never in the answer to a small PUT: a longer one is an error. */
const ANSWER_BYTES_MAX = MIB;

export class SmallExchanges {
  readonly #options: Pool.Options;
  readonly #pools = new Map<string, Pool>();

  constructor(options: SmallExchangeOptions) {
    this.#options = {
      connections: options.connectionsMax,
      pipelining: 1,
      connect: { timeout: options.connectTimeoutMs },
      headersTimeout: options.idleTimeoutMs,
      bodyTimeout: options.idleTimeoutMs,
      keepAliveTimeout: options.unusedTimeoutMs,
      keepAliveMaxTimeout: options.unusedTimeoutMs,
    };
  }

  /** Resolves with the whole answer, whatever its status. */
  send(request: SmallRequest, signal: AbortSignal | undefined): Promise<SmallAnswer> {
    const { origin, method, path, headers, body } = request;
    let pool = this.#pools.get(origin);
    if (pool === undefined) this.#pools.set(origin, (pool = new Pool(origin, this.#options)));
    const to = pool;
    return new Promise((resolve, reject) => {
      to.dispatch({ method, path, headers, body }, new Exchange(resolve, reject, signal));
    });
  }

  /** Requests under way fail. */
  async destroy(): Promise<void> {
    await Promise.all([...this.#pools.values()].map((pool) => pool.destroy()));
  }
}

class Exchange implements Dispatcher.DispatchHandlers {
  readonly #resolve: (answer: SmallAnswer) => void;
  readonly #reject: (error: Error) => void;
  readonly #signal: AbortSignal | undefined;
  #status = 0;
  #headers: Readonly<Record<string, string>> = {};
  readonly #pieces: Buffer[] = [];
  #bytes = 0;
  /** Ends the request and its connection, once it has one. */
  #abort: ((error: Error) => void) | undefined;
  #failure: Error | undefined;

  constructor(
    resolve: (answer: SmallAnswer) => void,
    reject: (error: Error) => void,
    signal: AbortSignal | undefined,
  ) {
    this.#resolve = resolve;
    this.#reject = reject;
    this.#signal = signal;
    signal?.addEventListener('abort', this.#giveUp, { once: true });
  }

  readonly #giveUp = (): void => this.#fail(this.#signal?.reason as Error);

  onConnect(abort: (error?: Error) => void): void {
    if (this.#failure === undefined) this.#abort = abort;
    else abort(this.#failure);
  }

  onHeaders(status: number, headers: Buffer[]): boolean {
    this.#status = status;
    this.#headers = fieldsOf(headers);
    return true;
  }

  onData(piece: Buffer): boolean {
    this.#bytes += piece.length;
    if (this.#bytes <= ANSWER_BYTES_MAX) this.#pieces.push(piece);
    else this.#fail(new Error(`the answer is longer than ${ANSWER_BYTES_MAX} bytes`));
    return true;
  }

  onComplete(): void {
    this.#signal?.removeEventListener('abort', this.#giveUp);
    this.#resolve({ status: this.#status, headers: this.#headers, body: Buffer.concat(this.#pieces) });
  }

  onError(error: Error): void {
    this.#signal?.removeEventListener('abort', this.#giveUp);
    this.#reject(error);
  }

  #fail(error: Error): void {
    this.#failure = error;
    this.#reject(error);
    this.#abort?.(error);
  }
}

function fieldsOf(headers: readonly Buffer[]): Record<string, string> {
  const fields: Record<string, string> = {};
  for (let at = 0; at + 1 < headers.length; at += 2) {
    const name = headers[at]?.toString('latin1').toLowerCase() ?? '';
    const value = headers[at + 1]?.toString('latin1') ?? '';
    const before = fields[name];
    fields[name] = before === undefined ? value : `${before}, ${value}`;
  }
  return fields;
}
