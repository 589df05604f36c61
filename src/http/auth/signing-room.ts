/**
 * Where requests that are signed alike are verified: those of one client in one second, or the presigned URLs of one second.
 * Their canonical requests differ by the path, and their strings to sign by a hash; the rest is written once and stays in its
 * place as long as nothing in it changes, so that per request mostly these two are written.
 *
 * Nothing is concluded here from what was verified before: every request that comes here has its own hashes. What there is no room for is left to
 * `canonical-request.ts`, which is also the reference that this is tested against.
 */
import { hash } from 'node:crypto';
import type { PreparedSignature, SigningKey } from '../../core/signing-key.js';
import type { AuthenticationRequest } from './authenticator.js';
import { headerValue, isTidy } from './canonical-request.js';
import type { SignatureParts } from './signature-parts.js';

/** Room for the method, the path and the ends of their lines, in front of the rest. */
const START_BYTES_MAX = 256;
/** What is behind the path, all of which a client chooses. */
const REST_CHARACTERS_MAX = 2048;
const NO_BYTES = Buffer.alloc(0);

export class SigningRoom {
  #key: SigningKey | undefined;
  #start = '';
  #prepared: PreparedSignature | undefined;
  #query = '';
  readonly #headerValues: string[] = [];
  /** Those of them that are signed just as they come, so that one which comes again needs not be looked through. */
  readonly #tidyValues: (string | undefined)[] = [];
  #payload = '';
  /** Of what is in `#bytes` behind the start; 0 for nothing. */
  #restCharacters = 0;
  /** `START_BYTES_MAX` for the start, which ends there, and then query, headers and payload. */
  #bytes = NO_BYTES;
  /** From the method on: what is hashed. The same view as long as all has the same length. */
  #canonical = NO_BYTES;
  #method = '';
  #pathCharacters = 0;

  /** The signature that a request should have, in hex; undefined where there is no room for it. All requests have the same claim. */
  sign(
    request: AuthenticationRequest,
    path: string,
    parts: SignatureParts,
    key: SigningKey,
  ): string | undefined {
    const { method } = request;
    if (method.length + path.length + 2 > START_BYTES_MAX) return undefined;
    const isSame = this.#takeRest(request, parts);
    if (!isSame && !this.#writeRest(parts)) return undefined;
    if (method !== this.#method || path.length !== this.#pathCharacters)
      this.#writeMethod(method, path.length);
    this.#bytes.write(path, START_BYTES_MAX - 1 - path.length, 'latin1');
    return this.#preparedFor(key, parts.start).sign(hash('sha256', this.#canonical, 'hex'));
  }

  /** Whether all behind the path is as it was the last time, and written. */
  #takeRest(request: AuthenticationRequest, { claim, query, payload }: SignatureParts): boolean {
    let isSame = this.#restCharacters > 0 && query === this.#query && payload === this.#payload;
    const { signedHeaders } = claim;
    for (let at = 0; at < signedHeaders.length; at++) {
      const name = signedHeaders[at] ?? '';
      const tidy = this.#tidyValues[at];
      // A property that is named here is found faster, and presigned URLs sign no other.
      const stated = name === 'host' ? request.headers.host : request.headers[name];
      if (tidy !== undefined && stated === tidy) continue;
      const isStatedSo = typeof stated === 'string' && isTidy(stated);
      const value = isStatedSo ? stated : headerValue(request, name);
      if (value === this.#headerValues[at]) continue;
      this.#headerValues[at] = value;
      this.#tidyValues[at] = isStatedSo || isTidy(value) ? value : undefined;
      isSame = false;
    }
    this.#query = query;
    this.#payload = payload;
    return isSame;
  }

  /** False for more than there is room for. */
  #writeRest({ claim, query, payload }: SignatureParts): boolean {
    const { signedHeaders, signedHeadersText } = claim;
    let headers = '';
    for (let at = 0; at < signedHeaders.length; at++)
      headers += `${signedHeaders[at]}:${this.#headerValues[at]}\n`;
    const rest = `${query}\n${headers}\n${signedHeadersText}\n${payload}`;
    if (rest.length > REST_CHARACTERS_MAX) {
      this.#forget();
      return false;
    }
    if (rest.length !== this.#restCharacters) {
      this.#bytes = Buffer.allocUnsafe(START_BYTES_MAX + rest.length);
      this.#restCharacters = rest.length;
      this.#method = '';
    }
    this.#bytes.write(rest, START_BYTES_MAX, 'latin1');
    return true;
  }

  /** Nothing long is kept. */
  #forget(): void {
    this.#restCharacters = 0;
    this.#headerValues.length = 0;
    this.#tidyValues.length = 0;
    this.#query = '';
    this.#payload = '';
  }

  #writeMethod(method: string, pathCharacters: number): void {
    const at = START_BYTES_MAX - pathCharacters - method.length - 2;
    this.#bytes.write(`${method}\n`, at, 'latin1');
    this.#bytes.write('\n', START_BYTES_MAX - 1, 'latin1');
    this.#canonical = this.#bytes.subarray(at);
    this.#method = method;
    this.#pathCharacters = pathCharacters;
  }

  #preparedFor(key: SigningKey, start: string): PreparedSignature {
    if (this.#prepared === undefined || key !== this.#key || start !== this.#start) {
      this.#prepared = key.prepare(start);
      this.#key = key;
      this.#start = start;
    }
    return this.#prepared;
  }
}
