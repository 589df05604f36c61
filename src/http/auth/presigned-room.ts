/**
 * Where presigned URLs of one second are verified. Their canonical requests differ by the path, and their strings to sign by a
 * hash: the rest is written once and stays in its place, so that per URL only these two are.
 *
 * Only for URLs that sign no header but the host, which is nearly all; the canonical request of others, and of a path too long for
 * the room, is put together as that of any request (`canonical-request.ts`), which is also the reference that this is tested against.
 */
import { hash } from 'node:crypto';
import type { AuthenticationRequest } from './authenticator.js';
import { headerValue } from './canonical-request.js';
import type { SignatureParts } from './signature-parts.js';
import type { PreparedSignature, SigningKey } from './signing-keys.js';

/** Room for the method, the path and the ends of their lines, in front of the rest. */
const START_BYTES_MAX = 256;
/** What is behind the path, all of which a client chooses. */
const REST_CHARACTERS_MAX = 2048;
const NO_BYTES = Buffer.alloc(0);

export class PresignedRoom {
  readonly #query: string;
  readonly #start: string;
  #key: SigningKey | undefined;
  #prepared: PreparedSignature | undefined;
  #host: string | undefined;
  #payload = '';
  /** `START_BYTES_MAX` for the start, which ends there, and then query, headers and payload. */
  #bytes = NO_BYTES;
  /** From the method on: what is hashed. The same view as long as method and path have the same length. */
  #canonical = NO_BYTES;
  #method = '';
  #pathCharacters = -1;

  /** The canonical query, and how the string to sign begins: up to the hash of the canonical request. */
  constructor(query: string, start: string) {
    this.#query = query;
    this.#start = start;
  }

  /** The signature that a request should have, in hex; undefined where there is no room for it. */
  sign(
    request: AuthenticationRequest,
    path: string,
    { claim, payload }: SignatureParts,
    key: SigningKey,
  ): string | undefined {
    const { method } = request;
    if (claim.signedHeadersText !== 'host' || method.length + path.length + 2 > START_BYTES_MAX)
      return undefined;
    const host = headerValue(request, 'host');
    if (host !== this.#host || payload !== this.#payload)
      if (!this.#writeRest(host, payload)) return undefined;
    if (method !== this.#method || path.length !== this.#pathCharacters)
      this.#writeMethod(method, path.length);
    this.#bytes.write(path, START_BYTES_MAX - 1 - path.length, 'latin1');
    if (key !== this.#key) {
      this.#prepared = key.prepare(this.#start);
      this.#key = key;
    }
    return this.#prepared?.sign(hash('sha256', this.#canonical, 'hex'));
  }

  /** False for more than there is room for. */
  #writeRest(host: string, payload: string): boolean {
    const rest = `${this.#query}\nhost:${host}\n\nhost\n${payload}`;
    if (rest.length > REST_CHARACTERS_MAX) return false;
    this.#bytes = Buffer.allocUnsafe(START_BYTES_MAX + rest.length);
    this.#bytes.write(rest, START_BYTES_MAX, 'latin1');
    this.#host = host;
    this.#payload = payload;
    this.#method = '';
    return true;
  }

  #writeMethod(method: string, pathCharacters: number): void {
    const at = START_BYTES_MAX - pathCharacters - method.length - 2;
    this.#bytes.write(`${method}\n`, at, 'latin1');
    this.#bytes.write('\n', START_BYTES_MAX - 1, 'latin1');
    this.#canonical = this.#bytes.subarray(at);
    this.#method = method;
    this.#pathCharacters = pathCharacters;
  }
}
