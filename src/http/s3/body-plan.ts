/**
 * What the head of a request says about its body: how it is framed, how long it is, and what it has to be checked against.
 */
import type { IncomingHttpHeaders } from 'node:http';
import { PART_BYTES_MAX } from '../../core/object.js';
import type { ChunkVerifier } from '../auth/authenticator.js';
import { planChecksum } from './checksum-headers.js';
import type { ChecksumPlan } from './checksum-headers.js';
import { invalidArgument, notImplemented, S3Error } from './s3-error.js';

export interface BodyPlan {
  readonly framing: 'identity' | 'aws-chunked';
  /** Bytes of the body proper; undefined when only its end will tell (Transfer-Encoding: chunked). */
  readonly size: number | undefined;
  /** Bytes on the wire, framing included; undefined as above. */
  readonly wireSize: number | undefined;
  readonly checksum: ChecksumPlan | undefined;
  /** The SHA-256 the client signed, in hex. */
  readonly sha256: string | undefined;
  /** The MD5 the client states: 16 bytes. */
  readonly md5: Uint8Array | undefined;
  readonly chunks: ChunkVerifier | undefined;
}

const SHA256 = /^[\da-f]{64}$/i;
const STREAMING = new Set([
  'STREAMING-UNSIGNED-PAYLOAD-TRAILER',
  'STREAMING-AWS4-HMAC-SHA256-PAYLOAD',
  'STREAMING-AWS4-HMAC-SHA256-PAYLOAD-TRAILER',
]);

export interface BodyPlanOptions {
  /** Checks the chunks' signatures. */
  readonly chunks?: ChunkVerifier | undefined;
  /** What was signed about the body, when the header does not say it. */
  readonly payload?: string | undefined;
  /** In bytes. */
  readonly sizeMax?: number;
  /** False where the checksum headers speak of something else than the body (CompleteMultipartUpload). */
  readonly checksumOfBody?: boolean;
}

/** Throws MissingContentLength, EntityTooLarge, InvalidDigest, InvalidArgument, InvalidRequest, NotImplemented. */
export function planBody(headers: IncomingHttpHeaders, options: BodyPlanOptions = {}): BodyPlan {
  const { chunks, sizeMax = PART_BYTES_MAX, checksumOfBody = true } = options;
  const contentLength = headers['content-length'];
  const coding = headers['transfer-encoding'];
  if (contentLength === undefined && coding === undefined) throw new S3Error('MissingContentLength');
  // The parser undoes `chunked` alone: what else was done to the body would be stored with it (RFC 9112, section 6.1).
  if (coding !== undefined && coding.toLowerCase() !== 'chunked')
    throw notImplemented(`The transfer coding "${coding}"`);
  const wireSize = contentLength === undefined ? undefined : Number(contentLength);
  const payload = headers['x-amz-content-sha256'];
  const payloadText = typeof payload === 'string' ? payload : options.payload;
  // A body whose own hash is known is not framed: its bytes are what was hashed.
  const isHashed = payloadText !== undefined && SHA256.test(payloadText);
  const awsChunked = !isHashed && isAwsChunked(headers, payloadText);
  const size = awsChunked ? decodedSize(headers) : wireSize;
  if (size !== undefined && size > sizeMax)
    throw new S3Error('EntityTooLarge', undefined, {
      elements: { ProposedSize: String(size), MaxSizeAllowed: String(sizeMax) },
    });
  const checksum = checksumOfBody ? planChecksum(headers) : undefined;
  if (payloadText !== undefined && !isHashed && !awsChunked && payloadText !== 'UNSIGNED-PAYLOAD')
    refusePayload(payloadText);
  return {
    framing: awsChunked ? 'aws-chunked' : 'identity',
    size,
    wireSize,
    checksum,
    sha256: isHashed ? payloadText.toLowerCase() : undefined,
    md5: parseMd5(headers['content-md5']),
    chunks: awsChunked ? chunks : undefined,
  };
}

function isAwsChunked(headers: IncomingHttpHeaders, payload: string | undefined): boolean {
  if (payload !== undefined && payload.startsWith('STREAMING-')) {
    if (!STREAMING.has(payload)) throw notImplemented(`The value ${payload} of x-amz-content-sha256`);
    return true;
  }
  // Clients without credentials sign nothing and say only this.
  return headers['content-encoding']?.includes('aws-chunked') === true;
}

function decodedSize(headers: IncomingHttpHeaders): number {
  const text = headers['x-amz-decoded-content-length'];
  if (typeof text !== 'string')
    throw new S3Error(
      'MissingContentLength',
      'You must provide the x-amz-decoded-content-length HTTP header.',
    );
  if (!/^\d{1,15}$/.test(text))
    throw invalidArgument('It has to be a whole number of bytes.', 'x-amz-decoded-content-length', text);
  return Number(text);
}

function refusePayload(payload: string): never {
  throw invalidArgument(
    'x-amz-content-sha256 must be UNSIGNED-PAYLOAD, STREAMING-UNSIGNED-PAYLOAD-TRAILER, STREAMING-AWS4-HMAC-SHA256-PAYLOAD, STREAMING-AWS4-HMAC-SHA256-PAYLOAD-TRAILER or a valid sha256 value.',
    'x-amz-content-sha256',
    payload,
  );
}

function parseMd5(header: string | string[] | undefined): Uint8Array | undefined {
  if (header === undefined) return undefined;
  const text = String(header);
  const bytes = Buffer.from(text, 'base64');
  if (bytes.length !== 16 || bytes.toString('base64') !== text)
    throw new S3Error('InvalidDigest', 'The Content-MD5 you specified is not valid.', {
      elements: { 'Content-MD5': text },
    });
  return bytes;
}
