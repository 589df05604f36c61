/**
 * HTTP/1.1 requests with a small body and a small answer, on connections of their own: a third of what node:http takes for the same,
 * which is most of what an upload of 10 KiB costs.
 *
 * Request and body are one write from a buffer that the connection keeps; an answer is read as a whole. Every wait ends: for the
 * connection, for something to move on it, and when the caller's signal aborts. An answer that breaks off is an error. Nothing is
 * repeated here. A connection is used again unless its answer said otherwise, was not framed, or came before the request was out.
 *
 * Source of the framing: RFC 9112, sections 6 and 7.
 */
import net from 'node:net';
import tls from 'node:tls';
import { KIB, SECOND_MS } from '../../core/units.js';
import { parseAnswer, type SmallAnswer } from './small-answer.js';

export interface SmallExchangeOptions {
  readonly connectTimeoutMs: number;
  /** A connection on which nothing moves for this long while it is waited for is given up. */
  readonly idleTimeoutMs: number;
  /** One that nobody needs is closed after so long. */
  readonly unusedTimeoutMs: number;
  readonly connectionsMax: number;
}

export interface SmallRequest {
  readonly secure: boolean;
  readonly hostname: string;
  readonly port: number | undefined;
  /** Request line and headers, `content-length` among them, without the empty line behind them; ASCII. */
  readonly head: string;
  readonly body: Uint8Array;
}

const READ_BYTES = 16 * KIB;
const KEPT_SECONDS = /(?:^|[ ,])timeout=(\d{1,9})/i;
const EARLIER_MS = SECOND_MS;
const HEAD_END = '\r\n\r\n';

export class SmallExchanges {
  readonly #options: SmallExchangeOptions;
  /** Free connections by where they lead; the one that was used last is taken next. */
  readonly #free = new Map<string, Connection[]>();
  readonly #all = new Set<Connection>();

  constructor(options: SmallExchangeOptions) {
    this.#options = options;
  }

  /** Resolves with the whole answer, whatever its status; undefined when there are too many already. */
  send(request: SmallRequest, signal: AbortSignal | undefined): Promise<SmallAnswer> | undefined {
    const { secure, hostname, port } = request;
    const origin = `${secure ? 'https' : 'http'}://${hostname}:${port ?? ''}`;
    let free = this.#free.get(origin);
    if (free === undefined) this.#free.set(origin, (free = []));
    let connection = free.pop();
    if (connection === undefined) {
      if (this.#all.size >= this.#options.connectionsMax) return undefined;
      connection = this.#open(request, free);
    }
    return connection.exchange(request, signal);
  }

  /** Requests under way fail. */
  destroy(): void {
    for (const connection of this.#all) connection.destroy();
  }

  #open(request: SmallRequest, free: Connection[]): Connection {
    const connection: Connection = new Connection(request, this.#options, {
      freed: () => free.push(connection),
      closed: () => {
        this.#all.delete(connection);
        const at = free.indexOf(connection);
        if (at >= 0) free.splice(at, 1);
      },
    });
    this.#all.add(connection);
    return connection;
  }
}

interface ConnectionOwner {
  freed(): void;
  closed(): void;
}

interface Exchange {
  readonly resolve: (answer: SmallAnswer) => void;
  readonly reject: (error: Error) => void;
  readonly settled: () => void;
}

class Connection {
  readonly #socket: net.Socket;
  readonly #options: SmallExchangeOptions;
  readonly #owner: ConnectionOwner;
  #sent: Buffer = Buffer.allocUnsafeSlow(READ_BYTES);
  #exchange: Exchange | undefined;
  /** Of an answer of which more is to come. */
  #received: Buffer | undefined;

  constructor(request: SmallRequest, options: SmallExchangeOptions, owner: ConnectionOwner) {
    this.#options = options;
    this.#owner = owner;
    this.#socket = this.#connect(request);
    this.#socket.setNoDelay(true);
    this.#socket.on('timeout', () => {
      this.#fail(new Error(`nothing moved for ${options.idleTimeoutMs} ms`));
      this.destroy();
    });
    this.#socket.on('end', () => this.#hasEnded());
    this.#socket.on('error', (error) => {
      this.#fail(error);
      this.destroy();
    });
    this.#socket.on('close', () => {
      this.#hasEnded();
      owner.closed();
    });
  }

  exchange(request: SmallRequest, signal: AbortSignal | undefined): Promise<SmallAnswer> {
    return new Promise((resolve, reject) => {
      const onAbort = (): void => {
        this.#fail(signal?.reason as Error);
        this.destroy();
      };
      signal?.addEventListener('abort', onAbort, { once: true });
      const settled = (): void => signal?.removeEventListener('abort', onAbort);
      this.#exchange = { resolve, reject, settled };
      this.#socket.ref();
      this.#socket.setTimeout(this.#options.idleTimeoutMs);
      this.#socket.write(this.#bytesOf(request));
    });
  }

  /** Nobody gets it any more, from now on. */
  destroy(): void {
    this.#owner.closed();
    this.#socket.destroy();
  }

  #connect({ secure, hostname, port }: SmallRequest): net.Socket {
    const { connectTimeoutMs } = this.#options;
    const socket = secure
      ? tls.connect({
          host: hostname,
          port: port ?? 443,
          ...(net.isIP(hostname) === 0 ? { servername: hostname } : {}),
        })
      : net.connect({
          host: hostname,
          port: port ?? 80,
          onread: {
            buffer: Buffer.allocUnsafeSlow(READ_BYTES),
            callback: (length, buffer) => this.#read((buffer as Buffer).subarray(0, length)),
          },
        });
    if (secure) socket.on('data', (bytes: Buffer) => this.#read(bytes));
    const timer = setTimeout(() => {
      // In these words the table of `s3-errors.ts` knows it.
      this.#fail(new Error(`did not establish a connection to ${hostname} within ${connectTimeoutMs} ms`));
      this.destroy();
    }, connectTimeoutMs);
    const clear = (): void => clearTimeout(timer);
    socket.once(secure ? 'secureConnect' : 'connect', clear);
    socket.once('close', clear);
    return socket;
  }

  /** The last request has left the buffer: its answer has come. */
  #bytesOf({ head, body }: SmallRequest): Buffer {
    const bodyAt = head.length + HEAD_END.length;
    const length = bodyAt + body.length;
    if (this.#sent.length < length) this.#sent = Buffer.allocUnsafeSlow(length);
    this.#sent.write(head, 0, 'latin1');
    this.#sent.write(HEAD_END, head.length, 'latin1');
    this.#sent.set(body, bodyAt);
    return this.#sent.subarray(0, length);
  }

  /** `bytes` are valid within the call. */
  #read(bytes: Buffer): boolean {
    const all = this.#received === undefined ? bytes : Buffer.concat([this.#received, bytes]);
    this.#take(all, false);
    if (this.#exchange !== undefined) this.#received = all === bytes ? Buffer.from(bytes) : all;
    return true;
  }

  #take(bytes: Buffer, isAll: boolean): void {
    try {
      const answer = this.#exchange === undefined ? undefined : parseAnswer(bytes, isAll);
      if (answer !== undefined) return this.#succeed(answer, bytes.length);
      // Nobody asked for it.
      if (this.#exchange === undefined) this.destroy();
    } catch (error) {
      this.#fail(error as Error);
      this.destroy();
    }
  }

  #succeed(answer: SmallAnswer, bytes: number): void {
    const exchange = this.#exchange;
    this.#exchange = undefined;
    this.#received = undefined;
    if (answer.keepsOpen && answer.bytes === bytes && this.#socket.writableLength === 0) {
      this.#socket.setTimeout(this.#unusedMs(answer.headers['keep-alive']));
      this.#socket.unref();
      this.#owner.freed();
    } else this.destroy();
    exchange?.settled();
    exchange?.resolve(answer);
  }

  /** Shorter than the store says that it keeps it: a request must not meet its end. */
  #unusedMs(keepAlive: string | undefined): number {
    const { unusedTimeoutMs } = this.#options;
    const seconds = keepAlive === undefined ? undefined : KEPT_SECONDS.exec(keepAlive)?.[1];
    if (seconds === undefined) return unusedTimeoutMs;
    return Math.max(1, Math.min(unusedTimeoutMs, Number(seconds) * SECOND_MS - EARLIER_MS));
  }

  /** The store sends no more: an answer without a length ends so. */
  #hasEnded(): void {
    if (this.#exchange === undefined) {
      this.destroy();
      return;
    }
    if (this.#received !== undefined) this.#take(this.#received, true);
    const error: NodeJS.ErrnoException = new Error('the connection ended before the whole answer had come');
    error.code = 'ECONNRESET';
    this.#fail(error);
    this.destroy();
  }

  #fail(error: Error): void {
    const exchange = this.#exchange;
    this.#exchange = undefined;
    this.#received = undefined;
    exchange?.settled();
    exchange?.reject(error);
  }
}
