/**
 * A bare S3 store on node:http, in a process of its own: what an upload or a fetch costs with next to nothing behind it.
 *
 * It checks no signature and writes nothing. The ETag is the Content-MD5 that came. Of what it was given it keeps bodies up to
 * `KEPT_BYTES_MAX`, equal ones once, so that they can be fetched again; longer ones are counted and forgotten.
 */
import { createHash, hash } from 'node:crypto';
import { createServer, type IncomingMessage, type ServerResponse } from 'node:http';
import type { AddressInfo } from 'node:net';

/** Everything is optional: what is not named stays as it is. */
export interface S3SinkRequest {
  /** How long it waits before it answers a GET of an object. */
  readonly getDelayMs?: number;
}

/** What it did since it was asked before. */
export interface S3SinkReply {
  readonly port: number;
  readonly puts: number;
  readonly gets: number;
}

const KEPT_BYTES_MAX = 1024 * 1024;
/** What comes here is neither kept nor hashed. */
const FORGOTTEN = '/forgotten/';
const EMPTY_LISTING = '<ListBucketResult><IsTruncated>false</IsTruncated></ListBucketResult>';
const NO_BUCKETS = '<ListAllMyBucketsResult><Buckets></Buckets></ListAllMyBucketsResult>';
/** The ETag of what was too long to be hashed here and came without an MD5: nobody takes it for one. */
const UNKNOWN = 'not-an-md5';
const NO_SUCH_KEY = '<Error><Code>NoSuchKey</Code><Message>not here</Message></Error>';

interface Stored {
  readonly etag: string;
  readonly size: number;
  readonly headers: Readonly<Record<string, string>>;
}

class S3Sink {
  getDelayMs = 0;
  puts = 0;
  gets = 0;
  readonly #buckets = new Set<string>();
  readonly #objects = new Map<string, Stored>();
  readonly #bodies = new Map<string, Buffer>();
  /** The parts' ETags and sizes, by upload. */
  readonly #uploads = new Map<string, Map<number, { etag: string; size: number }>>();

  answer(request: IncomingMessage, response: ServerResponse): void {
    const [path = '', query = ''] = (request.url ?? '').split('?', 2);
    const slash = path.indexOf('/', 1);
    const bucket = slash < 0 ? path.slice(1) : path.slice(1, slash);
    if (slash < 0 || slash === path.length - 1) this.#answerBucket(request, response, bucket);
    else if (request.method === 'PUT') this.#put(request, response, path, new URLSearchParams(query));
    else if (request.method === 'POST') this.#post(request, response, path, new URLSearchParams(query));
    else this.#answerObject(request, response, path);
  }

  #answerBucket(request: IncomingMessage, response: ServerResponse, bucket: string): void {
    request.resume();
    if (bucket === '') return reply(response, 200, {}, NO_BUCKETS);
    if (request.method === 'PUT') this.#buckets.add(bucket);
    if (!this.#buckets.has(bucket)) return reply(response, 404);
    reply(response, 200, {}, request.method === 'GET' ? EMPTY_LISTING : '');
  }

  #put(request: IncomingMessage, response: ServerResponse, path: string, query: URLSearchParams): void {
    const chunks: Buffer[] = [];
    let size = 0;
    request.on('data', (chunk: Buffer) => {
      size += chunk.length;
      if (size <= KEPT_BYTES_MAX) chunks.push(chunk);
    });
    request.on('end', () => {
      const stated = request.headers['content-md5'];
      const whole = size <= KEPT_BYTES_MAX;
      const computed = (): string =>
        whole && !path.startsWith(FORGOTTEN) ? hash('md5', Buffer.concat(chunks), 'hex') : UNKNOWN;
      const etag = typeof stated === 'string' ? Buffer.from(stated, 'base64').toString('hex') : computed();
      const upload = query.get('uploadId');
      if (upload !== null) this.#uploads.get(upload)?.set(Number(query.get('partNumber')), { etag, size });
      else {
        if (whole && etag !== UNKNOWN && !this.#bodies.has(etag))
          this.#bodies.set(etag, Buffer.concat(chunks));
        this.#store(path, { etag, size, headers: headersOf(request) });
      }
      reply(response, 200, { ETag: `"${etag}"` });
    });
  }

  #store(path: string, stored: Stored): void {
    this.#objects.set(path, stored);
    this.puts++;
  }

  #post(request: IncomingMessage, response: ServerResponse, path: string, query: URLSearchParams): void {
    request.resume();
    const upload = query.get('uploadId');
    if (upload === null) {
      const id = String(this.#uploads.size + 1);
      this.#uploads.set(id, new Map());
      const document = `<InitiateMultipartUploadResult><UploadId>${id}</UploadId></InitiateMultipartUploadResult>`;
      return reply(response, 200, {}, document);
    }
    request.on('end', () => {
      const parts = [...(this.#uploads.get(upload) ?? [])].toSorted(([a], [b]) => a - b);
      const digest = createHash('md5');
      for (const [, { etag }] of parts) digest.update(Buffer.from(etag, 'hex'));
      const isKnown = parts.every(([, part]) => part.etag !== UNKNOWN);
      const etag = isKnown ? `${digest.digest('hex')}-${parts.length}` : UNKNOWN;
      const size = parts.reduce((sum, [, part]) => sum + part.size, 0);
      this.#uploads.set(upload, new Map());
      this.#store(path, { etag, size, headers: headersOf(request) });
      const document = `<CompleteMultipartUploadResult><ETag>"${etag}"</ETag></CompleteMultipartUploadResult>`;
      reply(response, 200, {}, document);
    });
  }

  #answerObject(request: IncomingMessage, response: ServerResponse, path: string): void {
    request.resume();
    if (request.method === 'DELETE') {
      this.#objects.delete(path);
      return reply(response, 204);
    }
    const stored = this.#objects.get(path);
    if (stored === undefined) return reply(response, 404, {}, request.method === 'GET' ? NO_SUCH_KEY : '');
    if (request.method === 'GET') this.gets++;
    const answer = (): void => this.#send(request, response, stored);
    if (this.getDelayMs > 0 && request.method === 'GET') setTimeout(answer, this.getDelayMs);
    else answer();
  }

  #send(request: IncomingMessage, response: ServerResponse, { etag, size, headers }: Stored): void {
    const range = /^bytes=(\d+)-(\d*)$/.exec(request.headers.range ?? '');
    const first = Number(range?.[1] ?? 0);
    const last = Math.min(size - 1, range?.[2] ? Number(range[2]) : size - 1);
    response.writeHead(range === null ? 200 : 206, {
      ...headers,
      ETag: `"${etag}"`,
      'Last-Modified': 'Thu, 01 Jan 2026 00:00:00 GMT',
      'Content-Length': last + 1 - first,
      ...(range === null ? {} : { 'Content-Range': `bytes ${first}-${last}/${size}` }),
    });
    response.end(request.method === 'HEAD' ? undefined : this.#bodies.get(etag)?.subarray(first, last + 1));
  }
}

/** What is kept of an object's headers. */
function headersOf({ headers }: IncomingMessage): Record<string, string> {
  const kept: Record<string, string> = {};
  for (const [name, value] of Object.entries(headers))
    if ((name.startsWith('x-amz-meta-') || name === 'content-type') && typeof value === 'string')
      kept[name] = value;
  return kept;
}

function reply(
  response: ServerResponse,
  status: number,
  headers: Record<string, string> = {},
  body = '',
): void {
  response.writeHead(status, { ...headers, 'Content-Length': Buffer.byteLength(body) });
  response.end(body);
}

if (process.send !== undefined && process.argv[2] === 's3-sink') {
  process.on('disconnect', () => process.exit());
  const sink = new S3Sink();
  const server = createServer((request, response) => sink.answer(request, response));
  server.keepAliveTimeout = 0;
  server.listen(0, '127.0.0.1', () => process.send?.({ kind: 'ready' }));
  process.on('message', ({ getDelayMs }: S3SinkRequest) => {
    if (getDelayMs !== undefined) sink.getDelayMs = getDelayMs;
    const { puts, gets } = sink;
    sink.puts = 0;
    sink.gets = 0;
    const result: S3SinkReply = { port: (server.address() as AddressInfo).port, puts, gets };
    process.send?.({ kind: 'done', result });
  });
}
