/**
 * An S3 under-store that takes everything except objects: an upload is read and then never answered. With it, what a
 * WRITE_BACK path holds stays dirty and costs no uploads, so that a PUT can be measured by itself.
 */
import { EventEmitter, once } from 'node:events';
import { createServer, type IncomingMessage, type Server, type ServerResponse } from 'node:http';
import type { AddressInfo } from 'node:net';

const EMPTY_LISTING = '<ListBucketResult><IsTruncated>false</IsTruncated></ListBucketResult>';
const NO_BUCKETS = '<ListAllMyBucketsResult><Buckets></Buckets></ListAllMyBucketsResult>';
const NO_SUCH_KEY = '<Error><Code>NoSuchKey</Code><Message>not here</Message></Error>';

export class HeldUfs {
  readonly #server: Server;
  readonly #buckets = new Set<string>();
  readonly #uploads = new EventEmitter();
  #heldUploads = 0;

  private constructor() {
    this.#server = createServer((request, response) => this.#answer(request, response));
  }

  static async start(): Promise<HeldUfs> {
    const ufs = new HeldUfs();
    ufs.#server.listen(0, '127.0.0.1');
    await once(ufs.#server, 'listening');
    return ufs;
  }

  get endpoint(): string {
    return `http://127.0.0.1:${(this.#server.address() as AddressInfo).port}`;
  }

  /** Resolves once an upload is being held. */
  async held(): Promise<void> {
    if (this.#heldUploads === 0) await once(this.#uploads, 'held');
  }

  async stop(): Promise<void> {
    const closed = once(this.#server, 'close');
    this.#server.close();
    this.#server.closeAllConnections();
    await closed;
  }

  #answer(request: IncomingMessage, response: ServerResponse): void {
    request.resume();
    const [bucket = '', ...rest] = new URL(request.url ?? '/', 'http://ufs').pathname.slice(1).split('/');
    const isObject = rest.join('/') !== '';
    if (isObject && (request.method === 'PUT' || request.method === 'POST')) {
      this.#heldUploads++;
      this.#uploads.emit('held');
      return;
    }
    if (isObject && request.method !== 'DELETE') return respond(response, 404, NO_SUCH_KEY);
    if (isObject) return respond(response, 204, '');
    if (bucket === '') return respond(response, 200, NO_BUCKETS);
    if (request.method === 'PUT') this.#buckets.add(bucket);
    if (!this.#buckets.has(bucket)) return respond(response, 404, '');
    return respond(response, 200, request.method === 'GET' ? EMPTY_LISTING : '');
  }
}

function respond(response: ServerResponse, status: number, body: string): void {
  response.writeHead(status, {
    'Content-Type': 'application/xml',
    'Content-Length': Buffer.byteLength(body),
  });
  response.end(body);
}
