/**
 * Keys of Signature Version 4, for requests that come and for those that go to an S3 store, and HMAC-SHA256 with them at the
 * price of two hashes (S3 API reference, "Signature calculations for the Authorization header").
 *
 * A key is derived from the secret, the day, the region and the service by four HMACs, and is the same all day. HMAC (RFC
 * 2104) hashes the message behind one padded copy of the key, and the result behind another; both are kept with room behind
 * them, so that no HMAC object, which the garbage collector has to find again, is made per request.
 */
import { hash } from 'node:crypto';
import { assert } from './assert.js';

const BLOCK_BYTES = 64;
const DIGEST_BYTES = 32;
const HASH_CHARACTERS = 2 * DIGEST_BYTES;
/** Room for what is signed in each request; only the policies of forms are longer. */
const TEXT_BYTES = 512;

/** The key for a day, a region and a service. */
export function deriveSigningKey(secret: string, date: string, region: string, service: string): SigningKey {
  const first = Buffer.from(`AWS4${secret}`, 'utf8');
  let key = new SigningKey(first.length > BLOCK_BYTES ? hash('sha256', first, 'buffer') : first);
  for (const text of [date, region, service, 'aws4_request']) key = key.derive(text);
  return key;
}

export class SigningKey {
  /** The message goes behind the inner key, and its digest behind the outer one. */
  readonly #inner: Buffer;
  readonly #outer: Buffer;
  /** The inner key with the last message: what is signed with one key is mostly of one length. */
  #message: Buffer;
  /** What of the last message is in its place behind the inner key. */
  #start = '';

  constructor(key: Uint8Array) {
    assert(key.length <= BLOCK_BYTES, 'longer keys are hashed first');
    this.#inner = Buffer.alloc(BLOCK_BYTES + TEXT_BYTES, 0x36);
    this.#outer = Buffer.alloc(BLOCK_BYTES + DIGEST_BYTES, 0x5c);
    for (const [index, byte] of key.entries()) {
      this.#inner[index] = 0x36 ^ byte;
      this.#outer[index] = 0x5c ^ byte;
    }
    this.#message = this.#inner;
  }

  /** HMAC-SHA256 of `start` and `text`, byte strings, in hex. What begins like the last one is not written again. */
  sign(text: string, start = ''): string {
    return this.#sign(start, text, 'hex');
  }

  /** `sign` of a hash in hex behind `start`, for many hashes. */
  prepare(start: string): PreparedSignature {
    const message = Buffer.allocUnsafe(BLOCK_BYTES + start.length + HASH_CHARACTERS);
    this.#inner.copy(message, 0, 0, BLOCK_BYTES);
    message.write(start, BLOCK_BYTES, 'latin1');
    return new PreparedSignature(message, this.#outer);
  }

  /** The same as a key for another HMAC. */
  derive(text: string): SigningKey {
    return new SigningKey(Buffer.from(this.#sign('', text, 'binary'), 'latin1'));
  }

  /** Digests as strings cost a third of what buffers cost. */
  #sign(start: string, text: string, encoding: 'hex' | 'binary'): string {
    const digest = hash('sha256', this.#messageOf(start, text), 'binary');
    this.#outer.write(digest, BLOCK_BYTES, 'latin1');
    return hash('sha256', this.#outer, encoding);
  }

  #messageOf(start: string, text: string): Buffer {
    if (start.length + text.length > TEXT_BYTES)
      return Buffer.concat([this.#inner.subarray(0, BLOCK_BYTES), Buffer.from(start + text, 'latin1')]);
    if (start !== this.#start) {
      this.#inner.write(start, BLOCK_BYTES, 'latin1');
      this.#start = start;
    }
    const textAt = BLOCK_BYTES + start.length;
    const end = textAt + this.#inner.write(text, textAt, 'latin1');
    if (this.#message.length !== end) this.#message = this.#inner.subarray(0, end);
    return this.#message;
  }
}

/** A text that is to be signed, but for the hash at its end, already behind the inner key. */
export class PreparedSignature {
  readonly #message: Buffer;
  readonly #hashAt: number;
  readonly #outer: Buffer;

  /** `outer` is that of the key, and shared. */
  constructor(message: Buffer, outer: Buffer) {
    this.#message = message;
    this.#hashAt = message.length - HASH_CHARACTERS;
    this.#outer = outer;
  }

  /** HMAC-SHA256 of the text and `digest`, the SHA-256 of something, all in hex. */
  sign(digest: string): string {
    this.#message.write(digest, this.#hashAt, 'latin1');
    this.#outer.write(hash('sha256', this.#message, 'binary'), BLOCK_BYTES, 'latin1');
    return hash('sha256', this.#outer, 'hex');
  }
}

const CANONICAL_BYTES = 16 * 1024;
/** Longer ones are hashed through a view of their own. */
const KEPT_VIEW_BYTES_MAX = 1024;
const canonicalBytes = Buffer.alloc(CANONICAL_BYTES);
/** The first n bytes of `canonicalBytes`, by n: a view costs as much as a quarter of the hash. */
const canonicalViews = Array.from({ length: KEPT_VIEW_BYTES_MAX + 1 }, (): Buffer | undefined => undefined);

/** SHA-256 of a byte string, in hex. What node:crypto makes of a string itself takes three times as long. */
export function sha256Of(text: string): string {
  if (text.length > CANONICAL_BYTES) return hash('sha256', Buffer.from(text, 'latin1'), 'hex');
  const end = canonicalBytes.write(text, 'latin1');
  if (end > KEPT_VIEW_BYTES_MAX) return hash('sha256', canonicalBytes.subarray(0, end), 'hex');
  return hash('sha256', (canonicalViews[end] ??= canonicalBytes.subarray(0, end)), 'hex');
}
