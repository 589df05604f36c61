/**
 * The canonical request of Signature Version 4: what client and server must spell alike before they hash it (S3 API
 * reference, "Signature calculations for the Authorization header").
 *
 * Texts are byte strings, one character per byte. The path is encoded once and not normalised, which is S3's exception.
 */
import type { AuthenticationRequest } from './authenticator.js';
import type { SignatureClaim } from './signature-claims.js';

const CANONICAL_PATH = /^(?:[A-Za-z\d\-._~/]|%[\dA-F]{2})*$/;
/** As clients that sign send it; decoding and encoding it again would change nothing. */
const CANONICAL_TEXT = /^(?:[A-Za-z\d\-._~]|%[\dA-F]{2})*$/;
const UNRESERVED = /^[A-Za-z\d\-._~]$/;

/**
 * `payload` stands for the body: a SHA-256 in hex, or `UNSIGNED-PAYLOAD` and the like. Of the query, the signature itself is left out.
 */
export function canonicalRequest(
  request: AuthenticationRequest,
  claim: SignatureClaim,
  path: string,
  payload: string,
): string {
  let headers = '';
  for (const name of claim.signedHeaders) headers += `${name}:${headerValue(request, name)}\n`;
  const query = request.rawQuery === '' ? '' : canonicalQuery(request.rawQuery, 'X-Amz-Signature');
  return `${request.method}\n${path}\n${query}\n${headers}\n${claim.signedHeadersText}\n${payload}`;
}

/** The path with everything encoded that is not unreserved; what is encoded already stays as it is. */
export function canonicalPath(rawPath: string): string {
  return CANONICAL_PATH.test(rawPath) ? rawPath : encode(decode(rawPath), '/');
}

/** Parameters encoded and sorted by name, then value. */
export function canonicalQuery(rawQuery: string, without?: string): string {
  const pairs: (readonly [name: string, value: string])[] = [];
  for (const pair of rawQuery.split('&')) {
    if (pair === '') continue;
    const equals = pair.indexOf('=');
    const name = recode(equals < 0 ? pair : pair.slice(0, equals));
    if (name !== without) pairs.push([name, equals < 0 ? '' : recode(pair.slice(equals + 1))]);
  }
  pairs.sort(([nameA, valueA], [nameB, valueB]) => compare(nameA, nameB) || compare(valueA, valueB));
  return pairs.map(([name, value]) => `${name}=${value}`).join('&');
}

function compare(a: string, b: string): number {
  return a < b ? -1 : a > b ? 1 : 0;
}

function recode(text: string): string {
  return CANONICAL_TEXT.test(text) ? text : encode(decode(text.replaceAll('+', ' ')), '');
}

/** Bytes behind percent signs; a percent sign that begins none stays. */
function decode(text: string): string {
  if (!text.includes('%')) return text;
  return text.replaceAll(/%([\dA-Fa-f]{2})/g, (_, hex: string) =>
    String.fromCharCode(Number.parseInt(hex, 16)),
  );
}

function encode(bytes: string, keep: string): string {
  let encoded = '';
  for (const byte of bytes)
    encoded +=
      UNRESERVED.test(byte) || byte === keep
        ? byte
        : `%${byte.charCodeAt(0).toString(16).toUpperCase().padStart(2, '0')}`;
  return encoded;
}

/** What the parser leaves to do in a value, which is hardly ever anything. */
const UNTIDY = /, |[ \t]{2}|\t/;
const SPACES = /[ \t]+/g;

/** Trimmed, with runs of spaces as one; several headers of one name are joined with a comma. */
function headerValue(request: AuthenticationRequest, name: string): string {
  const value = request.headers[name];
  // The client names the headers: a name may be one that every object has.
  const text = typeof value === 'string' ? value : Array.isArray(value) ? value.join(',') : '';
  if (!UNTIDY.test(text)) return text.trim();
  // node:http has put ", " between the values of several headers; one value may contain it as well.
  const whole = text.includes(', ') ? joinRaw(request.rawHeaders, name) : text;
  return whole.trim().replaceAll(SPACES, ' ');
}

function joinRaw(rawHeaders: readonly string[], name: string): string {
  const values: string[] = [];
  for (let index = 0; index + 1 < rawHeaders.length; index += 2)
    if (rawHeaders[index]?.toLowerCase() === name) values.push((rawHeaders[index + 1] ?? '').trim());
  return values.join(',');
}
