/** The signing keys in use, and the comparison of signatures. */
import { BoundedMap } from '../../core/bounded-map.js';
import { deriveSigningKey, type SigningKey } from '../../core/signing-key.js';

/** Keys are cheap to derive again, and there is one per access key, day and region. */
const KEYS_MAX = 1000;
const HASH_CHARACTERS = 64;

/** What a signing key is good for: `<date>/<region>/<service>/aws4_request`. */
export interface SigningScope {
  readonly date: string;
  readonly region: string;
  readonly service: string;
  /** The key that it had last, so that its name needs not be put together. */
  lastKey?: CachedKey | undefined;
}

export interface CachedKey {
  readonly accessKeyId: string;
  readonly secret: string;
  readonly key: SigningKey;
}

/** Room for one signature, as bytes and as numbers to compare. */
class SignatureBytes {
  readonly #bytes = Buffer.from(new ArrayBuffer(HASH_CHARACTERS));
  readonly words = new Uint32Array(this.#bytes.buffer);

  take(signature: string): void {
    this.#bytes.write(signature, 'latin1');
  }
}

const provided = new SignatureBytes();
const computed = new SignatureBytes();

/**
 * Whether two signatures in hex are the same, in a time that does not tell where they differ: all of both is looked at, and nothing
 * branches on it. `timingSafeEqual` does the same and takes three times as long to be called.
 */
export function isSameSignature(a: string, b: string): boolean {
  if (a.length !== HASH_CHARACTERS || b.length !== HASH_CHARACTERS) return false;
  provided.take(a);
  computed.take(b);
  let difference = 0;
  for (let word = 0; word < HASH_CHARACTERS / 4; word++)
    difference |= (provided.words[word] ?? 0) ^ (computed.words[word] ?? 1);
  return difference === 0;
}

export class SigningKeys {
  readonly #keys = new BoundedMap<string, CachedKey>(KEYS_MAX);

  /** The key for a scope. One that was made with another secret, since replaced, is not used. */
  get(accessKeyId: string, secret: string, scope: SigningScope): SigningKey {
    const known = scope.lastKey;
    if (known !== undefined && known.accessKeyId === accessKeyId && known.secret === secret) return known.key;
    const cached = this.#named(accessKeyId, secret, scope);
    scope.lastKey = cached;
    return cached.key;
  }

  #named(accessKeyId: string, secret: string, scope: SigningScope): CachedKey {
    const name = `${accessKeyId}/${scope.date}/${scope.region}/${scope.service}`;
    const known = this.#keys.get(name);
    if (known !== undefined && known.secret === secret) return known;
    const cached = {
      accessKeyId,
      secret,
      key: deriveSigningKey(secret, scope.date, scope.region, scope.service),
    };
    this.#keys.set(name, cached);
    return cached;
  }
}
