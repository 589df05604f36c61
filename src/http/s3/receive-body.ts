/**
 * How operations get a request's body: as the engine takes it, or as a document.
 */
import { createHash } from 'node:crypto';
import type { ObjectChecksum } from '../../core/object.js';
import { SMALL_BODY_BYTES_MAX } from '../../engine/object-service.js';
import type { Body } from '../../engine/object-service.js';
import { BodyCollector, type UseOfBody } from './body-collector.js';
import { planBody } from './body-plan.js';
import type { BodyPlan } from './body-plan.js';
import { BodyReader } from './body-reader.js';
import { BodyStream } from './body-stream.js';
import type { Exchange } from './exchange.js';
import { S3Error } from './s3-error.js';
import { parseXml } from './xml-reader.js';
import type { XmlElement } from './xml-reader.js';

export interface ReceivedBody {
  readonly body: Body;
  /** The MD5 the client states, for the engine to compare. */
  readonly md5: Uint8Array | undefined;
  /** What was verified; absent when the client stated no checksum. */
  readonly checksum: (() => ObjectChecksum | undefined) | undefined;
}

/**
 * Gives `use` the body: a small one when it is whole and checked, a large one as a stream that checks as it is read.
 * Throws what `planBody` throws, before a byte was read; what goes wrong later ends the exchange.
 */
export function receiveBody(exchange: Exchange, use: (received: ReceivedBody) => void): void {
  const { chunks, payload } = exchange.identity;
  const plan = planBody(exchange.headers, { chunks, payload });
  const { size, md5 } = plan;
  if (size !== undefined && size <= SMALL_BODY_BYTES_MAX && exchange.context.bodies.tryTake(size)) {
    collect(exchange, plan, size, SMALL_BODY_BYTES_MAX, (chunks, collected, verified) => {
      const checksum = verified === undefined ? undefined : () => verified;
      use({ body: { kind: 'chunks', chunks, size: collected }, md5, checksum });
    });
    return;
  }
  const stream = new BodyStream((error) => exchange.bodyFailed(error));
  const reader = new BodyReader(exchange.request, plan, stream);
  stream.attach(reader);
  exchange.acceptBody(reader, 0);
  const checksum = plan.checksum === undefined ? undefined : () => reader.checksum;
  use({ body: { kind: 'stream', stream, size }, md5, checksum });
}

function collect(
  exchange: Exchange,
  plan: BodyPlan,
  heldBytes: number,
  sizeMax: number,
  use: UseOfBody,
): void {
  const collector = new BodyCollector(exchange, sizeMax, use);
  exchange.acceptBody(new BodyReader(exchange.request, plan, collector), heldBytes);
}

export interface DocumentOptions {
  /** Whether the request must state an MD5 or a checksum of it. */
  readonly integrity?: 'required';
  /** False where the checksum headers speak of something else than the document. */
  readonly checksumOfBody?: boolean;
}

/** Gives `use` the document element of an XML body, checked. Throws as `receiveBody`, and MalformedXML to the client. */
export function receiveXml(
  exchange: Exchange,
  options: DocumentOptions,
  use: (root: XmlElement) => void,
): void {
  const sizeMax = exchange.context.options.documentBytesMax;
  const { checksumOfBody = true } = options;
  const { chunks: verifier, payload } = exchange.identity;
  const plan = planBody(exchange.headers, { chunks: verifier, payload, sizeMax, checksumOfBody });
  if (options.integrity === 'required' && plan.md5 === undefined && plan.checksum === undefined)
    throw new S3Error(
      'InvalidRequest',
      'Missing required header for this request: Content-MD5 OR x-amz-checksum-*',
    );
  const heldBytes = plan.size ?? sizeMax;
  if (!exchange.context.bodies.tryTake(heldBytes)) throw new S3Error('SlowDown');
  collect(exchange, plan, heldBytes, sizeMax, (chunks) => {
    checkMd5(plan, chunks);
    use(parseXml(decodeUtf8(chunks)));
  });
}

/** Gives `use` the text of a body of at most `sizeMax` bytes, checked. Throws as `receiveBody`. */
export function receiveText(exchange: Exchange, sizeMax: number, use: (text: string) => void): void {
  const { chunks: verifier, payload } = exchange.identity;
  const plan = planBody(exchange.headers, { chunks: verifier, payload, sizeMax });
  const heldBytes = plan.size ?? sizeMax;
  if (!exchange.context.bodies.tryTake(heldBytes)) throw new S3Error('SlowDown');
  collect(exchange, plan, heldBytes, sizeMax, (chunks) => {
    checkMd5(plan, chunks);
    use(Buffer.concat(chunks).toString('utf8'));
  });
}

/** Whether a request says it has a body, be it empty. */
export function hasBody(exchange: Exchange): boolean {
  const length = exchange.headers['content-length'];
  return (length !== undefined && length !== '0') || exchange.headers['transfer-encoding'] !== undefined;
}

function checkMd5(plan: BodyPlan, chunks: readonly Uint8Array[]): void {
  if (plan.md5 === undefined) return;
  const md5 = createHash('md5');
  for (const chunk of chunks) md5.update(chunk);
  if (!md5.digest().equals(plan.md5)) throw new S3Error('BadDigest');
}

function decodeUtf8(chunks: readonly Uint8Array[]): string {
  const [only] = chunks;
  const bytes = only !== undefined && chunks.length === 1 ? only : Buffer.concat(chunks);
  try {
    return new TextDecoder('utf-8', { fatal: true, ignoreBOM: true }).decode(bytes);
  } catch (cause) {
    throw new S3Error('MalformedXML', 'The XML you provided is not UTF-8.', { cause });
  }
}
