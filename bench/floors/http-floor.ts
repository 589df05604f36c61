/**
 * The floor under HTTP: what a bare node:http server does with the same requests. Started as a process of its own.
 *
 * `/sink/…` PUT reads and discards the body; GET answers bytes from memory.
 * `/file/…` PUT streams the body into a slot of one preallocated file, computes its MD5 and syncs the file;
 * GET streams a file of the same size.
 */
import { createHash } from 'node:crypto';
import { createReadStream } from 'node:fs';
import { open, type FileHandle } from 'node:fs/promises';
import { createServer, type IncomingMessage, type ServerResponse } from 'node:http';
import type { AddressInfo } from 'node:net';
import { bodyBlock, bodyMd5 } from '../load-plan.js';

export interface HttpFloorRequest {
  /** Where the file goes: the file system that the server under test uses. */
  readonly path: string;
  readonly smallBytes: number;
  readonly largeBytes: number;
  /** Large bodies that may arrive at once. */
  readonly slots: number;
}

export interface HttpFloorReply {
  readonly port: number;
}

class HttpFloor {
  readonly #request: HttpFloorRequest;
  readonly #file: FileHandle;
  readonly #small: Buffer;
  readonly #etag: string;
  readonly #freeSlots: number[];

  constructor(request: HttpFloorRequest, file: FileHandle) {
    this.#request = request;
    this.#file = file;
    this.#small = bodyBlock(0, request.smallBytes);
    this.#etag = `"${bodyMd5(this.#small, request.smallBytes)}"`;
    this.#freeSlots = Array.from({ length: request.slots }, (_, i) => i);
  }

  answer(request: IncomingMessage, response: ServerResponse): void {
    if (request.url?.startsWith('/sink/') === true) this.#answerSink(request, response);
    else if (request.method === 'PUT') void this.#putFile(request, response);
    else this.#getFile(response);
  }

  #answerSink(request: IncomingMessage, response: ServerResponse): void {
    if (request.method === 'GET') {
      response.writeHead(200, { 'Content-Length': this.#small.length, ETag: this.#etag });
      response.end(this.#small);
      return;
    }
    request.on('data', () => {});
    request.on('end', () => {
      response.writeHead(200, { 'Content-Length': 0, ETag: this.#etag });
      response.end();
    });
  }

  async #putFile(request: IncomingMessage, response: ServerResponse): Promise<void> {
    const slot = this.#freeSlots.pop();
    if (slot === undefined) throw new Error(`more than ${this.#request.slots} bodies at once`);
    const hash = createHash('md5');
    let position = slot * this.#request.largeBytes;
    for await (const chunk of request as AsyncIterable<Buffer>) {
      hash.update(chunk);
      await this.#file.write(chunk, 0, chunk.length, position);
      position += chunk.length;
    }
    await this.#file.datasync();
    this.#freeSlots.push(slot);
    response.writeHead(200, { 'Content-Length': 0, ETag: `"${hash.digest('hex')}"` });
    response.end();
  }

  #getFile(response: ServerResponse): void {
    response.writeHead(200, { 'Content-Length': this.#request.largeBytes, ETag: this.#etag });
    createReadStream(this.#request.path, { end: this.#request.largeBytes - 1 }).pipe(response);
  }
}

async function start(request: HttpFloorRequest): Promise<HttpFloorReply> {
  const file = await open(request.path, 'w+');
  const block = bodyBlock(0, request.largeBytes);
  for (let slot = 0; slot < request.slots; slot++) {
    for (let at = 0; at < request.largeBytes; at += block.length) {
      const size = Math.min(block.length, request.largeBytes - at);
      await file.write(block, 0, size, slot * request.largeBytes + at);
    }
  }
  await file.sync();
  const floor = new HttpFloor(request, file);
  const server = createServer((incoming, response) => floor.answer(incoming, response));
  server.keepAliveTimeout = 0;
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  return { port: (server.address() as AddressInfo).port };
}

if (process.send !== undefined && process.argv[2] === 'http-floor') {
  process.on('disconnect', () => process.exit());
  process.on('message', (request: HttpFloorRequest) => {
    start(request).then(
      (result) => process.send?.({ kind: 'done', result }),
      (error: Error) => process.send?.({ kind: 'failed', message: error.message }),
    );
  });
  process.send({ kind: 'ready' });
}
