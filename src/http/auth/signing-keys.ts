/**
 * Signing keys of Signature Version 4, and HMAC-SHA256 with them at the price of two hashes.
 *
 * A key is derived from the secret, the day, the region and the service by four HMACs, and is the same all day. HMAC (RFC
 * 2104) hashes the message behind one padded copy of the key, and the result behind another; the padded copies are kept, so that no
 * HMAC object, which the garbage collector has to find again, is made per request.
 */
import { hash, timingSafeEqual } from 'node:crypto';
import { assert } from '../../core/assert.js';

/** Keys are cheap to derive again, and there is one per access key, day and region. */
const KEYS_MAX = 1000;
const BLOCK_BYTES = 64;
const DIGEST_BYTES = 32;
/** Longest text that is signed: the policy of a form of 20 KiB; other texts are under 500 bytes. */
const TEXT_BYTES_MAX = 20 * 1024;

/** The message behind the inner key, and the digest behind the outer one. One signature is made at a time. */
const inner = Buffer.alloc(BLOCK_BYTES + TEXT_BYTES_MAX);
const outer = Buffer.alloc(BLOCK_BYTES + DIGEST_BYTES);

export class SigningKey {
  readonly #innerKey: Buffer;
  readonly #outerKey: Buffer;

  constructor(key: Uint8Array) {
    assert(key.length <= BLOCK_BYTES, 'longer keys are hashed first');
    this.#innerKey = Buffer.alloc(BLOCK_BYTES, 0x36);
    this.#outerKey = Buffer.alloc(BLOCK_BYTES, 0x5c);
    for (const [index, byte] of key.entries()) {
      this.#innerKey[index] = 0x36 ^ byte;
      this.#outerKey[index] = 0x5c ^ byte;
    }
  }

  /** HMAC-SHA256 of `text`, a byte string, in hex. */
  sign(text: string): string {
    return this.#sign(text, 'hex');
  }

  /** The same as a key for another HMAC. */
  derive(text: string): SigningKey {
    return new SigningKey(Buffer.from(this.#sign(text, 'binary'), 'latin1'));
  }

  /** Digests as strings cost a third of what buffers cost. */
  #sign(text: string, encoding: 'hex' | 'binary'): string {
    assert(text.length <= TEXT_BYTES_MAX, 'what is signed is short');
    this.#innerKey.copy(inner);
    const end = BLOCK_BYTES + inner.write(text, BLOCK_BYTES, 'latin1');
    this.#outerKey.copy(outer);
    outer.write(hash('sha256', inner.subarray(0, end), 'binary'), BLOCK_BYTES, 'latin1');
    return hash('sha256', outer, encoding);
  }
}

/** What a signing key is good for: `<date>/<region>/<service>/aws4_request`. */
export interface SigningScope {
  readonly date: string;
  readonly region: string;
  readonly service: string;
}

interface CachedKey {
  readonly secret: string;
  readonly key: SigningKey;
}

const canonicalBytes = Buffer.alloc(16 * 1024);

/** SHA-256 of a byte string, in hex. What node:crypto makes of a string itself takes three times as long. */
export function sha256Of(text: string): string {
  if (text.length > canonicalBytes.length) return hash('sha256', Buffer.from(text, 'latin1'), 'hex');
  return hash('sha256', canonicalBytes.subarray(0, canonicalBytes.write(text, 'latin1')), 'hex');
}

const SIGNATURE_CHARACTERS = 2 * DIGEST_BYTES;
const provided = Buffer.alloc(SIGNATURE_CHARACTERS);
const computed = Buffer.alloc(SIGNATURE_CHARACTERS);

/** Whether two signatures in hex are the same, in a time that does not tell where they differ. */
export function isSameSignature(a: string, b: string): boolean {
  if (a.length !== SIGNATURE_CHARACTERS || b.length !== SIGNATURE_CHARACTERS) return false;
  provided.write(a, 'latin1');
  computed.write(b, 'latin1');
  return timingSafeEqual(provided, computed);
}

export class SigningKeys {
  readonly #keys = new Map<string, CachedKey>();

  /** The key for a scope. One that was made with another secret, since replaced, is not used. */
  get(accessKeyId: string, secret: string, scope: SigningScope): SigningKey {
    const name = `${accessKeyId}/${scope.date}/${scope.region}/${scope.service}`;
    const cached = this.#keys.get(name);
    if (cached !== undefined && cached.secret === secret) return cached.key;
    const key = deriveKey(secret, scope);
    if (this.#keys.size >= KEYS_MAX) this.#dropOldest();
    this.#keys.set(name, { secret, key });
    return key;
  }

  #dropOldest(): void {
    for (const name of this.#keys.keys()) {
      this.#keys.delete(name);
      return;
    }
  }
}

function deriveKey(secret: string, { date, region, service }: SigningScope): SigningKey {
  const first = Buffer.from(`AWS4${secret}`, 'utf8');
  let key = new SigningKey(first.length > BLOCK_BYTES ? hash('sha256', first, 'buffer') : first);
  for (const text of [date, region, service, 'aws4_request']) key = key.derive(text);
  return key;
}
