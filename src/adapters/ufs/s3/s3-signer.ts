/**
 * Signs requests to S3 (Signature Version 4, S3 API reference, "Signature calculations for the Authorization header").
 *
 * Signed are the host, the body's SHA-256, and every header that says something of the object; `content-length` and headers that
 * a proxy may change are not. The signing key is derived once a day: a request costs one HMAC and two hashes.
 */
import { hash } from 'node:crypto';
import { deriveSigningKey, sha256Of, type SigningKey } from '../../../core/signing-key.js';

export interface S3Credentials {
  readonly accessKeyId: string;
  readonly secretAccessKey: string;
  readonly sessionToken?: string | undefined;
}

export interface S3Unsigned {
  readonly method: string;
  /** Percent-encoded, as it is sent. */
  readonly path: string;
  /** As `encodeQuery` has it. */
  readonly query: string;
  readonly host: string;
  /** Names in lower case, values in ASCII. */
  readonly headers: Readonly<Record<string, string>>;
  /** `unsigned` for a body that is not in memory: its bytes take no part in the signature. */
  readonly body: Uint8Array | 'unsigned' | undefined;
}

const EMPTY_SHA256 = 'e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855';
/** Proxies may change these. */
const UNSIGNED = new Set(['cache-control', 'expires', 'user-agent', 'range']);

export class S3Signer {
  readonly #region: string;
  #key: { readonly secret: string; readonly date: string; readonly key: SigningKey } | undefined;
  #second = 0;
  #time = '';

  constructor(region: string) {
    this.#region = region;
  }

  /** All headers to send, the signature among them; `nowMs` is wall time as the store sees it. */
  sign(request: S3Unsigned, credentials: S3Credentials, nowMs: number): Record<string, string> {
    const { method, path, query, host, body } = request;
    const time = this.#timeOf(nowMs);
    const date = time.slice(0, 8);
    const payload = payloadOf(body);
    const headers: Record<string, string> = { ...request.headers, host, 'x-amz-content-sha256': payload };
    headers['x-amz-date'] = time;
    if (credentials.sessionToken !== undefined) headers['x-amz-security-token'] = credentials.sessionToken;
    const names = Object.keys(headers)
      .filter((name) => !UNSIGNED.has(name))
      .sort();
    const signedNames = names.join(';');
    let canonical = `${method}\n${path}\n${query}\n`;
    for (const name of names) canonical += `${name}:${collapsed(headers[name] ?? '')}\n`;
    canonical += `\n${signedNames}\n${payload}`;
    const scope = `${date}/${this.#region}/s3/aws4_request`;
    const start = `AWS4-HMAC-SHA256\n${time}\n${scope}\n`;
    const key = this.#keyOf(credentials.secretAccessKey, date);
    const signature = key.sign(sha256Of(canonical), start);
    headers['authorization'] =
      `AWS4-HMAC-SHA256 Credential=${credentials.accessKeyId}/${scope}, SignedHeaders=${signedNames}, Signature=${signature}`;
    return headers;
  }

  #keyOf(secret: string, date: string): SigningKey {
    if (this.#key?.secret !== secret || this.#key.date !== date)
      this.#key = { secret, date, key: deriveSigningKey(secret, date, this.#region, 's3') };
    return this.#key.key;
  }

  /** `20130524T000000Z` */
  #timeOf(nowMs: number): string {
    const second = Math.floor(nowMs / 1000);
    if (second !== this.#second) {
      this.#second = second;
      this.#time = `${new Date(second * 1000).toISOString().replaceAll(/[-:]|\.\d+/g, '')}`;
    }
    return this.#time;
  }
}

function payloadOf(body: S3Unsigned['body']): string {
  if (body === undefined) return EMPTY_SHA256;
  return body === 'unsigned' ? 'UNSIGNED-PAYLOAD' : hash('sha256', body, 'hex');
}

/** A query as it is signed and sent: names in order, percent-encoded. */
export function encodeQuery(query: Readonly<Record<string, string>>): string {
  const names = Object.keys(query).sort();
  return names.map((name) => `${encodeName(name)}=${encodeName(query[name] ?? '')}`).join('&');
}

/** A key as a path has it: every byte encoded but unreserved ones and slashes. */
export function encodeKey(key: string): string {
  return PLAIN_KEY.test(key) ? key : key.split('/').map(encodeName).join('/');
}

const PLAIN_KEY = /^[A-Za-z\d\-._~/]*$/;

function encodeName(name: string): string {
  return encodeURIComponent(name).replaceAll(
    /[!'()*]/g,
    (character) => `%${character.charCodeAt(0).toString(16).toUpperCase()}`,
  );
}

function collapsed(value: string): string {
  return value.includes('  ') ? value.replaceAll(/ +/g, ' ').trim() : value.trim();
}
