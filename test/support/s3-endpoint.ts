/** The S3 endpoint over objects in memory, with the ways tests talk to it: the AWS SDK, fetch and a bare socket. */
import { connect } from 'node:net';
import type { Socket } from 'node:net';
import { S3Client } from '@aws-sdk/client-s3';
import type { Test } from 'tap';
import { SystemClock } from '../../src/adapters/system-clock.js';
import { SystemRandom } from '../../src/adapters/system-random.js';
import { SILENT_LOGGER } from '../../src/core/logger.js';
import { createS3Server } from '../../src/http/s3/s3-server.js';
import type { S3Server, S3ServerParts } from '../../src/http/s3/s3-server.js';
import { createMemoryObjectService } from './memory-object-service.js';
import type { MemoryObjectService } from './memory-object-service.js';

export interface S3Endpoint {
  readonly objects: MemoryObjectService;
  readonly server: S3Server;
  readonly port: number;
  readonly url: string;
  readonly client: S3Client;
}

/** Starts one for the duration of a test, with the bucket `bucket` in it. `parts` replace the usual ones. */
export async function startEndpoint(
  t: Test,
  parts: Partial<S3ServerParts> = {},
  wrap: (objects: MemoryObjectService) => Partial<MemoryObjectService> = () => ({}),
): Promise<S3Endpoint> {
  const clock = new SystemClock();
  const objects = createMemoryObjectService(clock);
  const overrides = wrap(objects);
  // Methods of the service in memory rely on their `this`.
  const service = new Proxy(objects, {
    get: (target, name) => {
      const value: unknown = Reflect.get(name in overrides ? overrides : target, name);
      return typeof value === 'function' ? (value.bind(target) as unknown) : value;
    },
  });
  await objects.createBucket('bucket');
  const server = createS3Server({
    objects: service,
    clock,
    random: new SystemRandom(),
    logger: SILENT_LOGGER,
    ...parts,
  });
  const { port } = await server.listen('127.0.0.1', 0);
  const url = `http://127.0.0.1:${port}`;
  const client = new S3Client({
    endpoint: url,
    region: 'us-east-1',
    forcePathStyle: true,
    maxAttempts: 1,
    credentials: { accessKeyId: 'access', secretAccessKey: 'secret' },
  });
  t.teardown(async () => {
    client.destroy();
    await server.close(0);
  });
  return { objects, server, port, url, client };
}

/** What came back on a socket: a status line, headers with lower-case names, and a body. */
export interface RawAnswer {
  readonly status: number;
  readonly head: string;
  readonly headers: ReadonlyMap<string, string>;
  readonly body: Buffer;
}

/** A socket that is written to by hand and reads one answer after the other. */
export class RawConnection {
  readonly socket: Socket;
  #received = Buffer.alloc(0);
  #ended = false;
  #wake: () => void = () => {};

  constructor(port: number) {
    this.socket = connect(port, '127.0.0.1');
    this.socket.on('data', (bytes: Buffer) => {
      this.#received = Buffer.concat([this.#received, bytes]);
      this.#wake();
    });
    const end = (): void => {
      this.#ended = true;
      this.#wake();
    };
    this.socket.on('end', end);
    this.socket.on('close', end);
    this.socket.on('error', end);
  }

  send(...pieces: (string | Uint8Array)[]): void {
    for (const piece of pieces)
      this.socket.write(typeof piece === 'string' ? Buffer.from(piece, 'latin1') : piece);
  }

  /** The next answer; `bodiless` for one to a HEAD. Rejects when the connection ends first. */
  async answer(bodiless = false): Promise<RawAnswer> {
    const headEnd = await this.#find('\r\n\r\n');
    const head = this.#received.subarray(0, headEnd).toString('latin1');
    this.#received = this.#received.subarray(headEnd + 4);
    const headers = new Map<string, string>();
    for (const line of head.split('\r\n').slice(1)) {
      const colon = line.indexOf(':');
      headers.set(line.slice(0, colon).toLowerCase(), line.slice(colon + 1).trim());
    }
    const status = Number(head.split(' ')[1]);
    const empty = bodiless || status < 200 || status === 204 || status === 304;
    const body = empty ? Buffer.alloc(0) : await this.#body(headers);
    return { status, head, headers, body };
  }

  /** Resolves once the other side has closed, with what came until then and was not asked for. */
  async ended(): Promise<Buffer> {
    while (!this.#ended) await this.#more();
    return this.#received;
  }

  async #body(headers: ReadonlyMap<string, string>): Promise<Buffer> {
    if (headers.get('transfer-encoding') !== 'chunked')
      return this.#take(Number(headers.get('content-length')));
    const pieces: Buffer[] = [];
    for (;;) {
      const lineEnd = await this.#find('\r\n');
      const size = Number.parseInt((await this.#take(lineEnd + 2)).toString('latin1'), 16);
      const piece = await this.#take(size + 2);
      if (size === 0) return Buffer.concat(pieces);
      pieces.push(piece.subarray(0, size));
    }
  }

  async #find(text: string): Promise<number> {
    for (;;) {
      const at = this.#received.indexOf(text);
      if (at >= 0) return at;
      if (this.#ended)
        throw new Error(`the connection ended after ${JSON.stringify(this.#received.toString())}`);
      await this.#more();
    }
  }

  async #take(size: number): Promise<Buffer> {
    while (this.#received.length < size) {
      if (this.#ended)
        throw new Error(`the connection ended ${size - this.#received.length} bytes too early`);
      await this.#more();
    }
    const taken = this.#received.subarray(0, size);
    this.#received = this.#received.subarray(size);
    return taken;
  }

  #more(): Promise<void> {
    return new Promise((resolve) => {
      this.#wake = resolve;
    });
  }
}

/** A connection that ends with the test. */
export function openRaw(t: Test, port: number): RawConnection {
  const connection = new RawConnection(port);
  t.teardown(() => connection.socket.destroy());
  return connection;
}

/** The code in an error's XML. */
export function codeOf(answer: { readonly body: Buffer }): string | undefined {
  return /<Code>(.*?)<\/Code>/.exec(answer.body.toString())?.[1];
}
