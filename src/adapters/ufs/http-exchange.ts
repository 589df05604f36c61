/**
 * One HTTP request and its answer, on a connection of a shared pool.
 *
 * Every wait ends: for a connection, for the socket to move, and when the caller's signal aborts. An answer that breaks off
 * is an error. Nothing is repeated here.
 */
import http from 'node:http';
import https from 'node:https';
import { MIB } from '../../core/units.js';

/** An answer that is read as a text is not longer than this: a page of a listing, or an error. */
const TEXT_BYTES_MAX = 16 * MIB;

export interface Exchange {
  readonly secure: boolean;
  readonly hostname: string;
  readonly port: number | undefined;
  readonly method: string;
  readonly path: string;
  readonly headers: Readonly<Record<string, string>>;
  /** A stream has as many bytes as `content-length` says; a chunk is sent before the next is asked for. */
  readonly body: Uint8Array | AsyncIterable<Uint8Array> | undefined;
  readonly agent: http.Agent;
  readonly connectTimeoutMs: number;
  /** A connection on which nothing moves for this long is given up. */
  readonly idleTimeoutMs: number;
}

/** An answer of which the headers have come. Its stream must be consumed or destroyed. */
export type Answer = http.IncomingMessage;

/** Resolves when the headers of an answer have come, whatever its status. */
export function exchange(options: Exchange, signal: AbortSignal | undefined): Promise<Answer> {
  return new Promise((resolve, reject) => {
    const { secure, hostname, port, method, path, headers, agent, idleTimeoutMs: timeout } = options;
    const request = (secure ? https : http).request({
      hostname,
      port,
      method,
      path,
      headers,
      agent,
      timeout,
      // It is among the headers, signed.
      setHost: false,
    });
    const onAbort = (): void => {
      request.destroy();
      reject(signal?.reason as Error);
    };
    signal?.addEventListener('abort', onAbort, { once: true });
    request.once('socket', (socket) => {
      if (socket.connecting) limitConnecting(request, socket, options);
    });
    request.once('timeout', () => request.destroy(new Error(`nothing moved for ${timeout} ms`)));
    request.once('response', (answer) => {
      signal?.removeEventListener('abort', onAbort);
      resolve(answer);
    });
    // Also behind the answer: a store may answer, and close, before it took the whole body.
    request.on('error', (error) => {
      signal?.removeEventListener('abort', onAbort);
      reject(error);
    });
    const { body } = options;
    if (body === undefined || body instanceof Uint8Array) request.end(body);
    else
      sendStream(request, body).catch((error: unknown) => {
        signal?.removeEventListener('abort', onAbort);
        request.destroy();
        reject(error as Error);
      });
  });
}

/** Reads an answer to its end and forgets what it says. Rejects when it breaks off, or the signal aborts. */
export function drained(answer: Answer, signal: AbortSignal | undefined): Promise<void> {
  return new Promise((resolve, reject) => {
    const onAbort = (): void => {
      answer.destroy();
      reject(signal?.reason as Error);
    };
    if (signal?.aborted === true) return onAbort();
    signal?.addEventListener('abort', onAbort, { once: true });
    answer.once('end', () => {
      signal?.removeEventListener('abort', onAbort);
      resolve();
    });
    answer.once('error', (error) => {
      signal?.removeEventListener('abort', onAbort);
      reject(error);
    });
    answer.resume();
  });
}

/**
 * What an answer says, whole; a refusal of which a part is missing may be any. Rejects when it breaks off, is too long, or the
 * signal aborts.
 */
export function readText(answer: Answer, signal: AbortSignal | undefined): Promise<string> {
  return new Promise((resolve, reject) => {
    const chunks: Buffer[] = [];
    let bytes = 0;
    const onAbort = (): void => {
      answer.destroy();
      reject(signal?.reason as Error);
    };
    if (signal?.aborted === true) return onAbort();
    signal?.addEventListener('abort', onAbort, { once: true });
    const settled = (): void => signal?.removeEventListener('abort', onAbort);
    answer.on('data', (chunk: Buffer) => {
      chunks.push(chunk);
      bytes += chunk.length;
      if (bytes > TEXT_BYTES_MAX)
        answer.destroy(new Error(`the answer is longer than ${TEXT_BYTES_MAX} bytes`));
    });
    answer.once('end', () => {
      settled();
      resolve(Buffer.concat(chunks).toString('utf8'));
    });
    answer.once('error', (error) => {
      settled();
      reject(error);
    });
  });
}

/** Ends when the stream does, and fails as it does; a request that failed by itself ends it quietly. */
async function sendStream(request: http.ClientRequest, stream: AsyncIterable<Uint8Array>): Promise<void> {
  for await (const chunk of stream) {
    const isSent = await new Promise<boolean>((resolve) => {
      const fail = (): void => resolve(false);
      request.once('close', fail);
      request.write(chunk, (error) => {
        request.off('close', fail);
        resolve(error === null || error === undefined);
      });
    });
    if (!isSent || request.destroyed) return;
  }
  request.end();
}

function limitConnecting(
  request: http.ClientRequest,
  socket: import('node:net').Socket,
  { hostname, connectTimeoutMs }: Exchange,
): void {
  const timer = setTimeout(() => {
    request.destroy(new Error(`did not establish a connection to ${hostname} within ${connectTimeoutMs} ms`));
  }, connectTimeoutMs);
  const clear = (): void => clearTimeout(timer);
  socket.once('connect', clear);
  socket.once('close', clear);
}
