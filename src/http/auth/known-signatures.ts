/**
 * The signatures that presigned URLs should have, of those that were used before: what is handed out is often asked for again, by a
 * browser, a player, or a reader of ranges.
 *
 * No verdict is kept but what the hashes say for a request, so that each use is checked as the first: whose key it is and whether it
 * still opens anything, the time, and the signature, in constant time. What a look here tells by its speed is that the same
 * request, with any signature, was allowed before.
 *
 * By path, the last URL of each; the oldest is forgotten first. At most 5 MiB of texts, and 12 MiB of what the authenticator keeps with
 * their queries; only who has a key fills it.
 */
import { BoundedMap } from '../../core/bounded-map.js';
import type { SigningKey } from '../../core/signing-key.js';
import type { AuthenticationRequest } from './authenticator.js';
import type { SignatureParts } from './signature-parts.js';

const PATHS_MAX = 4096;
const URL_CHARACTERS_MAX = 1280;
/** Of a longer one nothing is kept, so that it is another one each time. */
const QUERY_CHARACTERS_MAX = 1024;

interface KnownSignature {
  readonly method: string;
  readonly host: string;
  /** The same object for the same query, and another one for every other. */
  readonly parts: SignatureParts;
  /** Another object when the secret is another. */
  readonly key: SigningKey;
  readonly signature: string;
}

export class KnownSignatures {
  readonly #known = new BoundedMap<string, KnownSignature>(PATHS_MAX);

  /** The signature that a request should have, in hex; undefined when it is not known. */
  get({ method, rawPath, headers }: AuthenticationRequest, parts: SignatureParts, key: SigningKey) {
    const known = this.#known.get(rawPath);
    return known !== undefined &&
      known.parts === parts &&
      known.key === key &&
      known.method === method &&
      known.host === headers.host
      ? known.signature
      : undefined;
  }

  /** `signature` is right for the request, which has no signed header but `host`. */
  add(request: AuthenticationRequest, parts: SignatureParts, key: SigningKey, signature: string): void {
    const { method, rawPath, rawQuery, headers } = request;
    if (headers.host === undefined || rawQuery.length > QUERY_CHARACTERS_MAX) return;
    if (headers.host.length + rawPath.length + rawQuery.length > URL_CHARACTERS_MAX) return;
    this.#known.set(rawPath, { method, host: headers.host, parts, key, signature });
  }
}
