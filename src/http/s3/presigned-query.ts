/**
 * The queries of presigned URLs. A client signs many URLs in the same second, and their queries are the same but for the
 * signature: so the signature is cut out, and what the rest means is parsed once and remembered by its text.
 *
 * What proves who asks is kept apart from what is asked, so that to everything behind the authenticator most presigned requests
 * have no query at all.
 *
 * Anybody may fill what is remembered, so it is small: at most 1 MiB of texts, and 3 MiB of what the authenticator keeps with those
 * whose keys are known; the oldest forgotten first.
 */
import { invalidArgument } from './s3-error.js';

const SIGNATURE = 'X-Amz-Signature=';
const LAST = `&${SIGNATURE}`;
/** Any other value is no signature and stays a parameter like others. */
const SIGNATURE_CHARACTERS = 64;
const LAST_CHARACTERS = LAST.length + SIGNATURE_CHARACTERS;
const AMPERSAND = 0x26;
const QUERIES_MAX = 1000;
const TEXT_CHARACTERS_MAX = 1024;

/** The parameters of Signature Version 4 (S3 API reference, "Authenticating requests: using query parameters"). */
const SIGNING_PARAMETERS = new Set(
  'Algorithm Content-Sha256 Credential Date Expires Security-Token Signature SignedHeaders'
    .split(' ')
    .map((name) => `X-Amz-${name}`),
);

/**
 * Headers of S3 that a client put into the query of a presigned URL, so that whoever uses it need not send them: SDKs do so with
 * metadata, tags and lists. Checksums are left aside, as S3 leaves them: SDKs sign that of an empty body there. Lower-case names; values are byte strings, as those of headers.
 */
export type HoistedHeaders = Readonly<Record<string, string>>;
const HOISTED = /^x-amz-[\w-]+$/;
const CHECKSUM = /^x-amz-(?:sdk-checksum-algorithm|checksum-(?!mode$).*)$/;
/** No control characters: they could end a header early. */
const HEADER_TEXT = /^[\t\x20-\x7e\x80-\u{10ffff}]*$/u;
const OUTER_SPACES = /^[ \t]+|[ \t]+$/g;
const SIGNING_NAMES = new Set([...SIGNING_PARAMETERS].map((name) => name.toLowerCase()));

export type Parameters = ReadonlyMap<string, string>;

/** What signs a presigned URL, but for the signature. */
export class SigningParameters extends Map<string, string> {
  /** Whether no other parameter looks like the signature. */
  readonly isSignatureAlone: boolean;
  /** What the authenticator made of them when it last read them: kept here, so that it needs not be looked up. */
  reading: object | undefined = undefined;

  constructor(isSignatureAlone: boolean) {
    super();
    this.isSignatureAlone = isSignatureAlone;
  }
}

/** What a query says. Shared by all requests that have the same, as long as it is remembered. */
export interface QueryMeaning {
  /** What is asked. */
  readonly query: Parameters;
  /** What proves who asks, in a presigned URL; undefined in any other. */
  readonly signing: SigningParameters | undefined;
  /** Headers that came in the query of a presigned URL; undefined for none. */
  readonly hoisted: HoistedHeaders | undefined;
}

const queries = new Map<string, QueryMeaning>();

/** The signature of a presigned URL: the first value of its parameter, when it has the length of one. */
export function signatureOfQuery(rawQuery: string): string | undefined {
  const start = findSignature(rawQuery);
  return start < 0 ? undefined : rawQuery.slice(start, start + SIGNATURE_CHARACTERS);
}

/** The same for a query whose parameters were read as `signing`: most have the signature at their end, and need not be searched. */
export function signatureBeside(signing: SigningParameters, rawQuery: string): string | undefined {
  return signing.isSignatureAlone && rawQuery.startsWith(LAST, rawQuery.length - LAST_CHARACTERS)
    ? rawQuery.slice(-SIGNATURE_CHARACTERS)
    : signatureOfQuery(rawQuery);
}

/** The query as it came without the parameter that `signatureOfQuery` returns. */
export function withoutSignature(rawQuery: string): string {
  return cutOut(rawQuery, findSignature(rawQuery));
}

function cutOut(rawQuery: string, start: number): string {
  if (start < 0) return rawQuery;
  const before = start - SIGNATURE.length - 1;
  const end = start + SIGNATURE_CHARACTERS;
  return before < 0 ? rawQuery.slice(end + 1) : rawQuery.slice(0, before) + rawQuery.slice(end);
}

/** What a query says, without the signature that `signatureOfQuery` returns. Throws InvalidArgument, and what `parse` throws. */
export function meaningOf(rawQuery: string, parse: (query: string) => Map<string, string>): QueryMeaning {
  const known = knownBeforeSignature(rawQuery);
  if (known !== undefined) return known;
  const start = findSignature(rawQuery);
  if (start < 0) return split(parse(rawQuery), rawQuery, false);
  const rest = cutOut(rawQuery, start);
  if (rest.length > TEXT_CHARACTERS_MAX) return split(parse(rest), rest, true);
  let meaning = queries.get(rest);
  if (meaning === undefined) {
    meaning = split(parse(rest), rest, true);
    if (queries.size >= QUERIES_MAX) forgetOldest();
    queries.set(rest, meaning);
  }
  return meaning;
}

/** What is remembered of a query that ends with its signature. The same as by the search for it, which another signature could end earlier. */
function knownBeforeSignature(rawQuery: string): QueryMeaning | undefined {
  const restEnd = rawQuery.length - LAST_CHARACTERS;
  if (restEnd < 0 || !rawQuery.startsWith(LAST, restEnd)) return undefined;
  const meaning = queries.get(rawQuery.slice(0, restEnd));
  if (meaning?.signing?.isSignatureAlone !== true) return undefined;
  const start = restEnd + LAST.length;
  return rawQuery.indexOf('&', start) < 0 && rawQuery.indexOf('%', start) < 0 ? meaning : undefined;
}

/** `text` is where the parameters come from. */
function split(parameters: Map<string, string>, text: string, isSigned: boolean): QueryMeaning {
  if (!isSigned && !parameters.has('X-Amz-Algorithm') && !parameters.has('X-Amz-Signature'))
    return { query: parameters, signing: undefined, hoisted: undefined };
  const signing = new SigningParameters(isSigned && !text.includes(SIGNATURE));
  let hoisted: Record<string, string> | undefined;
  for (const [name, value] of parameters) {
    const header = name.toLowerCase();
    if (SIGNING_PARAMETERS.has(name)) signing.set(name, value);
    else if (isHoisted(header)) (hoisted ??= {})[header] ??= headerValue(name, value);
    else continue;
    parameters.delete(name);
  }
  return { query: parameters, signing, hoisted };
}

function isHoisted(header: string): boolean {
  return HOISTED.test(header) && !SIGNING_NAMES.has(header) && !CHECKSUM.test(header);
}

/** Throws InvalidArgument. */
function headerValue(name: string, text: string): string {
  if (!HEADER_TEXT.test(text))
    throw invalidArgument(`The value of ${name} has characters that no header may have.`, name, text);
  return Buffer.from(text, 'utf8').toString('latin1').replaceAll(OUTER_SPACES, '');
}

function forgetOldest(): void {
  for (const text of queries.keys()) {
    queries.delete(text);
    return;
  }
}

/** Where the signature begins; -1 for none. */
function findSignature(rawQuery: string): number {
  const at = rawQuery.indexOf(SIGNATURE);
  if (at < 0 || (at > 0 && rawQuery.charCodeAt(at - 1) !== AMPERSAND)) return -1;
  const start = at + SIGNATURE.length;
  const end = start + SIGNATURE_CHARACTERS;
  const ampersand = rawQuery.indexOf('&', start);
  return (ampersand < 0 ? rawQuery.length : ampersand) === end && !rawQuery.slice(start, end).includes('%')
    ? start
    : -1;
}
