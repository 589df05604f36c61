/**
 * Bodies of simulated objects: made again from their seed instead of being kept, and told apart by the ETag that S3 gives them.
 */
import { createCipheriv, createHash } from 'node:crypto';
import { hexOf } from '../src/core/hashing.js';
import { md5OfBytes } from '../src/core/md5-lanes.js';
import { takeMemory } from '../src/core/memory.js';
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

/** One block of noise for each start in it gives bodies that differ everywhere, for the price of a copy. */
const NOISE_BYTES = 4 * MIB;
/** Pieces of a body come from places of their own. */
const PIECE_BYTES = 256 * KIB;
let noise: Buffer | undefined;

function makeNoise(): Buffer {
  const cipher = createCipheriv('aes-256-ctr', Buffer.alloc(32, 7), Buffer.alloc(16));
  return cipher.update(Buffer.alloc(NOISE_BYTES + PIECE_BYTES));
}

/** Bytes that differ in every seed, at every position, and cannot be told from random ones. */
export function makeBody(seed: number, size: number): Buffer {
  noise ??= makeNoise();
  const body = Buffer.allocUnsafeSlow(size);
  const high = Math.floor(seed / 2 ** 32);
  for (let at = 0; at < size; at += PIECE_BYTES) {
    const from = mixed(seed ^ Math.imul(high + 1, 0x9e3779b1) ^ Math.imul(at / PIECE_BYTES, 0x85ebca6b));
    noise.copy(body, at, from % NOISE_BYTES, (from % NOISE_BYTES) + Math.min(PIECE_BYTES, size - at));
  }
  // Two seeds may share a place; what is too short for a seed is not told apart anyway.
  if (size >= 16) {
    body.writeUInt32LE((body.readUInt32LE(0) ^ seed) >>> 0, 0);
    body.writeUInt32LE((body.readUInt32LE(4) ^ high) >>> 0, 4);
  }
  return body;
}

/** The finishing step of MurmurHash3, an integer of 32 bits. */
function mixed(value: number): number {
  let word = Math.imul(value ^ (value >>> 16), 0x85ebca6b);
  word = Math.imul(word ^ (word >>> 13), 0xc2b2ae35);
  return (word ^ (word >>> 16)) >>> 0;
}

/** The bytes of a content. Not to be changed: they may be handed out again. */
export function bytesOfContent(content: Content): Buffer {
  if (content.parts !== undefined) return Buffer.concat(content.parts.map(bytesOfContent));
  return recentBody(content.seed, content.size);
}

/** Bodies that were made lately: most are wanted again, to be sent and to be compared. */
const RECENT = new Map<string, Buffer>();
const RECENT_BYTES_MAX = 64 * MIB;
let recentBytes = 0;
/** Names of bodies by their MD5 in hex, and the other way round. */
const NAMES = new Map<string, string>();
const MD5S = new Map<string, string>();
const NAMES_MAX = 20_000;

function recentBody(seed: number, size: number): Buffer {
  const name = nameOf(seed, size);
  const known = RECENT.get(name);
  if (known !== undefined) return known;
  for (const [oldest, { length }] of RECENT) {
    if (recentBytes + size <= RECENT_BYTES_MAX) break;
    RECENT.delete(oldest);
    recentBytes -= length;
  }
  const body = makeBody(seed, size);
  RECENT.set(name, body);
  recentBytes += size;
  return body;
}

function nameOf(seed: number, size: number): string {
  return `${seed} ${size}`;
}

/** The content of a single PUT, with the ETag that S3 gives it: the MD5 of the bytes. */
export function singleContent(seed: number, size: number): Content {
  const name = nameOf(seed, size);
  let md5 = MD5S.get(name);
  if (md5 === undefined) {
    if (MD5S.size >= NAMES_MAX) {
      MD5S.clear();
      NAMES.clear();
    }
    md5 = hexOf(md5OfBytes(recentBody(seed, size)));
    MD5S.set(name, md5);
    NAMES.set(md5, name);
  }
  return { seed, size, etag: `"${md5}"` };
}

/**
 * The bodies that clients of one world send: no two are alike. They are numbered by size, so that worlds that follow each other in
 * a process send the same ones, whose MD5 is known then.
 */
export class Contents {
  readonly #made = new Map<number, number>();

  make(size: number): Content {
    const number = this.#made.get(size) ?? 0;
    this.#made.set(size, number + 1);
    return singleContent(number, size);
  }
}

/** Larger sizes are drawn from few, so that bodies are met again: powers of two, one byte more, and seven between two of them. */
const ROUNDED_BYTES_MIN = 16 * KIB;
const SIZES_PER_DOUBLING = 8;

/** The next lower of the sizes that are drawn, and now and then one byte more. */
export function roundedSize(size: number): number {
  if (size < ROUNDED_BYTES_MIN) return size;
  const step = Math.floor(Math.log2(size / ROUNDED_BYTES_MIN) * SIZES_PER_DOUBLING);
  const rounded = Math.floor(ROUNDED_BYTES_MIN * 2 ** (step / SIZES_PER_DOUBLING));
  return step % SIZES_PER_DOUBLING === 0 && size % 2 === 1 ? rounded + 1 : rounded;
}

/** Whether `bytes` are a body that was made lately and has this MD5, in hex: tells by comparing what would else be hashed. */
export function isRecentBody(md5: string, bytes: Uint8Array): boolean {
  const known = RECENT.get(NAMES.get(md5) ?? '');
  return known !== undefined && Buffer.compare(known, bytes) === 0;
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
    const copy = takeMemory(body.bytes.length);
    copy.set(body.bytes);
    body.release();
    return copy;
  }
  const gathered = new GatheredBody(body.size);
  for await (const chunk of body.stream) gathered.add(chunk);
  return gathered.bytes();
}

/** A body that comes in pieces, each of which may be used again by who gave it. */
export class GatheredBody {
  #buffer: Buffer;
  #length = 0;

  /** As it was announced; it may be another one. */
  constructor(size: number) {
    this.#buffer = takeMemory(size);
  }

  add(chunk: Uint8Array): void {
    const end = this.#length + chunk.length;
    if (end > this.#buffer.length) this.#buffer = Buffer.concat([this.bytes(), chunk]);
    else this.#buffer.set(chunk, this.#length);
    this.#length = end;
  }

  bytes(): Buffer {
    return this.#buffer.subarray(0, this.#length);
  }
}
