/**
 * The calls of the WebHDFS REST API that this connector makes, over HTTP.
 *
 * Metadata is asked of a namenode. Bytes go to and come from a datanode: the namenode answers 307 and names it, and
 * nothing but that answer is followed. Of several namenodes one is active; a standby says so, and the next is asked, as is the
 * next when one cannot be connected to. A request that may have arrived is never repeated here.
 *
 * Source: Apache Hadoop, "WebHDFS REST API".
 */
import http from 'node:http';
import https from 'node:https';
import { SECOND_MS } from '../../../core/units.js';
import { type Answer, drained, exchange, readText } from '../http-exchange.js';
import { isNotConnected, isRefusal, refusalFrom, WebHdfsRefusal } from './webhdfs-errors.js';

export interface NamenodeOptions {
  readonly secure: boolean;
  /** `host:port` of each namenode's HTTP address. */
  readonly namenodes: readonly string[];
  /** For `user.name`: whoever names himself is believed (Hadoop's "simple" authentication). */
  readonly user: string;
  readonly connectTimeoutMs?: number;
  /** A connection on which nothing moves for this long is given up. */
  readonly idleTimeoutMs?: number;
}

export type Method = 'GET' | 'PUT' | 'DELETE';
/** Parameters of an operation, not encoded. */
export type Parameters = readonly (readonly [name: string, value: string])[];

const CONNECT_TIMEOUT_MS = 5 * SECOND_MS;
const IDLE_TIMEOUT_MS = 60 * SECOND_MS;
/** Of each kind: to namenodes and to datanodes. */
const CONNECTIONS_MAX = 64;
/** Namenodes close connections that nobody uses after 10 s. */
const UNUSED_TIMEOUT_MS = 8 * SECOND_MS;
const ROOT = '/webhdfs/v1';

export class Namenode {
  readonly #options: NamenodeOptions;
  readonly #timeouts: { readonly connectTimeoutMs: number; readonly idleTimeoutMs: number };
  readonly #namenodeAgent: http.Agent;
  readonly #datanodeAgent: http.Agent;
  /** Index of the namenode that answered last. */
  #active = 0;

  constructor(options: NamenodeOptions) {
    this.#options = options;
    const { connectTimeoutMs = CONNECT_TIMEOUT_MS, idleTimeoutMs = IDLE_TIMEOUT_MS } = options;
    this.#timeouts = { connectTimeoutMs, idleTimeoutMs };
    const { Agent } = options.secure ? https : http;
    this.#namenodeAgent = new Agent({
      keepAlive: true,
      maxSockets: CONNECTIONS_MAX,
      timeout: UNUSED_TIMEOUT_MS,
    });
    // Datanodes close each connection behind its answer.
    this.#datanodeAgent = new Agent({ keepAlive: false, maxSockets: CONNECTIONS_MAX });
  }

  /** Cuts all connections. */
  close(): void {
    this.#namenodeAgent.destroy();
    this.#datanodeAgent.destroy();
  }

  /** One operation without a body. What it answers, parsed; undefined when it says nothing. Throws `WebHdfsRefusal`. */
  async call(
    method: Method,
    path: string,
    operation: string,
    parameters: Parameters,
    signal: AbortSignal | undefined,
  ): Promise<unknown> {
    const answer = await this.#ask(method, path, operation, parameters, signal);
    if ((answer.statusCode ?? 0) >= 300) {
      await drained(answer, signal);
      throw new WebHdfsRefusal(answer.statusCode ?? 0, '', `${operation} was redirected`);
    }
    const text = await readText(answer, signal);
    return text === '' ? undefined : (JSON.parse(text) as unknown);
  }

  /** Creates a file that is not there yet and fills it. Whole, and closed in HDFS, on return. */
  async create(
    path: string,
    parameters: Parameters,
    size: number,
    body: Uint8Array | AsyncIterable<Uint8Array>,
    signal: AbortSignal | undefined,
  ): Promise<void> {
    const location = await this.#datanodeOf('PUT', path, 'CREATE', parameters, signal);
    const headers = { 'content-length': String(size), 'content-type': 'application/octet-stream' };
    const answer = await this.#exchangeAt(location, 'PUT', headers, body, signal);
    if (answer.statusCode !== 201) throw refusalFrom(answer.statusCode ?? 0, await readText(answer, signal));
    await drained(answer, signal);
  }

  /** Bytes of a file. The stream must be consumed or destroyed. */
  async open(path: string, parameters: Parameters, signal: AbortSignal | undefined): Promise<Answer> {
    const location = await this.#datanodeOf('GET', path, 'OPEN', parameters, signal);
    const answer = await this.#exchangeAt(location, 'GET', {}, undefined, signal);
    if (answer.statusCode !== 200) throw refusalFrom(answer.statusCode ?? 0, await readText(answer, signal));
    return answer;
  }

  async #datanodeOf(
    method: Method,
    path: string,
    operation: string,
    parameters: Parameters,
    signal: AbortSignal | undefined,
  ): Promise<URL> {
    const answer = await this.#ask(method, path, operation, parameters, signal);
    await drained(answer, signal);
    const { location = '' } = answer.headers;
    if (answer.statusCode !== 307 || !/^https?:\/\//.test(location) || !URL.canParse(location)) {
      throw new WebHdfsRefusal(
        answer.statusCode ?? 0,
        '',
        `${operation} names no datanode (Location: ${location || 'none'}); the URI must be that of a namenode's WebHDFS`,
      );
    }
    return new URL(location);
  }

  /** An answer below 400, of the active namenode. */
  async #ask(
    method: Method,
    path: string,
    operation: string,
    parameters: Parameters,
    signal: AbortSignal | undefined,
  ): Promise<Answer> {
    const { namenodes } = this.#options;
    const first = this.#active;
    for (let attempt = 1; ; attempt++) {
      const index = (first + attempt - 1) % namenodes.length;
      try {
        const answer = await this.#askOne(
          namenodes[index] ?? '',
          method,
          path,
          operation,
          parameters,
          signal,
        );
        this.#active = index;
        return answer;
      } catch (error) {
        const isOther = isRefusal(error, 'StandbyException') || isNotConnected(error);
        if (!isOther || attempt === namenodes.length || signal?.aborted === true) throw error;
      }
    }
  }

  async #askOne(
    namenode: string,
    method: Method,
    path: string,
    operation: string,
    parameters: Parameters,
    signal: AbortSignal | undefined,
  ): Promise<Answer> {
    const scheme = this.#options.secure ? 'https' : 'http';
    let query = `op=${operation}&user.name=${encodeURIComponent(this.#options.user)}`;
    for (const [name, value] of parameters) query += `&${name}=${encodeURIComponent(value)}`;
    const { hostname, port } = new URL(`${scheme}://${namenode}`);
    const answer = await exchange(
      {
        ...this.#timeouts,
        secure: this.#options.secure,
        hostname: bare(hostname),
        port: port === '' ? undefined : Number(port),
        method,
        path: `${ROOT}${encodePath(path)}?${query}`,
        headers: method === 'PUT' ? { host: namenode, 'content-length': '0' } : { host: namenode },
        body: undefined,
        agent: this.#namenodeAgent,
      },
      signal,
    );
    const status = answer.statusCode ?? 0;
    if (status >= 400) throw refusalFrom(status, await readText(answer, signal));
    return answer;
  }

  #exchangeAt(
    location: URL,
    method: Method,
    headers: Readonly<Record<string, string>>,
    body: Uint8Array | AsyncIterable<Uint8Array> | undefined,
    signal: AbortSignal | undefined,
  ): Promise<Answer> {
    const secure = location.protocol === 'https:';
    if (secure !== this.#options.secure) {
      throw new WebHdfsRefusal(307, '', `the datanode ${location.origin} is not of the namenode's scheme`);
    }
    return exchange(
      {
        ...this.#timeouts,
        secure,
        hostname: bare(location.hostname),
        port: location.port === '' ? undefined : Number(location.port),
        method,
        path: location.pathname + location.search,
        headers: { ...headers, host: location.host },
        body,
        agent: this.#datanodeAgent,
      },
      signal,
    );
  }
}

function bare(hostname: string): string {
  return hostname.startsWith('[') ? hostname.slice(1, -1) : hostname;
}

function encodePath(path: string): string {
  return path
    .split('/')
    .map((name) => encodeURIComponent(name))
    .join('/');
}
