/**
 * An answer of JSON values, one per line (NDJSON): for tails, which have no end, and for long jobs, whose progress
 * keeps proxies and clients from giving up.
 *
 * Invariants: at most one line is waiting for the socket; `signal` aborts as soon as the client is gone or the server closes.
 */
import { once } from 'node:events';
import type { ServerResponse } from 'node:http';
import type { FastifyReply, FastifyRequest } from 'fastify';
import type { Logger } from '../../core/logger.js';
import { bodyOf, reportError } from './admin-errors.js';

export const LINES_TYPE = 'application/x-ndjson';

/** The open streams of one server, so that closing it ends them. */
export class LineStreams {
  readonly #open = new Set<LineStream>();
  readonly #logger: Logger;

  constructor(logger: Logger) {
    this.#logger = logger;
  }

  get size(): number {
    return this.#open.size;
  }

  /**
   * Answers with what `produce` writes. The headers leave at once. An error that `produce` throws becomes the last line,
   * since the status has long been sent.
   */
  async answer(
    request: FastifyRequest,
    reply: FastifyReply,
    produce: (lines: LineStream) => Promise<void>,
  ): Promise<void> {
    reply.hijack();
    const lines = new LineStream(reply.raw);
    this.#open.add(lines);
    try {
      await produce(lines);
    } catch (error) {
      if (!lines.signal.aborted) {
        reportError(error, request, this.#logger);
        lines.offer(bodyOf(error, request.id), true);
      }
    } finally {
      this.#open.delete(lines);
      lines.end();
    }
  }

  close(): void {
    for (const lines of this.#open) lines.abort();
  }
}

export class LineStream {
  readonly #response: ServerResponse;
  readonly #controller = new AbortController();

  constructor(response: ServerResponse) {
    this.#response = response;
    response.once('close', () => this.#controller.abort());
    response.on('error', () => this.#controller.abort());
    response.writeHead(200, { 'content-type': LINES_TYPE, 'cache-control': 'no-store' });
    response.flushHeaders();
  }

  get signal(): AbortSignal {
    return this.#controller.signal;
  }

  abort(): void {
    this.#controller.abort();
  }

  /** Writes a line; resolves when another one is welcome. Rejects once the client is gone. */
  async write(value: unknown): Promise<void> {
    this.signal.throwIfAborted();
    if (!this.#response.write(`${JSON.stringify(value)}\n`))
      await once(this.#response, 'drain', { signal: this.signal });
  }

  /** Writes a line unless the client is slow to read (`always`: even then). For progress, which may be skipped. */
  offer(value: unknown, always = false): void {
    if (this.signal.aborted || (this.#response.writableNeedDrain && !always)) return;
    this.#response.write(`${JSON.stringify(value)}\n`);
  }

  end(): void {
    this.#response.end();
  }
}

/** Whether the client asked for lines rather than for one JSON value. */
export function wantsLines(request: FastifyRequest): boolean {
  return (request.headers.accept ?? '').includes(LINES_TYPE);
}
