/**
 * The canonical request of Signature Version 4: what client and server must spell alike before they hash it (S3 API
 * reference, "Signature calculations for the Authorization header").
 *
 * Texts are byte strings, one character per byte. The path is encoded once and not normalised, which is S3's exception.
 */
import type { AuthenticationRequest } from './authenticator.js';
import type { SignatureClaim } from './signature-claims.js';
import type { SignatureParts } from './signature-parts.js';

/** An escape that encoding would make: upper case, and of a byte that is not unreserved. */
const ESCAPE = '%(?:[018-9A-F][\\dA-F]|2[\\dABCF]|3[A-F]|[46]0|5[B-E]|7[BCDF])';
const TEXT = `(?:[A-Za-z\\d\\-._~]|${ESCAPE})*`;
const NAME = TEXT.replace(/\*$/, '+');
const PAIR = `${NAME}=${TEXT}`;
const CANONICAL_PATH = new RegExp(`^(?:[A-Za-z\\d\\-._~/]|${ESCAPE})*$`);
/** As clients that sign send it; decoding and encoding it again would change nothing. */
const CANONICAL_TEXT = new RegExp(`^${TEXT}$`);
/** All parameters in that spelling, though perhaps not in their order. */
const CANONICAL_PAIRS = new RegExp(`^${PAIR}(?:&${PAIR})*$`);
const ENCODED_SLASH = /%2F/i;
const UNRESERVED = /^[A-Za-z\d\-._~]$/;

/** The canonical request of one whose path is canonical itself. */
export function canonicalRequest(
  request: AuthenticationRequest,
  path: string,
  parts: SignatureParts,
): string {
  const { claim, query, payload } = parts;
  const headers = headersText(request, claim);
  return `${request.method}\n${path}\n${query}\n${headers}\n${claim.signedHeadersText}\n${payload}`;
}

function headersText(request: AuthenticationRequest, { signedHeaders }: SignatureClaim): string {
  let text = '';
  for (const name of signedHeaders) text += `${name}:${headerValue(request, name)}\n`;
  return text;
}

/** The path with everything encoded that is not unreserved, and nothing else; a slash stays encoded if it came so. */
export function canonicalPath(rawPath: string): string {
  if (CANONICAL_PATH.test(rawPath)) return rawPath;
  return rawPath
    .split(ENCODED_SLASH)
    .map((part) => encode(decode(part), '/'))
    .join('%2F');
}

/** Parameters encoded and sorted by name, then value. */
export function canonicalQuery(rawQuery: string, without?: string): string {
  const spelled = CANONICAL_PAIRS.test(rawQuery) ? withoutParameter(rawQuery, without) : undefined;
  return spelled ?? sortedQuery(rawQuery, without);
}

/** A query whose pairs are spelled as they have to be; undefined when they are not in order. */
function withoutParameter(query: string, without: string | undefined): string | undefined {
  let kept = query;
  let last = '';
  for (let start = 0; start < query.length;) {
    const ampersand = query.indexOf('&', start);
    const end = ampersand < 0 ? query.length : ampersand;
    const name = query.slice(start, query.indexOf('=', start));
    if (name === without) {
      // What is there twice, and the order of values, is left to the slower way.
      if (kept !== query) return undefined;
      kept =
        ampersand < 0 ? query.slice(0, Math.max(0, start - 1)) : query.slice(0, start) + query.slice(end + 1);
    } else if (name <= last) return undefined;
    else last = name;
    start = end + 1;
  }
  return kept;
}

function sortedQuery(rawQuery: string, without: string | undefined): string {
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

/** Nothing in such a value could have to be changed; hardly any has a space in it. */
const TIDY = /^[^ \t,]*$/;

/** Whether a header's value is signed as it is. */
export function isTidy(value: string): boolean {
  return TIDY.test(value);
}

/** What the parser leaves to do in others. */
const UNTIDY = /, |[ \t]{2}|\t/;
const SPACES = /[ \t]+/g;
const OUTER_SPACES = /^[ \t]+|[ \t]+$/g;

/** `trim` would take bytes of UTF-8 for spaces: "à" ends with 0xa0. */
function trimmed(text: string): string {
  return text.replaceAll(OUTER_SPACES, '');
}

/** Trimmed, with runs of spaces as one; several headers of one name are joined with a comma. */
export function headerValue(request: AuthenticationRequest, name: string): string {
  const value = request.headers[name];
  // The client names the headers: a name may be one that every object has.
  const text = typeof value === 'string' ? value : Array.isArray(value) ? value.join(',') : '';
  if (TIDY.test(text)) return text;
  if (!UNTIDY.test(text)) return trimmed(text);
  // node:http has put ", " between the values of several headers; one value may contain it as well.
  const whole = text.includes(', ') ? joinRaw(request.rawHeaders, name) : text;
  return trimmed(whole).replaceAll(SPACES, ' ');
}

function joinRaw(rawHeaders: readonly string[], name: string): string {
  const values: string[] = [];
  for (let index = 0; index + 1 < rawHeaders.length; index += 2)
    if (rawHeaders[index]?.toLowerCase() === name) values.push(trimmed(rawHeaders[index + 1] ?? ''));
  return values.join(',');
}
