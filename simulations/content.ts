/**
 * Bodies of simulated objects: made again from their seed instead of being kept, and told apart by the ETag that S3 gives them.
 */
import { createCipheriv, createHash } from 'node:crypto';
import { KIB, MIB } from '../src/core/units.js';
import { SMALL_BODY_BYTES_MAX, type Body, type ReadBody } from '../src/engine/object-service.js';

const STREAM_CHUNK_BYTES = 64 * KIB;

/** Bytes that are made again from their seed instead of being kept. */
export interface Content {
  readonly seed: number;
  readonly size: number;
  /** Quoted. */
  readonly etag: string;
  /** A multipart body consists of these. */
  readonly parts?: readonly Content[];
}

/** Bytes that differ in every seed and cannot be told from random ones. */
export function makeBody(seed: number, size: number): Buffer {
  const key = createHash('sha256').update(String(seed)).digest();
  const cipher = createCipheriv('aes-256-ctr', key, Buffer.alloc(16));
  return cipher.update(Buffer.alloc(size));
}

/** The bytes of a content. Not to be changed: they may be handed out again. */
export function bytesOfContent(content: Content): Buffer {
  if (content.parts !== undefined) return Buffer.concat(content.parts.map(bytesOfContent));
  const name = `${content.seed} ${content.size}`;
  const known = RECENT.get(name);
  if (known !== undefined) return known;
  const bytes = makeBody(content.seed, content.size);
  keep(name, bytes);
  return bytes;
}

/** Bodies that were made lately: most are wanted again, to be sent and to be compared. */
const RECENT = new Map<string, Buffer>();
const RECENT_BYTES_MAX = 16 * MIB;
let recentBytes = 0;

function keep(name: string, bytes: Buffer): void {
  RECENT.set(name, bytes);
  recentBytes += bytes.length;
  for (const [oldest, { length }] of RECENT) {
    if (recentBytes <= RECENT_BYTES_MAX) break;
    RECENT.delete(oldest);
    recentBytes -= length;
  }
}

/** The content of a single PUT, with the ETag that S3 gives it: the MD5 of the bytes. */
export function singleContent(seed: number, size: number): Content {
  const bytes = bytesOfContent({ seed, size, etag: '' });
  return { seed, size, etag: `"${createHash('md5').update(bytes).digest('hex')}"` };
}

/** The content of a multipart upload, with the ETag that S3 gives it: the MD5 of the parts' MD5s, and their number. */
export function multipartContent(parts: readonly Content[]): Content {
  const hash = createHash('md5');
  for (const part of parts) hash.update(Buffer.from(part.etag.slice(1, 33), 'hex'));
  const size = parts.reduce((sum, part) => sum + part.size, 0);
  return { seed: parts[0]?.seed ?? 0, size, etag: `"${hash.digest('hex')}-${parts.length}"`, parts };
}

export function describeContent(content: Content | undefined): string {
  return content === undefined
    ? 'no object'
    : `${content.size} bytes of seed ${content.seed}, ${content.etag}`;
}

/** The one of `candidates` that these bytes and this ETag are, or a message that says what came instead. */
export function matchContent(
  candidates: readonly (Content | undefined)[],
  found: { readonly body: Uint8Array; readonly etag?: string } | undefined,
): { content: Content | undefined } | { problem: string } {
  for (const content of candidates) {
    if (content === undefined && found === undefined) return { content };
    if (content === undefined || found === undefined || content.size !== found.body.length) continue;
    if (found.etag !== undefined && found.etag !== content.etag) continue;
    if (bytesOfContent(content).equals(found.body)) return { content };
  }
  const what =
    found === undefined ? 'no object' : `${found.body.length} bytes, ETag ${found.etag ?? 'unknown'}`;
  return { problem: `found ${what}; expected one of: ${candidates.map(describeContent).join(' | ')}` };
}

/** A body as the S3 endpoint hands it over: a small one in chunks, a large one as a stream. */
export function bodyOf(bytes: Uint8Array): Body {
  return bytes.length <= SMALL_BODY_BYTES_MAX
    ? { kind: 'chunks', chunks: [bytes], size: bytes.length }
    : { kind: 'stream', stream: pieces(bytes), size: bytes.length };
}

async function* pieces(bytes: Uint8Array): AsyncGenerator<Uint8Array> {
  for (let at = 0; at < bytes.length; at += STREAM_CHUNK_BYTES)
    yield bytes.subarray(at, at + STREAM_CHUNK_BYTES);
}

/** Reads a body to its end. */
export async function bytesOf(body: ReadBody): Promise<Buffer> {
  if (body.kind === 'bytes') {
    const copy = Buffer.from(body.bytes);
    body.release();
    return copy;
  }
  const chunks: Uint8Array[] = [];
  for await (const chunk of body.stream) chunks.push(Uint8Array.from(chunk));
  return Buffer.concat(chunks);
}
