/**
 * Requests for single objects past the AWS client's middleware, which costs a millisecond of CPU for each, twenty times
 * what the request itself costs.
 *
 * The client still decides everything that takes knowledge: where a bucket's requests go, for which region they are signed,
 * and with which credentials. The first request of a bucket goes through the client, and what it sent is looked at
 * (`learn`): a bucket whose requests are signed in any other way than with Signature Version 4 for S3 stays with the client.
 *
 * Errors are shaped as the client's are, for `s3-errors.ts`. A clock that is off by more than the store takes is corrected
 * from its answers, as the client does.
 */
import type { Agent, IncomingHttpHeaders } from 'node:http';
import { KIB, MINUTE_MS } from '../../../core/units.js';
import { type Answer, drained, exchange, readText } from '../http-exchange.js';
import type { SmallExchanges } from '../small-exchange.js';
import { DirectBody } from './direct-body.js';
import type { S3AnswerFields } from './s3-metadata.js';
import { encodeKey, encodeQuery, type S3Credentials, S3Signer } from './s3-signer.js';

/** Larger bodies gain nothing from a way of their own. */
const SMALL_BYTES_MAX = 256 * KIB;
const HEADER_NAME = /^[\w!#$%&'*+.^`|~-]+$/;
const UNSAFE_IN_VALUE = /[^\t\x20-\x7e]/;
/** Buckets whose way is known; more begin again. */
const ROUTES_MAX = 10_000;
/** S3 takes 15 minutes. */
const CLOCK_SKEW_MS_MAX = 4 * MINUTE_MS;
const AUTHORIZATION = /^AWS4-HMAC-SHA256 Credential=.+\/\d{8}\/([^/]+)\/s3\/aws4_request,/;
const METADATA_PREFIX = 'x-amz-meta-';
/** The store moved the bucket, or expects another region: the client has to look again. */
const REROUTED = new Set([
  'PermanentRedirect',
  'TemporaryRedirect',
  'AuthorizationHeaderMalformed',
  'NoSuchBucket',
]);

/** A request as the client's last middleware has it. */
interface ClientRequest {
  readonly protocol: string;
  readonly hostname: string;
  readonly port?: number;
  readonly path: string;
  readonly headers: Readonly<Record<string, string>>;
}

interface Route {
  readonly secure: boolean;
  readonly hostname: string;
  readonly port: number | undefined;
  /** The three of them. */
  readonly origin: string;
  readonly host: string;
  /** What stands before an encoded key. */
  readonly base: string;
  readonly signer: S3Signer;
}

export interface S3DirectOptions {
  readonly httpAgent: Agent;
  readonly httpsAgent: Agent;
  readonly small: SmallExchanges;
  readonly credentials: () => Promise<S3Credentials>;
  readonly connectTimeoutMs: number;
  readonly idleTimeoutMs: number;
}

export interface S3DirectRequest {
  readonly method: 'PUT' | 'DELETE' | 'GET' | 'HEAD';
  readonly Bucket: string;
  readonly Key: string;
  readonly query?: Readonly<Record<string, string>>;
  /** Names in lower case, values in ASCII. */
  readonly headers: Readonly<Record<string, string>>;
  /** One that is streamed is not signed, as the client does not sign it either: what its ETag or MD5 says guards it. */
  readonly body?: Uint8Array | DirectBody;
}

/** A refusal, with the fields that the client's own errors have. */
class S3AnswerError extends Error {
  readonly $metadata: { readonly httpStatusCode: number };

  constructor(name: string, message: string, status: number) {
    super(message);
    this.name = name;
    this.$metadata = { httpStatusCode: status };
  }
}

export class S3Direct {
  readonly #options: S3DirectOptions;
  readonly #routes = new Map<string, Route>();
  #clockOffsetMs = 0;
  #lastDate = '';

  constructor(options: S3DirectOptions) {
    this.#options = options;
  }

  knows(bucket: string): boolean {
    return this.#routes.has(bucket);
  }

  /** A middleware for the client's own request for an object, to be added at the end of the step `finalizeRequest`. */
  learn(target: { readonly Bucket: string; readonly Key: string }) {
    return <Arguments extends { request: unknown }, Output>(next: (args: Arguments) => Promise<Output>) =>
      (args: Arguments): Promise<Output> => {
        const route = routeFrom(args.request as ClientRequest, target.Key);
        if (this.#routes.size >= ROUTES_MAX) this.#routes.clear();
        if (route !== undefined) this.#routes.set(target.Bucket, route);
        return next(args);
      };
  }

  /** Sends a request for an object in a bucket that is known; resolves when the whole answer is there. Its headers. */
  async send(request: S3DirectRequest, signal: AbortSignal | undefined): Promise<IncomingHttpHeaders> {
    const { body } = request;
    if (body instanceof Uint8Array && body.length <= SMALL_BYTES_MAX) {
      const answer = await this.#sendSmall(request, body, signal);
      if (answer !== undefined) return answer;
    }
    const streamed = request.body instanceof DirectBody ? request.body : undefined;
    try {
      const answer = await this.open(request, signal);
      await drained(answer, signal);
      // The answer may come before the source knows that its last byte was taken.
      if (streamed !== undefined) await streamed.over;
      return answer.headers;
    } catch (error) {
      throw streamed?.error ?? error;
    }
  }

  /** As `send`, with the answer's body still to come: it must be consumed or destroyed. */
  async open(request: S3DirectRequest, signal: AbortSignal | undefined): Promise<Answer> {
    const { Bucket, body } = request;
    const answer = await this.#exchange(request, signal);
    this.#correctClock(answer.headers.date);
    const status = answer.statusCode ?? 0;
    if (status >= 200 && status < 300) return answer;
    const error = this.#refused(Bucket, status, await readText(answer, signal));
    // A store that refuses a body need not read the rest of it.
    if (body instanceof DirectBody && !body.isOver) answer.socket.destroy();
    throw error;
  }

  /** Undefined when it has to go the other way. */
  async #sendSmall(
    request: S3DirectRequest,
    body: Uint8Array,
    signal: AbortSignal | undefined,
  ): Promise<IncomingHttpHeaders | undefined> {
    const { route, path, headers } = await this.#signed(request);
    // What is no header: node:http says what is wrong with it.
    for (const name of Object.keys(headers))
      if (!HEADER_NAME.test(name) || UNSAFE_IN_VALUE.test(headers[name] ?? '')) return undefined;
    if (signal?.aborted === true) throw signal.reason as Error;
    const { origin } = route;
    const answer = await this.#options.small.send(
      { origin, method: request.method, path, headers, body },
      signal,
    );
    const { status, headers: fields, body: said } = answer;
    this.#correctClock(fields['date']);
    if (status >= 200 && status < 300) return fields;
    throw this.#refused(request.Bucket, status, said.toString('utf8'));
  }

  #refused(bucket: string, status: number, text: string): S3AnswerError {
    const error = errorFrom(status, text);
    if (status < 400 || REROUTED.has(error.name)) this.#routes.delete(bucket);
    return error;
  }

  async #exchange(request: S3DirectRequest, signal: AbortSignal | undefined): Promise<Answer> {
    const { method, body } = request;
    const { route, path, headers } = await this.#signed(request);
    const { secure, hostname, port } = route;
    const { httpAgent, httpsAgent, connectTimeoutMs, idleTimeoutMs } = this.#options;
    const agent = secure ? httpsAgent : httpAgent;
    const options = { connectTimeoutMs, idleTimeoutMs, agent };
    return exchange({ ...options, secure, hostname, port, method, path, headers, body }, signal);
  }

  async #signed(
    request: S3DirectRequest,
  ): Promise<{ route: Route; path: string; headers: Record<string, string> }> {
    const { method, Bucket, Key, headers, body } = request;
    const route = this.#routes.get(Bucket);
    if (route === undefined) throw new Error(`nothing is known of the bucket ${Bucket}`);
    const { host, base, signer } = route;
    const encoded = base + encodeKey(Key);
    const query = request.query === undefined ? '' : encodeQuery(request.query);
    const credentials = await this.#options.credentials();
    const nowMs = Date.now() + this.#clockOffsetMs;
    const isStreamed = body instanceof DirectBody;
    const signed = signer.sign(
      { method, path: encoded, query, host, headers, body: isStreamed ? 'unsigned' : body },
      credentials,
      nowMs,
    );
    if (body !== undefined) signed['content-length'] = String(isStreamed ? body.sizeBytes : body.length);
    return { route, path: query === '' ? encoded : `${encoded}?${query}`, headers: signed };
  }

  #correctClock(date: string | undefined): void {
    if (date === undefined || date === this.#lastDate) return;
    this.#lastDate = date;
    const offsetMs = Date.parse(date) - Date.now();
    if (Math.abs(offsetMs - this.#clockOffsetMs) > CLOCK_SKEW_MS_MAX) this.#clockOffsetMs = offsetMs;
  }
}

/** What the headers of an answer say of an object, as the client's answers have it. */
export function fieldsFrom(headers: IncomingHttpHeaders): S3AnswerFields {
  const text = (name: string): string | undefined => {
    const value = headers[name];
    return typeof value === 'string' ? value : undefined;
  };
  const Metadata: Record<string, string> = {};
  for (const name of Object.keys(headers)) {
    if (name.startsWith(METADATA_PREFIX)) Metadata[name.slice(METADATA_PREFIX.length)] = text(name) ?? '';
  }
  const modified = text('last-modified');
  const tags = text('x-amz-tagging-count');
  const length = text('content-length');
  return {
    ETag: text('etag'),
    LastModified: modified === undefined ? undefined : new Date(modified),
    Metadata,
    ServerSideEncryption: text('x-amz-server-side-encryption'),
    SSECustomerAlgorithm: text('x-amz-server-side-encryption-customer-algorithm'),
    ContentType: text('content-type'),
    ContentEncoding: text('content-encoding'),
    ContentLanguage: text('content-language'),
    ContentDisposition: text('content-disposition'),
    CacheControl: text('cache-control'),
    ExpiresString: text('expires'),
    WebsiteRedirectLocation: text('x-amz-website-redirect-location'),
    ContentLength: length === undefined ? undefined : Number(length),
    ContentRange: text('content-range'),
    TagCount: tags === undefined ? undefined : Number(tags),
  };
}

function routeFrom(request: ClientRequest, key: string): Route | undefined {
  const { protocol, hostname, port, path, headers } = request;
  const region = AUTHORIZATION.exec(headers['authorization'] ?? '')?.[1];
  const encoded = encodeKey(key);
  // The express zones of S3 sign with keys of a session.
  if (region === undefined || 'x-amz-s3session-token' in headers || !path.endsWith(encoded)) return undefined;
  return {
    secure: protocol === 'https:',
    hostname: hostname.startsWith('[') ? hostname.slice(1, -1) : hostname,
    port,
    origin: `${protocol}//${hostname}${port === undefined ? '' : `:${port}`}`,
    host: headers['host'] ?? hostname,
    base: path.slice(0, path.length - encoded.length),
    signer: new S3Signer(region),
  };
}

function errorFrom(status: number, text: string): S3AnswerError {
  const code = /<Code>([^<]*)<\/Code>/.exec(text)?.[1];
  const message = /<Message>([^<]*)<\/Message>/.exec(text)?.[1];
  return new S3AnswerError(
    code ?? String(status),
    message === undefined ? `the store answered ${status}` : unescapeXml(message),
    status,
  );
}

const ENTITIES: Readonly<Record<string, string>> = { lt: '<', gt: '>', quot: '"', apos: "'", amp: '&' };

function unescapeXml(text: string): string {
  return text.replaceAll(/&(lt|gt|quot|apos|amp);/g, (_, name: string) => ENTITIES[name] ?? '');
}
