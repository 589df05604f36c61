/**
 * An HTTP proxy in front of a store, which fails as networks and stores do: on purpose, once per fault that was asked for.
 *
 * Requests are forwarded as they come. Redirects are rewritten so that the request they cause (to a datanode) passes here
 * too. A fault is taken by the first request that it `matches`; without one, the weather decides.
 */
import {
  createServer,
  request as forward,
  type IncomingHttpHeaders,
  type IncomingMessage,
  type ServerResponse,
} from 'node:http';
import type { AddressInfo } from 'node:net';

export type FaultKind =
  /** Not forwarded, never answered. */
  | { readonly kind: 'hang' }
  /** Takes effect, and is never answered. */
  | { readonly kind: 'hangAfterEffect' }
  /** Takes effect, and the connection is cut. */
  | { readonly kind: 'loseAnswer' }
  /** The answer's headers come, and so many bytes of its body; then the connection is cut. */
  | { readonly kind: 'cutAnswer'; readonly bodyBytes: number }
  /** The connection is cut when so many bytes of the request's body have come; nothing is forwarded. */
  | { readonly kind: 'cutRequest'; readonly bodyBytes: number }
  /** Not forwarded. */
  | { readonly kind: 'status'; readonly status: number; readonly body?: string }
  /** Forwarded when `until` resolves. */
  | { readonly kind: 'delay'; readonly until: Promise<void> };

export type Fault = FaultKind & { readonly matches?: (method: string, url: string) => boolean };

/** A request that came here, and what became of it. */
export interface Exchange {
  readonly method: string;
  readonly url: string;
  readonly headers: IncomingHttpHeaders;
  /** What the store answered; undefined as long as it has not, or was not asked. */
  status: number | undefined;
  /** Bytes of the answer's body that were passed on. */
  answeredBytes: number;
  /** Whether the answer was passed on to its end. */
  delivered: boolean;
}

const VIA = '/__via/';

export class FaultProxy {
  readonly #upstream: string;
  readonly #server = createServer((request, response) => this.#serve(request, response));
  #faults: Fault[] = [];
  #prepared: { readonly skipped: number; readonly fault: Fault } | undefined;
  #happened = false;
  #pausedPort: number | undefined;
  /** Methods and URLs, as they came. */
  readonly asked: string[] = [];
  /** In the order in which they came. */
  readonly exchanges: Exchange[] = [];
  /** Decides about each request for which no fault was asked; undefined lets it pass. */
  weather: (method: string, url: string) => FaultKind | undefined = () => undefined;
  /** Called when a request hangs. */
  onHang: () => void = () => {};

  /** `upstream` is `host:port`. */
  constructor(upstream: string) {
    this.#upstream = upstream;
  }

  async start(): Promise<void> {
    await new Promise<void>((resolve) => this.#server.listen(0, '127.0.0.1', resolve));
  }

  /** `host:port` */
  get address(): string {
    return `127.0.0.1:${(this.#server.address() as AddressInfo).port}`;
  }

  close(): Promise<void> {
    this.#server.closeAllConnections();
    return new Promise((resolve) => void this.#server.close(() => resolve()));
  }

  /** Nobody listens at the address, and connections are cut: a total outage, until `resume`. */
  async pause(): Promise<void> {
    this.#pausedPort = (this.#server.address() as AddressInfo).port;
    await this.close();
  }

  async resume(): Promise<void> {
    const port = this.#pausedPort;
    await new Promise<void>((resolve) => this.#server.listen(port, '127.0.0.1', resolve));
  }

  /** One after the other, each once. */
  inject(...faults: Fault[]): void {
    this.#faults.push(...faults);
  }

  /** Takes back what did not happen. */
  clear(): void {
    this.#faults = [];
  }

  /** A fault for the request that comes behind `skipped` others; armed at once, or by `arm` anew. */
  prepare(skipped: number, fault: Fault): void {
    this.#prepared = { skipped, fault };
    this.#happened = false;
    this.arm();
  }

  /** Counts from here. */
  arm(): void {
    this.clear();
    const { skipped, fault } = this.#prepared ?? { skipped: 0, fault: undefined };
    if (fault === undefined || this.#happened) return;
    let left = skipped;
    const matches = (): boolean => {
      if (left-- > 0) return false;
      this.#happened = true;
      return true;
    };
    this.inject({ ...fault, matches });
  }

  /** Lets all pass. */
  disarm(): void {
    this.clear();
  }

  /** Whether what was prepared happened. */
  happened(): boolean {
    this.clear();
    return this.#happened;
  }

  #serve(request: IncomingMessage, response: ServerResponse): void {
    const { method = '', url = '' } = request;
    this.asked.push(`${method} ${url}`);
    const { headers } = request;
    const exchange: Exchange = {
      method,
      url,
      headers,
      status: undefined,
      answeredBytes: 0,
      delivered: false,
    };
    this.exchanges.push(exchange);
    const index = this.#faults.findIndex(({ matches }) => matches?.(method, url) ?? true);
    const [fault] = index < 0 ? [this.weather(method, url)] : this.#faults.splice(index, 1);
    if (fault === undefined) return this.#forward(request, response, undefined, exchange);
    if (fault.kind === 'hang') {
      request.resume();
      return this.onHang();
    }
    if (fault.kind === 'status') {
      request.resume().on('end', () => response.writeHead(fault.status).end(fault.body));
      return;
    }
    if (fault.kind === 'delay') {
      void fault.until.then(() => this.#forward(request, response, undefined, exchange));
      return;
    }
    if (fault.kind === 'cutRequest') return cutAfter(request, fault.bodyBytes);
    this.#forward(request, response, fault, exchange);
  }

  #forward(
    request: IncomingMessage,
    response: ServerResponse,
    fault: FaultKind | undefined,
    exchange: Exchange,
  ): void {
    const { method, url = '' } = request;
    const via = url.startsWith(VIA) ? url.slice(VIA.length) : undefined;
    const [hostname, port] = (via === undefined ? this.#upstream : via.slice(0, via.indexOf('/'))).split(':');
    const path = via === undefined ? url : via.slice(via.indexOf('/'));
    const sent = forward({ hostname, port, method, path, headers: request.headers, agent: false });
    sent.on('error', () => response.destroy());
    // Paused while it waited.
    if (request.destroyed) return void sent.destroy();
    sent.on('response', (answer) => {
      exchange.status = answer.statusCode;
      if (fault?.kind === 'hangAfterEffect') {
        answer.resume().on('end', () => this.onHang());
        return;
      }
      if (fault?.kind === 'loseAnswer') {
        answer.resume().on('end', () => response.destroy());
        return;
      }
      const headers = { ...answer.headers };
      const { location } = headers;
      if (location?.startsWith('http://') === true) {
        headers.location = location.replace('http://', `http://${this.address}${VIA}`);
      }
      response.writeHead(answer.statusCode ?? 502, headers);
      if (fault?.kind === 'cutAnswer') cutAnswer(answer, response, fault.bodyBytes);
      else {
        answer.on('data', (chunk: Buffer) => (exchange.answeredBytes += chunk.length));
        answer.on('end', () => (exchange.delivered = true));
        answer.pipe(response);
      }
      answer.on('error', () => response.destroy());
    });
    request.pipe(sent);
    response.on('close', () => {
      if (!response.writableFinished && fault === undefined) sent.destroy();
    });
  }
}

function cutAfter(request: IncomingMessage, bodyBytes: number): void {
  let bytes = 0;
  const cut = (): void => void request.socket.destroy();
  request.on('data', (chunk: Buffer) => {
    bytes += chunk.length;
    if (bytes >= bodyBytes) cut();
  });
  request.on('end', cut);
}

function cutAnswer(answer: IncomingMessage, response: ServerResponse, bodyBytes: number): void {
  let left = bodyBytes;
  const cut = (): void => {
    answer.destroy();
    response.destroy();
  };
  response.flushHeaders();
  answer.on('data', (chunk: Buffer) => {
    const part = chunk.subarray(0, left);
    left -= part.length;
    // What was written must have left before the connection goes.
    response.write(part, () => {
      if (left === 0) cut();
    });
  });
  answer.on('end', cut);
}
