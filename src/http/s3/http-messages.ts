/**
 * What the S3 endpoint needs of a request and of the way to answer it. node:http's messages have it, and so have those of
 * `src/http/plain`.
 */
import type { IncomingHttpHeaders } from 'node:http';
import type { Socket } from 'node:net';

export interface HttpRequest {
  readonly method?: string | undefined;
  /** The request line's target as it came. */
  readonly url?: string | undefined;
  readonly httpVersion: string;
  /** By their lower-case names. Values are byte strings, one character per byte. */
  readonly headers: IncomingHttpHeaders;
  /** Names and values in turn, as they came. */
  readonly rawHeaders: readonly string[];
  readonly socket: Socket;
  /** Whether the whole body was handed out. */
  readonly complete: boolean;
  /** Bytes stay as they are until the request is answered with a success, or for ever. The first listener makes the body flow. */
  on(event: 'data', listener: (bytes: Uint8Array) => void): unknown;
  on(event: 'end', listener: () => void): unknown;
  off(event: 'data', listener: (bytes: Uint8Array) => void): unknown;
  off(event: 'end', listener: () => void): unknown;
  pause(): unknown;
  /** What nobody listens to is dropped. */
  resume(): unknown;
}

export interface HttpResponse {
  writeContinue(): void;
  /** `headers` are names and values in turn. Without a length among them the body is sent in chunks. */
  writeHead(status: number, headers: string[]): unknown;
  flushHeaders(): void;
  /** The bytes must stay as they are until `callback`. */
  write(bytes: string | Uint8Array, callback?: () => void): unknown;
  end(bytes?: string | Uint8Array, callback?: () => void): unknown;
}
