/** How operations answer: from a promise of the engine, and with what all writes say. */
import type { ReadBody } from '../../engine/object-service.js';
import { errorElement } from './error-document.js';
import { toS3Error } from './error-mapper.js';
import type { Exchange } from './exchange.js';
import { XML_DECLARATION } from './xml-writer.js';

/** Answers with `render` once `promise` resolves, or with its error. */
export function answer<Value>(
  exchange: Exchange,
  promise: Promise<Value>,
  render: (value: Value, exchange: Exchange) => void,
): void {
  promise.then(
    (value) => {
      try {
        render(value, exchange);
      } catch (error) {
        exchange.fail(error);
      }
    },
    (error: unknown) => exchange.fail(error),
  );
}

/** The header that names the event of a write. */
export function addOffset(into: string[], receipt: { readonly offset?: string | undefined }): void {
  if (receipt.offset !== undefined) into.push('x-headrace-offset', receipt.offset);
}

/**
 * Answers with XML that may take minutes to be ready, as copies and completions of large objects do. Quick ones are answered as
 * any other; a slow one gets its status, 200, and white space in front of the document from time to time, and says in
 * the document whether it failed, as S3 does (API reference, CompleteMultipartUpload).
 */
export function answerSlowly<Value>(
  exchange: Exchange,
  promise: Promise<Value>,
  render: (value: Value) => {
    readonly document: string;
    readonly headers: string[];
    /** 200 unless given; lost when the answer had to be begun before. */
    readonly status?: number;
  },
): void {
  const { clock, options } = exchange.context;
  let begun = false;
  const keepAlive = (): void => {
    if (exchange.gone) return;
    if (!begun) {
      const headers = exchange.startHeaders();
      headers.push('Content-Type', 'application/xml');
      if (!exchange.beginAnswer(200, headers)) return;
      begun = true;
      exchange.response.write(XML_DECLARATION);
    } else exchange.response.write(' ');
    cancel = clock.schedule(options.slowAnswerIntervalMs, keepAlive);
  };
  let cancel = clock.schedule(options.slowAnswerIntervalMs, keepAlive);
  const end = (element: string): void => {
    if (!exchange.gone) exchange.response.end(element);
    exchange.finish();
  };
  promise.then(
    (value) => {
      cancel();
      try {
        const { document, headers, status = 200 } = render(value);
        if (begun) end(document.slice(XML_DECLARATION.length));
        else exchange.replyXml(status, document, headers);
      } catch (error) {
        exchange.fail(error);
      }
    },
    (error: unknown) => {
      cancel();
      if (begun) {
        exchange.context.logger.error({ error, requestId: exchange.requestId }, 'a slow request failed');
        end(errorElement(toS3Error(error), exchange));
      } else exchange.fail(error);
    },
  );
}

/** Answers with an object's bytes. `headers` begins with `startHeaders()` and has everything but the length. */
export function answerWithBody(exchange: Exchange, status: number, headers: string[], body: ReadBody): void {
  if (body.kind === 'bytes') {
    exchange.replyBytes(status, headers, body.bytes, body.release);
    return;
  }
  streamBody(exchange, status, headers, body).catch((error: unknown) => exchange.fail(error));
}

/**
 * The first piece is read before the head is sent, so that what is wrong with the object from the start is an error and
 * not a cut connection. A piece is asked for only when the one before is out: it may lie in the same memory.
 */
async function streamBody(
  exchange: Exchange,
  status: number,
  headers: string[],
  body: ReadBody & { kind: 'stream' },
): Promise<void> {
  const iterator = body.stream[Symbol.asyncIterator]();
  let rest = body.size;
  let over = false;
  const pull = async (): Promise<Uint8Array | undefined> => {
    const piece = await iterator.next();
    if (piece.done !== true) return piece.value;
    over = true;
    return undefined;
  };
  try {
    let bytes = await pull();
    headers.push('Content-Length', String(body.size));
    if (exchange.beginAnswer(status, headers)) {
      while (bytes !== undefined && bytes.length <= rest && !exchange.gone) {
        rest -= bytes.length;
        await flush(exchange, bytes);
        bytes = exchange.gone ? undefined : await pull();
      }
      if (!exchange.gone && (rest !== 0 || !over))
        throw new Error(`an object's body is not the ${body.size} bytes that were announced`);
      if (!exchange.gone) exchange.response.end();
    }
  } finally {
    if (!over) await iterator.return?.();
  }
  exchange.finish();
}

/** Resolves when the bytes are out, or never will be. */
function flush(exchange: Exchange, bytes: Uint8Array): Promise<void> {
  return new Promise((resolve) => {
    exchange.onGone(resolve);
    exchange.response.write(bytes, () => {
      exchange.onGone(undefined);
      resolve();
    });
  });
}
